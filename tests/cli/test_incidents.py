"""`incidents similar`: what looked like it before, from the index that the plan keeps; and what to do without one."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from homes import telemetry
from typer.testing import CliRunner

from jobs.cli import app
from resources.home import Home
from resources.incident_index import IncidentIndex

DAY = "2026-01-09"


def smartmaint(home: Path, *words: str, status: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--home", str(home), "--json"])
    assert done.exit_code == status, (done.output, done.exception)
    return json.loads(done.stdout) if done.stdout else {"error": " ".join(done.stderr.split())}


def index(home: Path) -> IncidentIndex:
    return IncidentIndex(root=str(Home(home).incidents))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two pumps ran hot one after the other, a third never did."""
    home = tmp_path_factory.mktemp("incidents") / "home"
    pumps = {"pump-1": 60, "pump-2": 84, "pump-3": None}
    frames = [telemetry(96, ramp_from=ramp).with_columns(machine_id=pl.lit(name)) for name, ramp in pumps.items()]
    file = home.parent / "a.parquet"
    pl.concat(frames).write_parquet(file)
    smartmaint(home, "import", "readings", str(file), "--source", "line")
    told = smartmaint(home, "run", "--day", DAY)
    assert "incidents" in told["assets"]
    return home


def test_the_newest_incident_of_a_machine_is_compared_with_those_before_it(home):
    told = smartmaint(home, "incidents", "similar", "--machine", "line.pump-2")
    assert told["incident"]["machine_id"] == "line.pump-2"
    (like,) = told["similar"]
    assert like["machine_id"] == "line.pump-1"
    assert like["similarity"] > 0.9
    first = smartmaint(home, "incidents", "similar", "--alarm", like["alarm_id"])
    assert first["incident"]["alarm_id"] == like["alarm_id"]
    assert first["similar"] == []


def test_words_find_incidents_and_people_get_a_table(home):
    told = smartmaint(home, "incidents", "similar", "--text", "temperature", "--limit", "1")
    assert [row["summary"] for row in told["similar"]] == ["anomaly: temperature_c high"]
    assert told["incident"] is None
    shown = CliRunner().invoke(app, ["incidents", "similar", "--machine", "line.pump-2", "--home", str(home)])
    assert "similar incidents before it" in shown.stdout
    assert "line.pump-1" in shown.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--machine", "line.pump-9"), "no machine 'line.pump-9'; known are line.pump-1, line.pump-2, line.pump-3"),
        (("--machine", "line.pump-3"), "machine 'line.pump-3' has had no incident"),
        (("--alarm", "alarm-' OR 1=1"), "no incident has the alarm"),
        (("--text", " ,'"), "expected words"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(home, words, told):
    assert told in smartmaint(home, "incidents", "similar", *words, status=1)["error"]


def test_one_thing_is_asked_at_a_time(home):
    assert "name one of" in smartmaint(home, "incidents", "similar", status=2)["error"]


def test_a_home_without_index_or_without_incident_says_what_to_do(tmp_path):
    assert "is no home" in smartmaint(tmp_path, "incidents", "similar", "--text", "hot", status=1)["error"]
    home = Home(tmp_path / "home")
    home.prepare()
    told = smartmaint(home.root, "incidents", "similar", "--text", "hot", status=1)["error"]
    assert "there is no incident index yet: `smartmaint run` makes it" in told


def test_the_lake_built_anew_makes_the_index_anew_and_equal(home):
    before, note = index(home).read(), index(home).note()
    assert smartmaint(home, "rebuild", "--day", DAY)["failures"] == []
    after = index(home).note()
    assert note is not None
    assert after is not None
    assert after.folder != note.folder
    assert index(home).read().equals(before)


def test_the_doctor_lets_a_damaged_index_be_made_anew(home):
    before, note = index(home).read(), index(home).note()
    assert note is not None
    shutil.rmtree(Path(index(home).root) / note.folder / "incidents.lance" / "data")
    (found,) = smartmaint(home, "doctor")["findings"]
    assert (found["check"], found["state"]) == ("incidents", "mended")
    assert smartmaint(home, "doctor")["findings"] == []
    smartmaint(home, "run", "--day", DAY)
    assert index(home).read().equals(before)
