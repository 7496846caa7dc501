"""What every test may use: Hypothesis profiles, a home of nobody's, the real data sets where this machine has them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parents[1]
ABSENT = pytest.StashKey[set[str]]()

# No deadline: a busy machine must not fail a rule. In CI the same examples come every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ABSENT] = set()


@pytest.fixture(autouse=True, scope="session")
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test that forgets to name its home must not find that of whoever runs it."""
    os.environ["SMARTMAINT_HOME"] = str(tmp_path_factory.mktemp("nobody") / "home")
    os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(scope="session")
def data_dir(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Folder of a real data set, such as `data_dir("ai4i")`; skips the test where this machine has none.

    They lie side by side in `SMARTMAINT_DATA`.
    """
    root = Path(os.environ.get("SMARTMAINT_DATA", REPOSITORY.parent / "shared" / "data"))

    def find(name: str) -> Path:
        if not (root / name).is_dir():
            pytestconfig.stash[ABSENT].add(name)
            pytest.skip(f"the real data set {name} is not in {root}; SMARTMAINT_DATA names another folder")
        return root / name

    return find


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    absent = config.stash[ABSENT]
    if absent:
        told = ", ".join(sorted(absent))
        terminalreporter.write_line(f"Left out for want of real data: {told} (SMARTMAINT_DATA says where to look)")
