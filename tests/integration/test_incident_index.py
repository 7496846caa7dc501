"""The incident index: an incident is in it once, whoever writes and whoever dies; lost or damaged it is made anew."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import incident_rows
import numpy as np
import polars as pl
import pytest
from incident_rows import DEFINITION, SENSORS, START, alarm, rows, signature, write

from resources.incident_index import EVERY_WRITES, IncidentIndex, IncidentIndexError, News


@pytest.fixture
def index(tmp_path) -> IncidentIndex:
    return IncidentIndex(root=str(tmp_path / "incidents"))


def folder(index: IncidentIndex) -> Path:
    note = index.note()
    assert note is not None
    return Path(index.root) / note.folder / "incidents.lance"


def writer(index: IncidentIndex, act: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, incident_rows.__file__, index.root, act])


def alarms(found: pl.DataFrame) -> list[str]:
    return found["alarm_id"].to_list()


def test_what_is_written_is_read_and_written_again_it_is_there_once(index):
    assert write(index, range(10), 1) == (10, 10, 0, True)
    assert index.read().equals(rows(range(10)))
    assert write(index, range(5, 15), 2, verdict="suspect") == (15, 10, 0, False)
    assert index.read().equals(pl.concat([rows(range(5)), rows(range(5, 15), verdict="suspect")]))
    assert write(index, range(5, 15), 3, verdict="suspect") == (15, 10, 0, False)


def test_incidents_whose_alarms_went_away_go_too(index):
    write(index, range(10), 1)
    assert write(index, [10], 2, gone=[3, 99]) == (10, 1, 1, False)
    assert index.read().equals(rows([0, 1, 2, *range(4, 11)]))


def test_without_news_the_versions_are_noted_and_lancedb_is_not_loaded(index):
    write(index, range(3), 1)
    code = f"""
import sys
sys.path.insert(0, {str(Path(incident_rows.__file__).parent)!r})
from incident_rows import IncidentIndex, write
index = IncidentIndex(root={index.root!r})
print(write(index, [], 2).rows, index.note().taken, "lancedb" in sys.modules)
empty = IncidentIndex(root={index.root + "-2"!r})
print(write(empty, [], 1).rows, empty.rows(), empty.search(text="pump", limit=3).height, "lancedb" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["3 {'alarms': ('lake', 2)} False", "0 0 0 False"]


def test_killed_between_the_merge_and_its_note_the_same_is_merged_again_and_nothing_is_doubled(index):
    write(index, range(10), 1)
    assert writer(index, "killed").wait() == 9
    note = index.note()
    assert note is not None
    assert note.taken == {"alarms": ("lake", 1)}
    write(index, range(5, 15), 2)
    assert index.read().equals(rows(range(15)))
    assert index.damage() is None


def test_two_processes_that_write_the_same_incidents_leave_each_once(index):
    write(index, [0], 0)
    writers = [writer(index, act) for act in ("credible", "suspect")]
    assert [one.wait() for one in writers] == [0, 0]
    found = index.read()
    assert alarms(found) == [alarm(number) for number in range(31)]
    assert index.damage() is None


def test_an_index_that_is_gone_damaged_or_made_to_another_definition_is_made_anew(index):
    def asked(definition: str = DEFINITION) -> bool:
        """Whether everything was asked for."""
        seen = []

        def compute(note):
            seen.append(note)
            news = rows([0]) if note else rows(range(3))
            return News(news, [] if note else None, {"alarms": ("lake", 2)})

        done = index.bring_up_to_date(compute, definition=definition)
        assert index.read().equals(rows(range(3)))
        assert done.is_rebuilt == (seen[-1] is None)
        return done.is_rebuilt

    write(index, range(3), 1)
    assert not asked()
    shutil.rmtree(folder(index))
    assert index.note() is None
    assert asked()
    shutil.rmtree(folder(index) / "data")
    assert asked()
    for manifest in (folder(index) / "_versions").iterdir():
        manifest.write_bytes(b"")
    assert asked()
    (Path(index.root) / "note.json").write_text("{")
    assert asked()
    note = Path(index.root) / "note.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"version": 999}))  # an older copy was put back
    assert asked()
    assert asked("d2")
    assert not asked("d2")


def test_the_nearest_come_first_and_only_those_of_the_past_where_that_is_asked(index):
    write(index, range(40), 1)
    found = index.search(signature("pressure_bar"), f"pump anomaly: {SENSORS[2]} high", limit=5)
    assert {row.split()[2] for row in found["summary"]} == {"pressure_bar"}
    assert found["similarity"].to_list() == pytest.approx([1.0] * 5, abs=1e-5)
    past = index.search(signature("pressure_bar"), limit=5, before=rows([6])["started_at"][0])
    assert alarms(past)[0] == alarm(2)
    assert past["started_at"].max() < rows([6])["started_at"][0]
    assert past["started_at"].min() == START
    without = index.search(signature("pressure_bar"), limit=3, before=rows([6])["started_at"][0], without=[alarm(2)])
    assert alarm(2) not in alarms(without)


def test_words_alone_find_what_says_them_in_any_form_and_no_character_has_a_meaning(index):
    write(index, range(8), 1)
    assert {row.split()[2] for row in index.search(text="Temperatures", limit=8)["summary"]} == {"temperature_c"}
    assert index.search(text="nothing here says zebra's \" OR 1=1 --", limit=8).is_empty()
    assert index.search(text="it's 100 %", limit=8).height == 8


def test_the_order_of_what_is_found_does_not_depend_on_the_order_of_writing(index, tmp_path):
    other = IncidentIndex(root=str(tmp_path / "other"))
    write(index, range(40), 1)
    write(other, range(39, 19, -1), 1)
    write(other, range(19, -1, -1), 2)
    assert other.read().equals(index.read())
    for sensor in SENSORS:
        asked = (signature(sensor), f"{sensor} high")
        assert alarms(index.search(*asked, limit=10)) == alarms(other.search(*asked, limit=10))


def test_small_writes_are_merged_when_many_have_gathered_and_by_maintenance(index):
    write(index, range(10), 0)
    for number in range(EVERY_WRITES):
        write(index, [number], number + 1)
    note = index.note()
    assert note is not None
    assert note.writes == 0
    assert index.optimize() is False
    write(index, [99], 99)
    assert index.optimize() is True
    assert index.read().equals(rows([*range(EVERY_WRITES), 99]))
    assert index.damage() is None


def test_without_an_index_it_is_said_how_to_have_one_and_with_a_damaged_one_too(index):
    with pytest.raises(IncidentIndexError, match="no incident index yet: `smartmaint run`"):
        index.search(text="pump", limit=1)
    assert index.damage() is None
    write(index, range(3), 1)
    shutil.rmtree(folder(index) / "data")
    with pytest.raises(IncidentIndexError, match=r"damaged .*`smartmaint doctor`"):
        index.search(np.zeros(128).tolist(), limit=1)
    assert index.damage() is not None
    index.forget()
    assert index.damage() is None
    assert index.note() is None
