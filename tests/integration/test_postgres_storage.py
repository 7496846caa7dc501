"""Dagster's history on a real PostgreSQL: what works in files works there, and a home changes over and back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from databases import database
from homes import telemetry

from jobs.doctor import examine
from jobs.running import run_all
from jobs.runs import opened
from resources.dagster_storage import DRIVER
from resources.home import Home
from resources.inbox import Inbox
from resources.postgres_storage import KEPT, PooledEventLog, PooledRunStorage, PooledScheduleStorage
from resources.run_storage import RunStorage

pytestmark = pytest.mark.service
OTHERS = (
    "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
    "and backend_type = 'client backend'"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with database() as address:
        yield address


@pytest.fixture
def root(address, tmp_path, monkeypatch) -> Path:
    """A home on the server, its history empty."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    monkeypatch.setenv("SMARTMAINT_DAGSTER_STORAGE", address.replace("postgresql", DRIVER, 1))
    root = tmp_path / "home"
    root.mkdir()
    to_postgres(root)
    return root


@pytest.fixture
def instance(root) -> Iterator[dg.DagsterInstance]:
    Home(root).prepare()
    with dg.DagsterInstance.from_config(str(root)) as instance:
        yield instance


def to_postgres(root: Path) -> None:
    (root / "settings.toml").write_text('[dagster]\nstorage = "postgres"\n')


def drop(root: Path, tmp_path: Path, name: str = "line") -> None:
    (root / "landing").mkdir(exist_ok=True)
    telemetry(30).write_parquet(tmp_path / "a.parquet")
    Inbox(root=str(root)).put(tmp_path / "a.parquet", source=name)


def run(root: Path) -> list[int]:
    """Rows that each run wrote."""
    document = run_all(root, source=None, day="2026-01-06", select=None)
    assert not document["failures"]
    return [ran["rows_written"] for ran in document["runs"]]


@dg.asset
def plan() -> None:
    print("in the log")  # noqa: T201


def test_a_run_lands_what_waits_in_a_history_that_is_all_on_the_server(root, tmp_path):
    drop(root, tmp_path)
    landed, planned = run(root)
    assert landed > 3 * 30 * 6
    assert planned == 0
    with opened(root) as runner, dg.DagsterInstance.from_config(str(root)) as instance:
        kinds = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        assert [type(kind) for kind in kinds] == [PooledRunStorage, PooledEventLog, PooledScheduleStorage]
        assert runner.sources() == ["line"]
        assert [ran.status for ran in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS] * 2
    assert not list(root.rglob("*.db"))
    assert run(root) == [0, 0]


def test_a_home_changes_over_with_its_lake_and_back_with_its_history(root, tmp_path):
    (root / "settings.toml").unlink()
    drop(root, tmp_path)
    run(root)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        before = set(instance.get_run_ids())
    to_postgres(root)
    assert [one.check for one in examine(root, mend=False)] == ["storage"]  # a note: no command has been there yet
    assert run(root) == [0, 0]  # the source is looked at, though the new history has never met it
    with dg.DagsterInstance.from_config(str(root)) as instance:
        assert instance.get_dynamic_partitions("sources") == ["line"]
        assert not before & set(instance.get_run_ids())
    (root / "settings.toml").unlink()
    assert run(root) == [0, 0]
    with dg.DagsterInstance.from_config(str(root)) as instance:
        assert before < set(instance.get_run_ids())


def test_connections_stay_open_are_few_and_one_that_was_cut_is_made_anew(instance, address):
    dg.materialize([plan], instance=instance)
    with psycopg.connect(address, autocommit=True) as server:
        (kept,) = server.execute(f"select count(*) {OTHERS}").fetchone() or (0,)
        assert 0 < kept <= 2 * KEPT  # a test before this one may have been a web server
        server.execute(f"select pg_terminate_backend(pid) {OTHERS}")
    assert dg.materialize([plan], instance=instance).success


def test_the_web_server_s_statements_end_in_time_and_survive_a_cut_too(instance, address):
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        storage.optimize_for_webserver(statement_timeout=5000, pool_recycle=10, max_overflow=1)
    with instance.event_log_storage._connect() as connection:
        assert connection.exec_driver_sql("show statement_timeout").scalar() == "5s"
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"select pg_terminate_backend(pid) {OTHERS}")
    assert instance.get_runs() == []


def test_old_runs_are_pruned_with_their_rows_and_logs(instance, root, address):
    runs = [dg.materialize([plan], instance=instance).run_id for _ in range(3)]
    storage = RunStorage(instance, Home(root).compute_logs)
    later = datetime.now(UTC) + timedelta(days=1)
    pruned, removed = storage.prune(before=later, failed_before=later)
    assert (pruned, set(instance.get_run_ids())) == (2, {runs[-1]})
    assert removed.files >= 2
    with psycopg.connect(address) as server:
        assert server.execute("select distinct run_id from event_logs").fetchall() == [(runs[-1],)]
    storage.sweep()
    assert {path.name for path in Home(root).compute_logs.iterdir()} == {runs[-1]}
    storage.purge_ticks(before=later)


def test_the_doctor_ends_a_run_whose_process_is_gone_and_frees_its_slot(instance, root, monkeypatch):
    run_id = instance.add_run(dg.DagsterRun(job_name="plan", status=dg.DagsterRunStatus.STARTED)).run_id
    instance.event_log_storage.set_concurrency_slots("plan", 1)
    instance.event_log_storage.claim_concurrency_slot("plan", run_id, "step")
    monkeypatch.setattr("jobs.run_checks.START_S", -1.0)
    assert [(one.check, one.state) for one in examine(root, mend=True)] == [
        ("orphan_runs", "mended"),
        ("held_slots", "mended"),
    ]
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert examine(root, mend=True) == []
