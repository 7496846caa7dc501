"""Landing on a real lake: no value is lost or doubled, however often and in whatever state a file comes again."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from assets.landing import FILES_AT_ONCE, File, Landed, commit, land, opened_file
from pipelines.contracts.readings import READINGS
from pipelines.register import Source
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

NOW = datetime(2026, 2, 1, tzinfo=UTC)
START = datetime(2026, 1, 5, tzinfo=UTC)
HEAD = "machine_id,sensor,recorded_at,value\n"
LINE = Source("line")

Rows = list[tuple[int, str]]  # hour after START, cell


class Place:
    """A home without Dagster: inbox and lake."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.prepare()
        (root / "landing" / "line").mkdir()
        self.lake, self.inbox, self.sent = Lake(root=str(self.home.lake)), Inbox(root=str(root)), 0

    def send(self, rows: Rows) -> str:
        """Put a file into the inbox under a name of its own."""
        self.sent += 1
        lines = (f"pump-1,v,{START + timedelta(hours=hour):%FT%TZ},{cell}\n" for hour, cell in rows)
        (self.home.landing / "line" / f"{self.sent}.csv").write_text(HEAD + "".join(lines))
        return f"line/{self.sent}.csv"

    def land(self, *files: str, now: datetime = NOW, again: bool = False) -> Landed:
        lake = Lake(root=str(self.home.lake))  # as each run has its own
        return land(files, source=LINE, lake=lake, inbox=self.inbox, now=now, again=again)

    def killed_after_commit(self, file: str) -> None:
        """The run dies when the rows are committed and the file is still in the inbox."""
        claim = self.inbox.claim(file)
        assert claim is not None
        commit([File(claim, opened_file(claim, LINE)[0], None, NOW, NOW)], "line", self.lake)

    def current(self) -> dict[int, float]:
        rows = self.lake.readings(source="line")
        return {
            int((at - START) / timedelta(hours=1)): value for at, value in rows.select("recorded_at", "value").rows()
        }

    def waiting(self) -> list[str]:
        return sorted(path.name for path in (self.home.landing / "line").iterdir())


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path / "home")


CELLS = st.sampled_from(["1", "2", "3", "", "nan", "inf", "high"])
FILES = st.lists(
    st.lists(st.tuples(st.integers(0, 2), CELLS), min_size=1, max_size=3), min_size=1, max_size=4, unique_by=str
)


@given(FILES, st.data())
@settings(max_examples=12)
def test_however_files_are_sent_again_or_their_runs_killed_the_last_that_first_landed_wins_and_nothing_is_lost(
    files, data
):
    with TemporaryDirectory() as folder:
        place, expected, refused = Place(Path(folder) / "home"), {}, {}
        for number, rows in enumerate(files):
            if data.draw(st.booleans(), label="killed"):
                event("killed between commit and archive")
                place.killed_after_commit(place.send(rows))
            else:
                place.land(place.send(rows))
            good = [(hour, float(cell)) for hour, cell in rows if cell in ("1", "2", "3")]
            still = {hour for hour, _ in good if len({value for at, value in good if at == hour}) >= 3}
            expected |= {hour: value for hour, value in good if hour not in still}
            refused[str(rows)] = sum(bool(cell) and (cell not in "123" or hour in still) for hour, cell in rows)
            for again in data.draw(st.lists(st.integers(0, number), max_size=2), label="again"):
                event("sent again")
                place.land(place.send(files[again]))
            assert place.current() == expected
        landed = place.land(*(f"line/{name}" for name in place.waiting()))
        count = landed.receipt
        assert count.rows_read == count.rows_landed + count.rows_duplicate + count.rows_quarantined + count.rows_empty
        assert (place.waiting(), place.current()) == ([], expected)
        READINGS.validate(place.lake.read("readings"))
        kept = {entry.facts["sha256"]: entry.facts["values"] for entry in place.inbox.refused()}
        assert sorted(kept.values()) == sorted(count for count in refused.values() if count)
        place.land(*[entry.folder for entry in place.inbox.refused()], again=True)
        assert place.current() == expected


def test_a_run_that_was_killed_between_commit_and_archive_still_says_what_was_refused(place):
    file = place.send([(0, "1"), (1, "nan")])
    place.killed_after_commit(file)
    landed = place.land(file)
    assert (landed.receipt.rows_landed, landed.receipt.rows_duplicate, landed.receipt.rows_quarantined) == (0, 1, 1)
    [entry] = place.inbox.refused()
    assert entry.facts["values"] == 1
    assert place.lake.count("readings") == 1


def test_a_file_that_the_lake_forgot_lands_again_in_its_old_place_and_undoes_no_correction(place):
    first = place.send([(0, "1"), (1, "2")])
    name = place.home.landing / first
    content = name.read_text()
    place.land(first)
    seq = place.lake.read("readings")["batch_seq"].max()
    place.land(place.send([(0, "9")]))
    for table in place.home.lake.iterdir():  # a lake that lost its tail
        if table.name in ("readings", "labels"):
            for log in sorted((table / "_delta_log").glob("*.json"))[1:]:
                log.unlink()
    place.lake = Lake(root=place.lake.root)  # as whoever comes next opens it
    name.write_text(content)
    place.land(place.send([(0, "9")]))
    place.land(first)
    assert place.current() == {0: 9.0, 1: 2.0}
    assert place.lake.read("readings").filter(pl.col("value") == 2.0)["batch_seq"].to_list() == [seq]


def test_the_same_files_landed_by_two_runs_at_once_land_once_each_with_a_number_of_its_own(place):
    files = [place.send([(hour, str(hour)), (hour, "bad")]) for hour in range(6)]
    ready = threading.Barrier(2)

    def run(mine: list[str]) -> Landed:
        ready.wait(30)
        return place.land(*mine)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [files, files[::-1]]))
    rows = place.lake.read("readings")
    READINGS.validate(rows)
    assert sorted(rows["value"]) == [float(hour) for hour in range(6)]
    assert rows["batch_seq"].n_unique() == 6
    assert place.waiting() == []
    assert len(place.inbox.refused()) == 6


def test_different_files_of_one_source_landed_at_once_see_each_other(place):
    files = [place.send([(0, str(number)), (number, "5")]) for number in range(1, 9)]
    ready = threading.Barrier(4)

    def run(mine: list[str]) -> Landed:
        ready.wait(30)
        return place.land(*mine)

    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(run, [files[at::4] for at in range(4)]))
    rows = place.lake.read("readings")
    READINGS.validate(rows)
    assert rows["batch_seq"].n_unique() == 8
    assert sum(one.receipt.values_corrected for one in landed) == 7
    newest = rows.filter(pl.col("recorded_at") == START).sort("batch_seq")["value"][-1]
    assert place.current()[0] == newest


def test_more_files_than_fit_into_a_commit_land_in_several_in_order(place):
    files = [place.send([(0, str(number))]) for number in range(FILES_AT_ONCE + 3)]
    landed = place.land(*files)
    assert landed.receipt.values_landed == FILES_AT_ONCE + 3
    assert place.current() == {0: float(FILES_AT_ONCE + 2)}
    READINGS.validate(place.lake.read("readings"))


def test_the_reason_names_rule_row_column_value_and_version_and_the_counts_add_up(place):
    place.land(place.send([(0, "1"), (1, "inf"), (2, "-inf"), (3, "high"), (4, "")]))
    [entry] = place.inbox.refused()
    facts = json.loads((place.home.root / entry.folder / "reason.json").read_text())
    told = {name: facts[name] for name in ("code", "row", "column", "value", "values", "zone", "importer")}
    assert told == {
        "code": "rows_refused", "row": 1, "column": "v", "value": "inf", "values": 3, "zone": "UTC",
        "importer": "readings",
    }  # fmt: skip
    assert len(facts["version"]) == 16
    assert facts["rule"].startswith("value: in_range")
    assert "value: not a number (1 values)" in facts["message"]
    counts = facts["counts"]
    assert (counts["rows_read"], counts["rows_landed"], counts["rows_quarantined"], counts["rows_empty"]) == (
        5,
        1,
        3,
        1,
    )


def test_what_was_ahead_of_the_clock_comes_back_in_its_place_when_that_time_has_passed(place):
    place.land(place.send([(0, "1"), (5, "2")]), now=START + timedelta(hours=1))
    place.land(place.send([(5, "3")]), now=START + timedelta(hours=6))
    assert place.current() == {0: 1.0, 5: 3.0}
    [entry] = place.inbox.refused()
    receipt = place.land(entry.folder, now=START + timedelta(hours=7), again=True).receipt
    assert (receipt.rows_read, receipt.rows_landed, receipt.rows_duplicate) == (2, 1, 1)
    assert place.current() == {0: 1.0, 5: 3.0}
    assert sorted(place.lake.read("readings")["value"]) == [1.0, 2.0, 3.0]
    assert place.inbox.refused() == []


def test_a_file_sent_again_that_lands_now_takes_its_entry_out_of_quarantine(place):
    name = place.home.landing / "line" / "a.csv"
    name.write_text(HEAD)
    land(["line/a.csv"], source=Source("line", "opc"), lake=place.lake, inbox=place.inbox, now=NOW, again=False)
    assert len(place.inbox.refused()) == 1
    name.write_text(HEAD)
    place.land("line/a.csv")
    assert place.inbox.refused() == []


def test_a_file_that_cannot_be_had_is_left_and_told_and_the_others_land(place):
    locked = place.home.landing / "line" / "locked.csv"
    locked.symlink_to("/proc/self/mem")  # opens, and cannot be read
    landed = place.land("line/locked.csv", place.send([(0, "1")]), "line/gone.csv")
    assert landed.left == [
        {"file": "line/locked.csv", "message": "line/locked.csv: Input/output error; it stays where it is"}
    ]
    assert (place.current(), place.waiting(), landed.refused) == ({0: 1.0}, ["locked.csv"], [])
