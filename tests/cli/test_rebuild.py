"""`rebuild`: the lake that comes from the archive is the one that was there, and nothing is lost on the way."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from homes import START, telemetry
from typer.testing import CliRunner

from assets import landing
from jobs.cli import app
from jobs.lock import hold
from jobs.runs import Runner
from pipelines.contracts.vocabulary import TABLES
from pipelines.importers import formats, text
from pipelines.importers.parsed import FileError
from resources.exchange import put_in_place
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

DAY = "2026-01-07"
REGISTER = """
[sources.line]
importer = "readings"

[[machines]]
id = "line.pump-1"
failures = [{ mode = "overheating", sensor = "temperature_c", threshold = 60.0 }]
"""


def smartmaint(home: Path, *words: str, status: int = 0) -> dict:
    done = CliRunner().invoke(app, [*words, "--home", str(home), "--json"])
    assert done.exit_code == status, (done.output, done.exception)
    return json.loads(done.stdout) if done.stdout else {"error": " ".join(done.stderr.split())}


def land(home: Path, *frames: pl.DataFrame) -> None:
    """Each frame in a run of its own."""
    for number, frame in enumerate(frames):
        path = home.parent / f"{number}.parquet"
        frame.write_parquet(path)
        smartmaint(home, "import", "readings", str(path), "--source", "line")


def tables(home: Path) -> dict[str, pl.DataFrame]:
    lake = Lake(root=str(home / "lake"))
    rows = {table: lake.read(table).drop("run_id", strict=False) for table in TABLES}
    return {
        table: frame.sort([name for name, dtype in frame.schema.items() if not dtype.is_nested()])
        for table, frame in rows.items()
    }


def differing(before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame]) -> list[str]:
    return [table for table, rows in before.items() if not rows.equals(after[table])]


WHOLE = telemetry(60, ramp_from=30)
FIRST, LATE, LAST = WHOLE[0:400], WHOLE[400:700], WHOLE[700:]
FIXED = WHOLE[100:150].with_columns(pl.col("value") + 1.0)
BACK = FIXED[0:20].with_columns(value=WHOLE[100:120]["value"])
PARTLY = WHOLE[0:3].with_columns(
    recorded_at=pl.Series([START, START + timedelta(days=9999), START + timedelta(hours=1)]).dt.cast_time_unit("us"),
    value=pl.Series([float("nan"), 1.0, 51.5]),
)
TRUTH = pl.DataFrame(
    {"machine_id": "pump-1", "kind": "fault", "label": "wear", "started_at": START, "ended_at": [None]},
    schema_overrides={"started_at": pl.Datetime("us", "UTC"), "ended_at": pl.Datetime("us", "UTC")},
)


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Path:
    """A home in which files landed late, doubled, corrected, corrected back, and in part."""
    home = tmp_path_factory.mktemp("lived") / "home"
    Home(home).prepare()
    (home / "machines.toml").write_text(REGISTER)
    land(home, LAST, FIRST, FIXED, FIRST, LATE, BACK, PARTLY, TRUTH)
    smartmaint(home, "run", "--day", DAY)
    return home


def test_a_lake_that_is_gone_comes_back_equal_and_goes_on(lived, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(lived, home)
    (home / "dagster.yaml").unlink()
    before = tables(home)
    assert before["readings"].height > WHOLE.height
    assert not before["forecasts"].is_empty()
    shutil.rmtree(home / "lake")
    document = smartmaint(home, "rebuild", "--day", DAY)
    assert (document["files"], document["carried"], document["missing"], document["failures"]) == (7, 0, [], [])
    assert differing(before, tables(home)) == []
    assert not (home / "lake.rebuilt").exists()

    land(home, FIXED, FIRST)  # known
    assert differing({"readings": before["readings"]}, tables(home)) == []
    land(home, FIRST.with_columns(value=pl.lit(1.0)))  # the newest, although the table counts its versions anew
    first = FIRST.with_columns(pl.lit("line.pump-1").alias("machine_id")).select("machine_id", "sensor", "recorded_at")
    current = Lake(root=str(home / "lake")).readings(source="line")
    assert set(current.join(first, on=first.columns)["value"]) == {1.0}


def test_what_the_archive_has_no_more_is_carried_over_and_what_nobody_has_is_told(lived, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(lived, home)
    inbox, before = Inbox(root=str(home)), tables(home)
    batches = list(inbox.archived(source="line"))
    for batch in batches[:3]:
        inbox.from_archive(batch, source="line").path.unlink()
    assert (smartmaint(home, "rebuild", "--day", DAY)["files"], differing(before, tables(home))) == (4, [])

    shutil.rmtree(home / "lake")
    document = smartmaint(home, "rebuild", "--day", DAY)
    assert [line.split()[1] for line in document["missing"]] == [batch[:12] for batch in batches[:3]]
    assert document["files"] == 4
    assert not tables(home)["readings"].is_empty()


def test_times_that_landed_with_the_wrong_zone_are_put_right(tmp_path):
    home = tmp_path / "home"
    (tmp_path / "a.csv").write_text("machine_id,sensor,recorded_at,value\npump-1,v,2026-01-05 12:00,1\n")
    smartmaint(home, "import", "readings", str(tmp_path / "a.csv"), "--source", "line")
    (home / "machines.toml").write_text('[sources.line]\nzone = "Asia/Tokyo"\n')
    smartmaint(home, "rebuild")
    assert tables(home)["readings"]["recorded_at"].to_list() == [START + timedelta(hours=3)]
    [note] = Inbox(root=str(home)).archived(source="line").values()
    assert note["zone"] == "Asia/Tokyo"


def test_while_a_run_is_in_flight_nothing_is_rebuilt(lived, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(lived, home)
    Home(home).prepare()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = dg.DagsterRun(job_name="micro_batch", run_id="0" * 32, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
    version = Lake(root=str(home / "lake")).version("readings")
    assert "1 runs are in flight" in smartmaint(home, "rebuild", status=1)["error"]
    assert Lake(root=str(home / "lake")).version("readings") == version
    assert not (home / "lake.rebuilt").exists()


def test_a_run_that_began_and_ended_while_the_new_lake_was_built_is_not_lost(lived, tmp_path, monkeypatch):
    home, another = tmp_path / "home", telemetry(1, level=70.0)
    shutil.copytree(lived, home)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("os.sync", lambda: land(home, another))
        assert "a run began meanwhile; nothing has changed" in smartmaint(home, "rebuild", status=1)["error"]
    assert not (home / "lake.rebuilt").exists()
    before = tables(home)["readings"]
    smartmaint(home, "rebuild", "--day", DAY)
    assert differing({"readings": before}, tables(home)) == []
    assert 70.0 < before["value"].max() < 71.0


def test_beside_a_running_up_nothing_is_rebuilt(tmp_path):
    Home(tmp_path).prepare()
    with os.fdopen(hold(tmp_path)):
        told = smartmaint(tmp_path, "rebuild", status=1)["error"]
    assert f"is running on {tmp_path} already (process {os.getpid()})" in told
    assert smartmaint(tmp_path, "rebuild")["failures"] == []


def test_a_lake_behind_a_link_is_rebuilt_where_it_lies_however_often(lived, tmp_path):
    home, disk = tmp_path / "home", tmp_path / "disk"
    shutil.copytree(lived, home)
    (home / "dagster.yaml").unlink()
    disk.mkdir()
    (home / "lake").rename(disk / "plant")
    (home / "lake").symlink_to(disk / "plant")
    (disk / "plant.rebuilt").symlink_to(disk / "plant")  # what an older version left
    before = tables(home)
    for _ in range(2):
        assert smartmaint(home, "rebuild", "--day", DAY)["failures"] == []
        assert differing(before, tables(home)) == []
    assert (home / "lake").is_symlink()
    assert [path.name for path in disk.iterdir()] == ["plant"]
    assert not list(home.glob("lake.*"))


def test_a_lake_that_is_a_mount_point_is_refused_before_anything_is_built(tmp_path):
    Home(tmp_path).prepare()
    shutil.rmtree(tmp_path / "lake")
    (tmp_path / "lake").symlink_to("/proc" if Path("/proc").is_mount() else "/")
    assert "is a mount point" in smartmaint(tmp_path, "rebuild", status=1)["error"]


def test_what_people_query_is_whole_again_as_soon_as_the_new_lake_stands(lived, tmp_path, monkeypatch):
    home, asked = tmp_path / "home", []
    shutil.copytree(lived, home)
    (home / "dagster.yaml").unlink()
    query, run = ("sql", "select count(*) from readings"), Runner.run
    current = Lake(root=str(home / "lake")).readings(source="line").height
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Runner, "run", lambda *now, **job: asked.append(smartmaint(home, *query)) or run(*now, **job))
        smartmaint(home, "rebuild", "--day", DAY)
    assert asked[0]["rows"] == [[current]]


def test_a_source_that_only_the_old_lake_has_is_computed_too(lived, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(lived, home)
    before = tables(home)
    for gone in ("archive", "dagster"):
        shutil.rmtree(home / gone)
    document = smartmaint(home, "rebuild", "--day", DAY)
    assert (document["files"], document["carried"], len(document["runs"])) == (0, 7, 2)
    assert differing(before, tables(home)) == []


@pytest.mark.parametrize("can_exchange", [True, False])
def test_one_folder_takes_the_place_of_another(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr("resources.exchange._exchanged", lambda *_: False)
    for name in ("new", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "was").write_text(name)
    put_in_place(tmp_path / "new", tmp_path / "place")
    assert {path.parent.name: path.read_text() for path in tmp_path.rglob("was")} == {"new": "place", "place": "new"}
    shutil.rmtree(tmp_path / "place")
    put_in_place(tmp_path / "new", tmp_path / "place")
    assert {path.parent.name: path.read_text() for path in tmp_path.rglob("was")} == {"place": "place"}


def test_a_file_that_cannot_be_read_to_its_end_any_more_is_carried_over_whole(tmp_path, monkeypatch):
    home, read = tmp_path / "home", formats.read_file
    lines = [f"pump-1,v,{START + timedelta(minutes=n):%FT%TZ},{n}" for n in range(600)]
    (tmp_path / "a.csv").write_text("\n".join(["machine_id,sensor,recorded_at,value", *lines]) + "\n")
    monkeypatch.setattr(text, "PIECE", 4096)
    monkeypatch.setattr(landing, "BYTES_AT_ONCE", 4096)
    smartmaint(home, "import", "readings", str(tmp_path / "a.csv"), "--source", "line")
    before = tables(home)["readings"]

    def stricter(path, declared):
        yield next(read(path, declared))
        raise FileError("wrong_value", "row 90: nobody minded when it landed")

    monkeypatch.setattr(formats, "read_file", stricter)
    document = smartmaint(home, "rebuild")
    assert (document["files"], document["carried"], document["missing"]) == (0, 1, [])
    assert tables(home)["readings"].height == before.height == 600
