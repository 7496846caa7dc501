"""`smartmaint up` with its history on a real PostgreSQL: sensor, backfills, and a server that goes away meanwhile."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from databases import database
from homes import telemetry
from ports import free_port

from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from resources.dagster_storage import DRIVER
from resources.inbox import Inbox
from resources.lake import Lake
from sensors.landing import UNFINISHED, WAIT_S

pytestmark = [pytest.mark.process, pytest.mark.service, pytest.mark.timeout(400)]
COMMAND = [sys.executable, "-m", "jobs"]
WITHIN_S = 200.0
SOURCES = ("sensed", "first", "second", "third", "fourth")
AWAY_S = 4.0
"""Longer than a run waits for a connection, and than the daemon between two looks."""
TABLES = ("readings", "machines", "window_features", "baselines", "anomaly_scores", "alarms", "health_index")
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Up:
    """A running installation on a database of its own."""

    home: Path
    port: int
    address: str
    instance: dg.DagsterInstance

    def drop(self, *sources: str) -> None:
        for source in sources:
            drop(self.home, source)

    def backfill(self, *sources: str) -> str:
        """Ask for it as the page of the job does."""
        self.instance.add_dynamic_partitions("sources", list(sources))
        repository = {"repositoryLocationName": "jobs.definitions", "repositoryName": "__repository__"}
        selector = {"partitionSetName": "micro_batch_partition_set", "repositorySelector": repository}
        answer = self.ask(BACKFILL, params={"selector": selector, "partitionNames": list(sources)})
        return str(answer["launchPartitionBackfill"]["backfillId"])

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def is_done(self, *sources: str) -> bool:
        """Every file has landed, scores follow, and nothing is on its way."""
        lake = Lake(root=str(self.home / "lake"))
        return (
            all(lake.count("anomaly_scores", source=source) == 96 * 6 for source in sources)
            and not any(any((self.home / "landing" / source).iterdir()) for source in sources)
            and not self.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED))
        )


def drop(home: Path, source: str) -> None:
    file = home / f"{source}.parquet"
    telemetry(96).write_parquet(file)
    Inbox(root=str(home)).put(file, source=source)
    file.unlink()


def eventually(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + WITHIN_S
    while not (found := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    home, port = tmp_path_factory.mktemp("up") / "home", free_port()
    (home / "landing").mkdir(parents=True)
    (home / "settings.toml").write_text('[dagster]\nstorage = "postgres"\n')
    with database() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTMAINT_DAGSTER_STORAGE", address.replace("postgresql", DRIVER, 1))
        with (home.parent / "log").open("w") as log:
            process = subprocess.Popen(
                [*COMMAND, "up", "--home", str(home), "--port", str(port)], stdout=log, stderr=log
            )
        try:
            eventually(lambda: answers(port, process, home.parent / "log"))
            with dg.DagsterInstance.from_config(str(home)) as instance:
                yield Up(home, port, address, instance)
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2).close()
        return True
    return False


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Path:
    """The same files in a home of its own, in files, landed and computed by one command."""
    home = tmp_path_factory.mktemp("single") / "home"
    (home / "landing").mkdir(parents=True)
    for source in SOURCES:
        drop(home, source)
    subprocess.run([*COMMAND, "run", "--home", str(home)], check=True, capture_output=True)
    return home


def rows(home: Path, source: str) -> dict[str, list[str]]:
    lake = Lake(root=str(home / "lake"))
    frames = {table: lake.read(table, source=source).drop(lineage_columns(CONTRACTS[table])) for table in TABLES}
    return {table: sorted(map(str, frame.rows())) for table, frame in frames.items()}


@contextmanager
def without_the_sensor(instance: dg.DagsterInstance) -> Iterator[None]:
    """A backfill alone takes what waits."""
    (sensor,) = [state for state in instance.all_instigator_state() if state.name == "landing_sensor"]
    instance.update_instigator_state(sensor.with_status(InstigatorStatus.STOPPED))
    time.sleep(WAIT_S + 2.0)  # a tick may be at it
    try:
        yield
    finally:
        instance.update_instigator_state(sensor.with_status(sensor.status))


def test_the_sensor_takes_a_dropped_file_to_its_scores(up, single):
    up.drop("sensed")
    eventually(lambda: up.is_done("sensed"))
    assert rows(up.home, "sensed") == rows(single, "sensed")


def test_a_backfill_of_two_sources_ends_as_single_runs_do(up, single):
    with without_the_sensor(up.instance):
        up.drop("first", "second")
        backfill = up.backfill("first", "second")
        eventually(lambda: up.instance.get_backfill(backfill).status.value == "COMPLETED_SUCCESS")
    assert up.is_done("first", "second")
    runs = up.instance.get_runs(dg.RunsFilter.for_backfill(backfill))
    assert sorted(run.tags["dagster/partition"] for run in runs) == ["first", "second"]
    for source in ("first", "second"):
        assert rows(up.home, source) == rows(single, source)


def test_a_server_that_goes_away_during_a_backfill_costs_nothing(up, single, capsys):
    up.drop("third", "fourth")
    backfill = up.backfill("third", "fourth")
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    eventually(lambda: up.instance.get_runs_count(started))
    name = up.address.rpartition("/")[2]
    with psycopg.connect(os.environ["SMARTMAINT_TEST_TIMESCALE"], autocommit=True) as server:
        server.execute(f"alter database {name} allow_connections false")
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        time.sleep(AWAY_S)
        server.execute(f"alter database {name} allow_connections true")
    begun = time.monotonic()
    eventually(lambda: up.is_done("third", "fourth"))
    eventually(lambda: up.instance.get_backfill(backfill).status.value.startswith("COMPLETED"))
    with capsys.disabled():
        runs = reversed(up.instance.get_runs(limit=8))
        ended = [f"{run.tags.get('dagster/partition', run.job_name)} {run.status.value}" for run in runs]
        print(f"\nserver away for {AWAY_S} s: healed {time.monotonic() - begun:.0f} s after it came back, {ended}")  # noqa: T201
    for source in ("third", "fourth"):
        assert rows(up.home, source) == rows(single, source)
    assert not up.instance.event_log_storage.get_concurrency_run_ids()
