"""The doctor finds what is wrong with a home, mends what is safe, and says of the rest what to do."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from typer.testing import CliRunner

from jobs import home_checks, run_checks
from jobs.cli import app
from jobs.doctor import CHECKS, examine
from jobs.failures import CommandError
from jobs.findings import Finding
from jobs.lock import hold, holder, sign
from pipelines.contracts.enforce import empty
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import LANDED
from resources.home import Home
from resources.lake import Lake
from resources.serving.duckdb_catalog import Catalog

DEAD = 4_000_000


@pytest.fixture
def home(tmp_path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def instance(home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        yield instance


def found(home: Home, *, mend: bool = False, starts: bool = False) -> list[Finding]:
    return examine(home.root, mend=mend, starts=starts)


def states(home: Home, *, mend: bool = False, starts: bool = False) -> list[tuple[str, str]]:
    return [(one.check, one.state) for one in found(home, mend=mend, starts=starts)]


def land(home: Home, *, landed_at: datetime) -> Lake:
    lake = Lake(root=str(home.lake))
    at = datetime(2026, 1, 5, tzinfo=UTC)
    row = {
        "source": "line", "day": at.date(), "machine_id": "line.m", "sensor": "s", "recorded_at": at, "value": 1.0,
        "quality": "good", "landed_at": landed_at, "batch_id": "b", "batch_seq": 1, "batch_row": 1,
    }  # fmt: skip
    example = empty(CONTRACTS["readings"])
    frame = pl.DataFrame([row], schema=dict(example.schema)).select(example.columns)
    lake.append("readings", frame, source="line", batches={"b": 1})
    return lake


def publish(home: Home) -> Catalog:
    catalog = Catalog(path=str(home.catalog), lake_root=str(home.lake))
    catalog.rebuild()
    return catalog


def test_a_fresh_home_has_nothing_wrong(home):
    assert found(home) == []


def test_where_there_is_no_home_the_error_says_so_and_none_is_made(tmp_path):
    with pytest.raises(CommandError, match="is no home; name one with --home"):
        examine(tmp_path / "nowhere", mend=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(home, monkeypatch):
    def broken(_patient):
        raise ValueError("no luck")

    monkeypatch.setattr("jobs.doctor.CHECKS", (broken, *CHECKS))
    (home.root / "landing" / "stray.csv").write_text("x")
    assert [(one.check, one.state) for one in found(home)] == [("broken", "open"), ("inbox", "open")]


def test_the_command_tells_every_finding_and_ends_in_1_while_one_is_open(home):
    def doctor(*words: str) -> tuple[int, list[dict]]:
        done = CliRunner().invoke(app, ["doctor", *words, "--home", str(home.root), "--json"])
        return done.exit_code, json.loads(done.stdout)["findings"]

    assert doctor() == (0, [])
    publish(home)
    home.catalog.write_bytes(b"broken")
    status, findings = doctor("--check")
    assert (status, [one["state"] for one in findings]) == (1, ["open"])
    assert set(findings[0]) == {"check", "what", "where", "remedy", "state"}
    status, findings = doctor()
    assert (status, [one["state"] for one in findings]) == (0, ["mended"])
    assert doctor("--check") == (0, [])


# --- files


def test_leftovers_of_dead_processes_are_removed(home):
    left = home.landing / "line" / f".{DEAD}-7.part"
    left.parent.mkdir()
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 120,) * 2)
    assert states(home) == [("temporary_files", "open")]
    assert left.exists()
    assert states(home, mend=True) == [("temporary_files", "mended")]
    assert not left.exists()


def test_low_disk_names_the_path_and_the_free_bytes(home, monkeypatch):
    free = shutil.disk_usage(home.root).free
    monkeypatch.setattr(home_checks, "LOW_BYTES", 10 * free)
    (finding,) = found(home, mend=True)
    assert (finding.check, finding.where, finding.state) == ("disk", str(home.root), "open")
    assert finding.what.split()[0].isdigit()


def test_readings_that_landed_in_the_future_tell_of_a_wrong_clock(home):
    land(home, landed_at=datetime.now(UTC) + timedelta(hours=1))
    publish(home)
    (finding,) = found(home)
    assert (finding.check, finding.state) == ("clock", "open")
    assert "in the future" in finding.what


def test_a_file_system_with_another_clock_is_told(home, monkeypatch):
    monkeypatch.setattr(home_checks, "SKEW_S", -1.0)  # as if any difference were one
    assert states(home) == [("clock", "open")]
    assert not list(home.root.glob("*.part"))


def test_what_can_never_land_is_told_with_its_path(home):
    (home.landing / "loose.csv").write_text("x")
    (home.landing / "line").mkdir()
    (home.landing / "line" / "gone.csv").symlink_to(home.root / "nothing")
    assert sorted((one.check, Path(one.where).name) for one in found(home)) == [
        ("inbox", "gone.csv"),
        ("inbox", "loose.csv"),
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_inbox_that_may_not_be_read_is_told(home):
    for name, mode in (("line", 0o000), ("other", 0o600)):
        (home.landing / name).mkdir(mode=mode)
    told = [(one.check, one.what, one.where, one.remedy) for one in found(home)]
    assert told == [
        ("inbox", "may not be read and emptied", str(folder), f"chmod u+rwx {folder}")
        for folder in (home.landing / "line", home.landing / "other")
    ]


@pytest.mark.parametrize("name", ["machines.toml", "crew.toml", "settings.toml"])
@pytest.mark.parametrize("text", [b"[", b"\xff", b"[nonsense]\nx = 1\n"])
def test_a_file_that_people_edit_and_nobody_can_read_is_told_with_its_place(home, name, text):
    (home.root / name).write_bytes(text)
    (finding,) = found(home, mend=True)
    assert (finding.check, finding.where, finding.state) == ("declarations", str(home.root / name), "open")


def test_the_quarantine_is_counted_by_source_and_nothing_is_wrong(home):
    for source, day, batch in (("a", "2026-01-05", "x"), ("a", "2026-01-06", "y"), ("b", "2026-01-05", "x")):
        folder = home.root / "quarantine" / source / day / batch
        folder.mkdir(parents=True)
        (folder / "reason.json").write_text("{}")
    assert [(one.what, Path(one.where).name, one.state) for one in found(home)] == [
        ("2 refused files", "a", "note"),
        ("1 refused files", "b", "note"),
    ]


# --- tables and catalog


def test_a_missing_table_is_made_and_a_damaged_one_is_told(home):
    lake = land(home, landed_at=datetime.now(UTC))
    publish(home)
    shutil.rmtree(lake.uri("work_orders"))
    Path(lake.files("readings")[0]).write_bytes(b"cut")
    told = {Path(one.where).name: (one.what, one.state) for one in found(home, mend=True) if one.check == "tables"}
    assert told["work_orders"] == ("there is no table", "mended")
    assert told["readings"][1] == "open"
    assert "1 of 1 files are gone or cut short" in told["readings"][0]
    assert lake.count("work_orders") == 0


@pytest.mark.parametrize("table", LANDED)
def test_a_table_of_what_arrived_is_not_made_anew_once_anything_landed(home, table):
    """An empty one would empty everything that follows from it: its disk may only not be mounted."""
    place = home.lake / table
    shutil.rmtree(place)
    assert states(home, mend=True) == [("tables", "mended")]
    shutil.rmtree(place)
    note = home.root / "archive" / "line" / "ab" / "abc" / "landing.json"
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    (finding,) = [one for one in found(home, mend=True) if one.check == "tables"]
    assert (finding.where, finding.state) == (str(place), "open")
    assert "or run `smartmaint rebuild`" in finding.remedy
    assert not place.exists()


def test_a_log_that_cannot_be_read_is_told(home):
    lake = Lake(root=str(home.lake))
    Path(lake.uri("alarms"), "_delta_log", f"{0:020d}.json").write_text("not json")
    (finding,) = found(home, mend=True)
    assert (finding.check, finding.state) == ("tables", "open")
    assert "cannot be read" in finding.what


@pytest.mark.parametrize("fault", ["missing", "broken", "stale", "moved"])
def test_a_catalog_that_does_not_show_the_lake_is_built_anew(home, fault):
    catalog = publish(home)
    land(home, landed_at=datetime.now(UTC))
    if fault == "missing":
        home.catalog.unlink()
    elif fault == "broken":
        home.catalog.write_bytes(b"no database")
    elif fault == "moved":
        catalog.rebuild()
        shutil.move(home.root, home.root.with_name("other"))
        home = Home(home.root.with_name("other"))
        home.prepare()
        catalog = Catalog(path=str(home.catalog), lake_root=str(home.lake))
    assert states(home) == [("catalog", "open")]
    assert states(home, mend=True) == [("catalog", "mended")]
    assert catalog.query("select count(*) from readings").rows == [(1,)]
    assert found(home) == []


def test_a_catalog_behind_a_lake_that_a_run_is_writing_is_no_fault(home, instance):
    publish(home)
    land(home, landed_at=datetime.now(UTC))
    instance.add_run(dg.DagsterRun(job_name="micro_batch", status=dg.DagsterRunStatus.STARTED))
    assert found(home) == []


# --- runs


def started(
    instance: dg.DagsterInstance, *, pid: int | None, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
):
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("x"), "r"), "micro_batch")
    run = dg.DagsterRun(job_name="micro_batch", status=status, remote_job_origin=origin)
    instance.add_run(run)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, dg_pid(pid))
    return run.run_id


def dg_pid(pid: int):
    from dagster._core.events import EngineEventData

    return EngineEventData.in_process(pid)


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


@pytest.fixture
def patient_for_nothing(monkeypatch):
    monkeypatch.setattr(run_checks, "START_S", -1.0)


@pytest.mark.parametrize(
    ("before", "after"), [("STARTED", "FAILURE"), ("STARTING", "FAILURE"), ("CANCELING", "CANCELED")]
)
def test_a_run_whose_process_is_gone_is_ended(home, instance, before, after):
    run_id = started(instance, pid=DEAD, status=dg.DagsterRunStatus(before))
    assert states(home) == [("orphan_runs", "open")]
    assert status(instance, run_id) == before
    assert states(home, mend=True) == [("orphan_runs", "mended")]
    assert status(instance, run_id) == after
    assert found(home) == []


def test_of_a_run_in_another_container_nothing_is_said_whatever_its_number(home, instance):
    for host, states_there in (("code", []), (platform.node(), [("orphan_runs", "mended")])):
        run_id = started(instance, pid=DEAD)
        instance.add_run_tags(run_id, {".dagster/grpc_info": json.dumps({"host": host, "port": 4000})})
        assert states(home, mend=True) == states_there
        instance.delete_run(run_id)


@pytest.mark.usefixtures("patient_for_nothing")
def test_a_run_whose_process_lives_is_left_alone(home, instance):
    run_id = started(instance, pid=os.getpid())
    assert found(home, mend=True, starts=True) == []
    assert status(instance, run_id) == "STARTED"


def test_a_run_that_is_just_being_started_is_left_alone(home, instance):
    started(instance, pid=None, status=dg.DagsterRunStatus.STARTING)
    assert found(home, mend=True) == []


@pytest.mark.usefixtures("patient_for_nothing")
def test_a_run_that_never_got_a_process_is_ended_after_a_while(home, instance):
    run_id = started(instance, pid=None, status=dg.DagsterRunStatus.STARTING)
    assert states(home, mend=True) == [("orphan_runs", "mended")]
    assert status(instance, run_id) == "FAILURE"


@pytest.mark.usefixtures("patient_for_nothing")
def test_a_queued_run_is_ended_where_no_daemon_is_there_or_about_to_start(home, instance):
    run_id = started(instance, pid=None, status=dg.DagsterRunStatus.QUEUED)
    assert found(home, mend=True, starts=True) == []
    lock = hold(home.root)
    assert states(home, mend=True) == [("daemon", "note")]
    os.close(lock)
    assert states(home, mend=True) == [("orphan_runs", "mended")]
    assert status(instance, run_id) == "FAILURE"


def test_a_slot_that_a_finished_run_holds_is_freed(home, instance):
    storage = instance.event_log_storage
    storage.set_concurrency_slots("plan", 1)
    storage.claim_concurrency_slot("plan", "gone", "step")
    assert states(home) == [("held_slots", "open")]
    assert states(home, mend=True) == [("held_slots", "mended")]
    assert storage.get_concurrency_info("plan").active_slot_count == 0


def test_a_slot_of_a_run_in_flight_stays_held(home, instance):
    run_id = started(instance, pid=os.getpid())
    instance.event_log_storage.set_concurrency_slots("plan", 1)
    instance.event_log_storage.claim_concurrency_slot("plan", run_id, "step")
    assert found(home, mend=True) == []
    assert instance.event_log_storage.get_concurrency_info("plan").active_slot_count == 1


# --- a new history


def test_a_source_that_landed_before_the_history_began_is_made_known_to_dagster(home, instance):
    (home.root / "archive" / "line").mkdir(parents=True)
    assert states(home) == [("sources", "open")]
    assert states(home, mend=True) == [("sources", "mended")]
    assert instance.get_dynamic_partitions("sources") == ["line"]
    assert found(home) == []


# --- storage


@pytest.mark.slow  # each waits for a server that is not there
@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ('storage:\n  postgres:\n    postgres_url: "postgresql://u:secret@h/d"\n', True),
        ('storage:\n  postgres:\n    postgres_url: "postgres://u:secret@h/d"\n', True),
        ('storage:\n  postgres:\n    postgres_url: "postgresql+psycopg2://u:secret@h/d"\n', False),
        ("storage:\n  postgres:\n    postgres_db: {hostname: h, db_name: d}\n", True),
        ("storage:\n  postgres:\n    postgres_db: {hostname: h, db_name: d, scheme: postgresql+psycopg2}\n", False),
    ],
)
def test_a_postgresql_address_that_leaves_the_driver_to_chance_is_told_without_its_secret(home, text, is_bare):
    (home.root / "dagster.yaml").write_text(text)
    told = [one for one in found(home) if "PostgreSQL" in one.what]
    assert len(told) == is_bare
    assert "secret" not in str(found(home))


def test_a_home_on_postgres_without_an_address_that_works_is_told_by_the_name_of_its_variable(home, monkeypatch):
    home.settings.write_text('[dagster]\nstorage = "postgres"\n')
    for address in ("", "postgresql://u:secret@h/d"):
        monkeypatch.setenv("SMARTMAINT_DAGSTER_STORAGE", address)
        (finding,) = found(home)
        assert (finding.check, finding.where) == ("storage", str(home.settings))
        assert "SMARTMAINT_DAGSTER_STORAGE" in finding.what
        assert "secret" not in str(finding)


def test_an_address_of_something_else_is_not_the_doctor_s_business(home, monkeypatch):
    monkeypatch.setenv("PLANT_DB", "postgresql://u:secret@h/d")
    assert found(home) == []


# --- one daemon a home


def test_a_second_holder_is_refused_with_the_process_of_the_first(home):
    lock = hold(home.root)
    assert holder(home.root) == os.getpid()
    with pytest.raises(CommandError, match=rf"running on {home.root} already \(process {os.getpid()}\).*`kill"):
        hold(home.root)
    os.close(lock)
    assert holder(home.root) is None
    os.close(hold(home.root))


def test_a_holder_that_is_not_known_is_not_named(home):
    lock = hold(home.root)
    sign(lock, DEAD)
    with pytest.raises(CommandError, match=r"already; use it, or end it first$"):
        hold(home.root)
    (told,) = found(home)
    assert (told.check, told.what) == ("daemon", "smartmaint up, or rebuild, is running")
    os.close(lock)


def test_a_child_that_outlives_its_parent_keeps_the_lock_and_is_named(home):
    lock = hold(home.root)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[lock])
    sign(lock, DEAD, child.pid)
    os.close(lock)
    try:
        assert holder(home.root) == child.pid
        with pytest.raises(CommandError, match=f"process {child.pid}"):
            hold(home.root)
    finally:
        child.kill()
        child.wait()
    assert holder(home.root) is None
