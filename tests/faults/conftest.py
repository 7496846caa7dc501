"""A warm process to break, a ledger to count in, and how much of all that is tried."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.ledger import Ledger
from faults.story import DAY, HOT, REGISTER, Twins, copied
from faults.warm import Warm

from resources.home import Home

LEDGER = pytest.StashKey[Ledger]()
TABLE = "SMARTMAINT_FAULTS_TABLE"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = Ledger()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    process = Warm(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def twins(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return Twins(warm, tmp_path_factory.mktemp("twins"), {})


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    return pytestconfig.stash[LEDGER]


@pytest.fixture(scope="session")
def before(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes to copy: `prepared`, `imported` with the file `hot.parquet` in its lake, and `done` with all that follows."""
    folder = tmp_path_factory.mktemp("before")
    HOT.write_parquet(folder / "hot.parquet")
    prepared = Home(folder / "prepared")
    prepared.prepare()
    prepared.machines.write_text(REGISTER)
    copied(prepared.root, folder / "imported")
    done = warm.smartmaint(folder / "imported", "import", "readings", str(folder / "hot.parquet"), "--source", "line")
    assert done.status == 0, done.output
    copied(folder / "imported", folder / "done")
    done = warm.smartmaint(folder / "done", "run", "--day", DAY)
    assert done.status == 0, done.output
    return folder


@pytest.fixture
def home(before: Path, tmp_path: Path) -> Path:
    """A prepared home with nothing in it."""
    return copied(before / "prepared", tmp_path / "home")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ledger = config.stash[LEDGER]
    if not ledger.lines:
        return
    terminalreporter.section("faults")
    for line in ledger.rendered().splitlines()[8:]:
        terminalreporter.write_line(line)
    if TABLE in os.environ:
        Path(os.environ[TABLE]).write_text(ledger.rendered())
