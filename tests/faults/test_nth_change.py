"""A process killed at its n-th change on disk, for n = 1 .. end: whatever it was doing, one further run heals it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.invariants import Findings
from faults.ledger import Ledger
from faults.story import DAY, HOT, Twins, copied, expected, most, put, recovered
from faults.warm import Act, Fault, Outcome, Warm

KILLS = {Act.KILL_BEFORE: "before", Act.KILL_AFTER: "in the middle of"}


@dataclass(frozen=True)
class Scene:
    """A command on a home that stands just before it.

    Attributes:
        before: Home to copy; None for none at all.
        words: The command.
        besides: Whether Dagster's own storage is left out (True) or looked at alone (False).
    """

    name: str
    before: Path | None
    words: tuple[str, ...]
    file: Path
    besides: bool

    def fault(self, home: Path, *, at: int = 0, act: Act = Act.COUNT) -> Fault:
        store = home / "dagster"
        return Fault(home, store, at, act) if self.besides else Fault(store, None, at, act)

    def stage(self, home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        if self.before is not None:
            copied(self.before, home)


@pytest.fixture
def scene(request: pytest.FixtureRequest, before: Path) -> Scene:
    command, _, storage = request.param.partition(", ")
    file = before / "hot.parquet"
    if command == "import":
        words = ("import", "readings", str(file), "--source", "line")
        return Scene(request.param, before / "prepared", words, file, not storage)
    return Scene(request.param, before / "imported", ("run", "--day", DAY), file, not storage)


def killed(scene: Scene, home: Path, warm: Warm, *, at: int, act: Act) -> Outcome:
    """The command, killed at its n-th change: only then was a change in flight."""
    scene.stage(home)
    outcome = warm.smartmaint(home, *scene.words, fault=scene.fault(home, at=at, act=act))
    assert outcome.fired or outcome.status == 0, outcome
    assert not outcome.fired or outcome.status == -9, outcome
    return outcome


def healed(scene: Scene, home: Path, warm: Warm, twins: Twins) -> Findings:
    """The same command again, as anybody would, then one plain run and the checker."""
    again = scene.words if scene.words[0] == "import" else ()
    return recovered(warm, twins, home, put(scene.file, readings=expected(HOT)), again=again)


def changes(scene: Scene, home: Path, warm: Warm) -> int:
    """How many changes the command makes when nobody disturbs it."""
    scene.stage(home)
    outcome = warm.smartmaint(home, *scene.words, fault=scene.fault(home))
    assert outcome.status == 0, outcome.output
    return outcome.calls


def spread(last: int, *, most: int, phase: float) -> range:
    """Evenly spread numbers from 1 to the last change; every one where `most` allows."""
    step = max(1, last // most)
    return range(1 + int(phase * step), last + 1, step)


def all_healed(
    scene: Scene, home: Path, warm: Warm, twins: Twins, ledger: Ledger, *, acts: Sequence[Act], points: int
) -> None:
    broken, last = [], changes(scene, home, warm)
    for act in acts:
        for at in spread(last, most=points, phase=act / 4):
            outcome = killed(scene, home, warm, at=at, act=act)
            if not outcome.fired:  # a run differs by a few changes from the one that was counted
                continue
            findings = healed(scene, home, warm, twins)
            place = "of Dagster's storage" if not scene.besides else "of inbox and lake"
            ledger.note(f"kill -9 {KILLS[act]} the n-th write, rename or fsync {place}", findings)
            if findings:
                broken.append(f"{scene.name}, killed {KILLS[act]} {at}, {outcome.what} of {outcome.path}: {findings}")
    assert not broken, "\n".join(broken)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("scene", "act"), [("import", Act.KILL_BEFORE), ("run", Act.KILL_AFTER)], indirect=["scene"])
def test_a_kill_at_some_change_is_healed_by_the_next_run(scene, act, warm, twins, ledger, tmp_path):
    all_healed(scene, tmp_path / "home", warm, twins, ledger, acts=[act], points=1)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("scene", ["import", "run", "import, Dagster", "run, Dagster"], indirect=True)
def test_a_kill_at_every_change_is_healed_by_the_next_run(scene, warm, twins, ledger, tmp_path):
    """Every change of inbox and lake with `make faults`, a sample of them in CI; of Dagster's thousands a sample."""
    points = most(8) if scene.besides else min(most(4), 100)
    all_healed(scene, tmp_path / "home", warm, twins, ledger, acts=[*KILLS], points=points)
