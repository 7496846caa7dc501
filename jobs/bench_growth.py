"""`smartmaint bench growth`: what a micro-batch costs after many others, and a tick and a page after 10,000 runs."""

import json
import statistics
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from jobs.bench_latency import installed
from jobs.bench_row import median_seconds, row
from jobs.runs import Ran, Runner
from pipelines.register import Source
from pipelines.simulation.fleet import Fleet
from resources.home import Home
from resources.inbox import Inbox
from resources.register import RegisterFile
from resources.run_tags import MICRO_BATCH
from sensors.landing import landing_sensor

FLEET = Fleet(seed=1, machines=10, sensors=10)
SOURCE = "fleet"
DAY = datetime(2026, 1, 9, tzinfo=UTC)
HISTORY = timedelta(hours=30)
PLACES = (10, 100, 1000)
AROUND = 2  # batches before and after each place that are measured with it: the median counts
COMPACTED_EVERY = 200  # batches; the schedule looks for as many commits
GOAL = 1.3
RUNS = 10_000
PAGES = {
    "runs page": "{ runsOrError(limit: 25) { ... on Runs { results { id status startTime tags { key value } } } } }",
    "lineage page": "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId timestamp } } }",
}


@dataclass(frozen=True)
class Cost:
    """What one run costs.

    Attributes:
        rows: All rows that it reads.
        rows_besides: Those that are not readings of the windows its files touch: it has to read these whole, and they
            are as many as have come for the window so far.
    """

    cpu_s: float
    rows: int
    rows_besides: int


def growth(*, batches: int | None = None) -> list[dict[str, Any]]:
    """Cost of the 10th, 100th and 1,000th batch, and of ticks and pages, each beside the first of its kind.

    Args:
        batches: How many land in each series; None for 1,000.
    """
    most = batches or PLACES[-1]
    rows = []
    for name, span in (("of a day", timedelta(days=1)), ("within an hour", timedelta(hours=1))):
        costs = _series(span / PLACES[-1], most)
        base = costs[PLACES[0]]
        for place in [place for place in PLACES[1:] if place in costs]:
            what = f"micro-batch {place} {name}, less an empty run, beside batch {PLACES[0]}"
            for measure, ours, first, unit in (
                ("rows read", costs[place].rows, base.rows, "rows"),
                ("rows read besides touched windows", costs[place].rows_besides, base.rows_besides, "rows"),
                ("CPU", costs[place].cpu_s, base.cpu_s, "s"),
            ):
                rows.append(row(f"{measure}: {what}", ours, first, unit, goal=GOAL, met=ours / first <= GOAL))
    return [*rows, *_history()]


def _series(step: timedelta, batches: int) -> dict[int, Cost]:
    """What the batches at each place cost more than an empty run there."""
    with tempfile.TemporaryDirectory() as folder:
        home = _home(Path(folder) / "home")
        with dg.DagsterInstance.from_config(str(home.root)) as instance:
            _landed(home, instance, DAY - HISTORY, DAY, step=timedelta(minutes=1))
            costs: dict[int, Cost] = {}
            near: list[Cost] = []
            for number in range(1, batches + 1):
                at = DAY + number * step
                near.append(_landed(home, instance, at, at + timedelta(seconds=1), step=timedelta(seconds=1)))
                if place := _place_measured(number, batches):
                    empty = [_cost(Runner(home, instance, at=at.isoformat())) for _ in range(3)]
                    costs[place] = _median(near[place - AROUND - 1 :], _median(empty, Cost(0.0, 0, 0)))
                if number % COMPACTED_EVERY == 0:
                    Runner(home, instance).run("compact")
    return costs


def _place_measured(number: int, batches: int) -> int | None:
    """The place whose surroundings end with a batch, which may be the last before they would; None where none do."""
    ended = range(number - AROUND, number + 1) if number == batches else (number - AROUND,)
    return next((place for place in PLACES if place in ended), None)


def _median(costs: Sequence[Cost], less: Cost) -> Cost:
    return Cost(
        statistics.median(cost.cpu_s for cost in costs) - less.cpu_s,
        round(statistics.median(cost.rows for cost in costs)) - less.rows,
        round(statistics.median(cost.rows_besides for cost in costs)) - less.rows_besides,
    )


def _home(root: Path) -> Home:
    home = Home(root)
    home.prepare()
    register = RegisterFile(machines=str(home.machines), crew=str(home.crew))
    register.declare_source(Source(SOURCE, "readings", healthy=(DAY - HISTORY, DAY)))
    return home


def _landed(home: Home, instance: dg.DagsterInstance, since: datetime, until: datetime, *, step: timedelta) -> Cost:
    """Cost of the run that takes one more file."""
    inbox, file = Inbox(root=str(home.root)), home.root / f"{since:%Y%m%dT%H%M%S.%f}.parquet"
    FLEET.readings(since, until, step=step).write_parquet(file)
    name = inbox.put(file, source=SOURCE)
    file.unlink()
    return _cost(Runner(home, instance, at=until.isoformat()), files=[name])


def _cost(runner: Runner, *, files: Sequence[str] | None = None) -> Cost:
    begun = time.process_time()
    ran: Ran = runner.run("micro_batch", source=SOURCE, files=files, tags={MICRO_BATCH: "true"})
    if ran.failures:
        raise RuntimeError("; ".join(ran.failures))
    cpu_s = time.process_time() - begun
    read = {asset: int(facts.get("rows_read", 0)) for asset, facts in ran.assets.items()}
    of_windows = sum(read.get(table, 0) for table in ("operating_states", "window_features"))
    return Cost(cpu_s, sum(read.values()), sum(read.values()) - of_windows)


def _history() -> list[dict[str, Any]]:
    """Seconds of a sensor tick and of two pages, with 10,000 finished runs and with one."""
    seconds = {}
    for runs in (1, RUNS):
        with tempfile.TemporaryDirectory() as folder:
            home = _home(Path(folder) / "home")
            with dg.DagsterInstance.from_config(str(home.root)) as instance:
                _landed(home, instance, DAY - HISTORY, DAY, step=timedelta(minutes=10))
                _seed(instance, runs)
                seconds["sensor tick", runs] = median_seconds(lambda: _tick(home, instance), repeats=5)  # noqa: B023 called here
            with installed("default", home) as (_, url):
                for page, query in PAGES.items():
                    seconds[page, runs] = median_seconds(lambda: _ask(url, query), repeats=5)  # noqa: B023 called here
    return [
        row(f"{what} with {RUNS:,} runs, beside one", seconds[what, RUNS], seconds[what, 1], "s", goal=None, met=None)
        for what in ("sensor tick", *PAGES)
    ]


def _seed(instance: dg.DagsterInstance, runs: int) -> None:
    for _ in range(runs):
        instance.add_run(
            dg.DagsterRun(
                job_name="micro_batch",
                run_id=str(uuid.uuid4()),
                status=dg.DagsterRunStatus.SUCCESS,
                tags={"dagster/partition": SOURCE, MICRO_BATCH: "true"},
            )
        )


def _tick(home: Home, instance: dg.DagsterInstance) -> None:
    """The landing sensor with one file waiting: it asks for the runs in flight and the failures of the source."""
    waits = home.landing / SOURCE / "waits.csv"
    if not waits.exists():
        waits.write_text("")
    context = dg.build_sensor_context(instance=instance, resources={"inbox": Inbox(root=str(home.root))})
    landing_sensor(context)


def _ask(url: str, query: str) -> None:
    request = urllib.request.Request(  # noqa: S310 our own server
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        told = json.load(answer)
    if told.get("errors"):
        raise RuntimeError(str(told["errors"][0]))
