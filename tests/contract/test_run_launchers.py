"""What Dagster and our users expect of a run launcher: of the default one and of that with warm workers alike.

Runs are asked for and ended as the Dagster UI does it; daemon, code server and web server are real.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from ports import free_port

from resources.home import render_dagster_yaml
from resources.run_tags import MICRO_BATCH, WARM_WORKER

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]
TOY = Path(__file__).with_name("toy.py")
TAGGED, BARE = {MICRO_BATCH: "true"}, {}
either_way = pytest.mark.parametrize("tags", [TAGGED, BARE], ids=["tagged", "bare"])
warm_alone = pytest.mark.parametrize("dagster", [1], indirect=True, ids=["warm"])
STARTED, SUCCESS, FAILURE, CANCELED = (
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"


def eventually(look: Callable[[], Any], *, within_s: float = 60.0) -> Any:
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within_s} s"
        time.sleep(0.1)
    return found


def command_of(process: psutil.Process) -> list[str]:
    """Empty for one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Dagster:
    """A running Dagster on a scratch home."""

    def __init__(self, home: Path, port: int, process: "subprocess.Popen[bytes]", instance: dg.DagsterInstance) -> None:
        self.home, self.process, self.instance = home, process, instance
        self._url = f"http://127.0.0.1:{port}/graphql"

    def launch(self, job: str, tags: dict[str, str]) -> str:
        selector = {"repositoryLocationName": "toy", "repositoryName": "__repository__", "jobName": job}
        told = [{"key": key, "value": value} for key, value in tags.items()]
        answer = self.ask(LAUNCH, params={"selector": selector, "executionMetadata": {"tags": told}})
        return answer["launchRun"]["run"]["runId"]

    def terminate(self, run_id: str) -> None:
        assert self.ask(TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 our own server
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run

    def ended(self, run_id: str) -> dg.DagsterRunStatus:
        eventually(lambda: self.run(run_id).is_finished)
        return self.run(run_id).status

    def place(self, run_id: str) -> tuple[int, str]:
        """Process id and command of the process that a run is in."""
        note = self.home / "dagster" / "notes" / run_id
        eventually(note.exists)
        pid, command = note.read_text().split(" ", 1)
        return int(pid), command

    def warm_worker(self) -> int:
        """The one there is to be, once it has taken the place of whichever was killed before."""
        eventually(lambda: len(self.warm_workers()) == 1)
        return self.warm_workers()[0]

    def warm_workers(self) -> list[int]:
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [child.pid for child in below if "resources.warm_worker" in command_of(child)]


@pytest.fixture(scope="module", params=[0, 1], ids=["default", "warm"])
def dagster(request, tmp_path_factory) -> Iterator[Dagster]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    settings = render_dagster_yaml(home, warm_workers=request.param)
    (home / "dagster.yaml").write_text(settings.replace("poll_interval_seconds: 20", "poll_interval_seconds: 2"))
    (home / "workspace.yaml").write_text(f"load_from:\n  - python_file: {{relative_path: {TOY}, location_name: toy}}\n")
    environment = os.environ | {"DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml"), "-p", str(port)]
    with (home / "log").open("w") as log, dg.DagsterInstance.from_config(str(home)) as instance:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        running = Dagster(home, port, process, instance)
        try:
            eventually(lambda: answers(running), within_s=120)
            if request.param:
                eventually(running.warm_workers)  # before the first run
            yield running
            children = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, f"left behind: {[child.cmdline() for child in alive]}"


def answers(running: Dagster) -> bool:
    try:
        return bool(running.ask("{ version }"))
    except OSError:
        assert running.process.poll() is None, (running.home / "log").read_text()
        return False


@warm_alone
def test_warm_workers_are_the_daemon_s_alone(dagster):
    worker = dagster.warm_worker()
    assert "dagster._daemon" in " ".join(psutil.Process(worker).parent().cmdline())


@either_way
def test_a_run_that_passes_is_a_success(dagster, tags):
    assert dagster.ended(dagster.launch("passes", tags)) == SUCCESS


@either_way
def test_a_run_that_fails_is_a_failure(dagster, tags):
    assert dagster.ended(dagster.launch("fails", tags)) == FAILURE


def test_a_run_goes_to_a_warm_worker_if_it_has_the_tag_and_there_is_one(dagster):
    for tags in (TAGGED, BARE, {MICRO_BATCH: "false"}, {WARM_WORKER: "1"}):
        _, command = dagster.place(run_id := dagster.launch("passes", tags))
        assert ("resources.warm_worker" in command) == (tags == TAGGED and bool(dagster.warm_workers())), tags
        assert dagster.ended(run_id) == SUCCESS


@warm_alone
def test_one_run_after_the_other_is_done_by_the_same_warm_worker(dagster):
    worker = dagster.warm_worker()
    for _ in range(3):
        run_id = dagster.launch("passes", TAGGED)
        assert dagster.place(run_id)[0] == worker == int(dagster.run(run_id).tags[WARM_WORKER])


@either_way
def test_a_run_is_terminated_from_the_ui_and_the_next_one_is_not(dagster, tags):
    run_id = dagster.launch("lasts", tags)
    dagster.place(run_id)
    dagster.terminate(run_id)
    assert dagster.ended(run_id) == CANCELED
    assert dagster.ended(dagster.launch("passes", tags)) == SUCCESS


@either_way
def test_the_run_of_a_killed_process_is_failed_and_retried(dagster, tags):
    run_id = dagster.launch("lasts", tags)
    os.kill(dagster.place(run_id)[0], signal.SIGKILL)
    assert dagster.ended(run_id) == FAILURE
    (retry,) = eventually(lambda: dagster.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run_id})))
    assert dagster.ended(retry.run_id) == SUCCESS


@warm_alone
def test_a_killed_warm_worker_is_replaced_and_the_next_run_is_done_by_another(dagster):
    before = dagster.launch("passes", TAGGED)
    worker, _ = dagster.place(before)  # it has loaded: one that dies before is not replaced at once
    assert dagster.ended(before) == SUCCESS
    os.kill(worker, signal.SIGKILL)
    run_id = dagster.launch("passes", TAGGED)
    assert dagster.ended(run_id) == SUCCESS
    pid, command = dagster.place(run_id)
    assert pid != worker
    assert "resources.warm_worker" in command


@warm_alone
def test_a_run_that_cannot_be_interrupted_ends_with_its_worker(dagster):
    run_id = dagster.launch("holds", TAGGED)
    pid, _ = dagster.place(run_id)
    dagster.terminate(run_id)
    assert dagster.ended(run_id) == CANCELED
    assert not psutil.pid_exists(pid)


def test_many_runs_at_once_all_end(dagster):
    runs = [dagster.launch("passes", tags) for tags in [TAGGED, BARE] * 3]
    assert {dagster.ended(run_id) for run_id in runs} == {SUCCESS}
    assert not dagster.instance.get_runs(dg.RunsFilter(statuses=[STARTED]))


@warm_alone
def test_a_run_whose_warm_worker_nobody_has_any_more_is_failed_by_run_monitoring(dagster):
    """As after a daemon was killed: the next one finds the run started, and its worker gone."""
    run_id = dagster.launch("lasts", BARE)
    pid, _ = dagster.place(run_id)
    with subprocess.Popen(["true"]) as gone:
        pass
    dagster.instance.add_run_tags(run_id, TAGGED | {WARM_WORKER: str(gone.pid)})
    assert dagster.ended(run_id) == FAILURE
    os.kill(pid, signal.SIGKILL)
