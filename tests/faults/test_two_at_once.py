"""Two processes over one home: the same file, and the same keys with other values."""

from pathlib import Path

import polars as pl
import pytest
from faults.invariants import KEY, examine
from faults.story import DAY, Twins, copied, expected, most, put
from faults.warm import Outcome, Warm
from homes import telemetry

from resources.lake import Lake

FIRST = telemetry(6)
OTHER = FIRST.with_columns(value=pl.lit(7.0))
TIMES = min(25, most(4))


def imported_at_once(warm: Warm, home: Path, *files: Path) -> list[Outcome]:
    """Each file by a process of its own, all begun together."""
    words = [["import", "readings", str(file), "--source", "line", "--home", str(home)] for file in files]
    begun = [warm.start("faults.acts:smartmaint", each) for each in words]
    return [warm.wait(pid) for pid in begun]


def ran_and_examined(warm: Warm, home: Path, twins: Twins, told):
    done = warm.smartmaint(home, "run", "--day", DAY)
    assert done.status == 0, done.output
    return examine(home, told, twin=twins.of(home))


def same_file(warm, home, twins, ledger, tmp_path) -> None:
    file = tmp_path / "same.parquet"
    FIRST.write_parquet(file)
    for outcome in imported_at_once(warm, home, file, file):
        assert outcome.status == 0, outcome.output
    findings = ran_and_examined(warm, home, twins, put(file, readings=expected(FIRST)))
    ledger.note("the same file by two importers at once", findings)
    assert findings.breaches == ()


def same_keys(warm, home, twins, ledger, tmp_path) -> None:
    files = [tmp_path / "first.parquet", tmp_path / "other.parquet"]
    for frame, file in zip((FIRST, OTHER), files, strict=True):
        frame.write_parquet(file)
    for outcome in imported_at_once(warm, home, *files):
        assert outcome.status == 0, outcome.output
    findings = ran_and_examined(warm, home, twins, put(*files))
    ledger.note("two writers of the same keys with other values", findings)
    assert findings.breaches == ()
    lake = Lake(root=str(home / "lake"))
    current = lake.readings(source="line")
    assert lake.count("readings") == 2 * FIRST.height, "both versions are kept"
    assert current["batch_seq"].n_unique() == 1, "one writer won, and won everywhere"
    assert any(
        current.drop("quality").join(expected(each), on=[*KEY, "value"]).height == FIRST.height
        for each in (FIRST, OTHER)
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_file_imported_twice_at_once_lands_once(home, warm, twins, ledger, tmp_path):
    same_file(warm, home, twins, ledger, tmp_path)


@pytest.mark.timeout(300)
def test_of_two_writers_of_the_same_keys_one_wins_and_both_are_kept(home, warm, twins, ledger, tmp_path):
    same_keys(warm, home, twins, ledger, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("act", [same_file, same_keys])
def test_two_at_once_again_and_again(act, before, warm, twins, ledger, tmp_path):
    for time in range(TIMES):
        folder = tmp_path / str(time)
        folder.mkdir()
        act(warm, copied(before / "prepared", folder / "home"), twins, ledger, folder)
