"""`smartmaint bench incidents`: how soon and how well the incident index answers, at 20,000 incidents."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jobs.bench_row import row
from pipelines.contracts.enforce import empty
from pipelines.contracts.work_orders import WORK_ORDERS
from pipelines.incidents.incident import INCIDENT, VERSION, incidents
from pipelines.simulation.faults import FAULTS, severity
from pipelines.simulation.plant import CLASSES
from resources.incident_index import IncidentIndex, News

INCIDENTS = 20_000
MACHINES = 1_000
WRITES = 1_000
QUERIES = 300
NEAREST = 10
GOAL_MS = 30.0
GOAL_AFTER = 1.2
START = datetime(2020, 1, 1, tzinfo=UTC)
KINDS = [fault for fault in FAULTS if not fault.stuck]  # a stuck sensor is found by its kind: that would be too easy
RAISED = 5.0  # deviation at which an episode begins, in units of noise
HOURS = 12  # length of each episode
AT_ONCE = 2_000
IN_A_ROW = 30


def found_incidents(*, count: int = INCIDENTS) -> list[dict[str, Any]]:
    """Latency, the same after many small writes, and of the nearest the share with the same fault.

    Args:
        count: Incidents in the index.
    """
    rng = np.random.default_rng(2)  # not that on which the weight of words was chosen
    frame, kinds = _simulated(count, rng)
    with tempfile.TemporaryDirectory() as folder:
        index = IncidentIndex(root=f"{folder}/incidents")
        index.bring_up_to_date(lambda _: News(frame, None, {}), definition=VERSION)
        asked = frame[rng.choice(count, min(QUERIES, count), replace=False)].to_dicts()
        rows = [_speed(index, frame, asked), *_quality(index, frame, kinds, asked, rng)]
        return [*rows, _after_writes(index, Path(folder), frame, asked)]


def _speed(index: IncidentIndex, frame: pl.DataFrame, asked: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Beside the plain way: every signature multiplied, every text looked through for each word."""
    signatures, texts = frame["signature"].to_numpy(), frame["text"].str.to_lowercase()

    def plain(one: dict[str, Any]) -> None:
        near = np.argsort(-(signatures @ np.array(one["signature"], np.float32)))[:50]
        words = set(one["summary"].lower().replace(",", "").split())
        hits = sum(texts.str.contains(word, literal=True).cast(pl.Int32) for word in words)
        set(near) | set(np.argsort(-np.asarray(hits))[:50])

    ours, theirs = _both(asked, lambda one: _ask(index, one), plain)
    told = f"p95 of a search by signature and words, {frame.height:,} incidents, beside NumPy and a scan of the texts"
    return row(told, _p95(ours), _p95(theirs), "ms", goal=GOAL_MS, met=_p95(ours) <= GOAL_MS)


def _quality(
    index: IncidentIndex,
    frame: pl.DataFrame,
    kinds: Sequence[str],
    asked: Sequence[dict[str, Any]],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Share of the ten nearest on other machines that have the same fault, beside ten drawn by chance."""
    kind_of = dict(zip(frame["alarm_id"], kinds, strict=True))
    machine_of = dict(zip(frame["alarm_id"], frame["machine_id"], strict=True))

    def share(found: Callable[[dict[str, Any]], Sequence[str]]) -> float:
        shares = []
        for one in asked:
            others = [name for name in found(one) if machine_of[name] != one["machine_id"]][:NEAREST]
            shares.append(np.mean([kind_of[name] == kind_of[one["alarm_id"]] for name in others]))
        return float(np.mean(shares))

    def by(**how: str) -> Callable[[dict[str, Any]], Sequence[str]]:
        return lambda one: index.search(
            **{name: one[column] for name, column in how.items()}, limit=4 * NEAREST, without=[one["alarm_id"]]
        )["alarm_id"].to_list()

    names = frame["alarm_id"].to_list()
    chance = share(lambda _: [names[place] for place in rng.choice(len(names), 4 * NEAREST)])
    ways = {
        "signature and words": by(signature="signature", text="summary"),
        "signature": by(signature="signature"),
        "words": by(text="summary"),
    }
    return [
        row(f"same fault among the ten nearest, by {way}, beside chance", share(found), chance, "", goal=None, met=None)
        for way, found in ways.items()
    ]


def _after_writes(
    index: IncidentIndex, folder: Path, frame: pl.DataFrame, asked: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The index after 1,000 writes of one incident each, and maintenance, beside its copy from before."""
    shutil.copytree(index.root, folder / "before")
    before = IncidentIndex(root=str(folder / "before"))
    for number in range(WRITES):
        news = News(frame[number * 7 % frame.height].with_columns(verdict=pl.lit("suspect")), [], {})
        index.bring_up_to_date(lambda _, news=news: news, definition=VERSION)  # type: ignore[misc]
    index.optimize()
    after, first = _both(asked, lambda one: _ask(index, one), lambda one: _ask(before, one))
    told = f"p95 of the same after {WRITES:,} small writes and maintenance, beside before"
    return row(told, _p95(after), _p95(first), "ms", goal=GOAL_AFTER, met=_p95(after) / _p95(first) <= GOAL_AFTER)


def _ask(index: IncidentIndex, one: dict[str, Any]) -> None:
    index.search(one["signature"], one["summary"], limit=NEAREST, before=one["started_at"])


def _both(
    asked: Sequence[dict[str, Any]],
    ours: Callable[[dict[str, Any]], object],
    theirs: Callable[[dict[str, Any]], object],
) -> tuple[list[float], list[float]]:
    """Milliseconds of each, thirty by turns, so that both see the same machine and neither the other's threads."""
    taken: tuple[list[float], list[float]] = ([], [])
    for first in range(0, len(asked), IN_A_ROW):
        for work, times in zip((ours, theirs), taken, strict=True):
            work(asked[first])  # counts for nothing
            for one in asked[first : first + IN_A_ROW]:
                begun = time.perf_counter()
                work(one)
                times.append(1000 * (time.perf_counter() - begun))
    return taken


def _p95(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.95))


def _simulated(count: int, rng: np.random.Generator) -> tuple[pl.DataFrame, list[str]]:
    """Incidents of simulated faults as the index takes them, and the fault of each: only this bench knows it."""
    classes = list(CLASSES)
    fleet = {f"bench.m-{number:04d}": classes[number % len(classes)] for number in range(MACHINES)}
    drawn = {fault.kind: [fault.drawn(rng, 30) for _ in range(50)] for fault in KINDS}
    made, kinds = [pl.DataFrame(schema=INCIDENT)], []
    for first in range(0, count, AT_ONCE):
        alarms, windows = [], []
        for number in range(first, min(first + AT_ONCE, count)):
            machine = f"bench.m-{number % MACHINES:04d}"
            able = [fault.kind for fault in KINDS if set(fault.sensors) <= set(CLASSES[fleet[machine]])]
            kind = able[rng.integers(len(able))]
            fault = drawn[kind][rng.integers(50)]
            at = START + timedelta(hours=100 * (number // MACHINES))
            alarms.append(_alarm(number, machine, next(iter(fault.sensors)), at))
            windows.append(_windows(machine, fleet[machine], fault, at, rng))
            kinds.append(kind)
        made.append(_told(pl.DataFrame(alarms, schema_overrides=TIMES), pl.concat(windows), fleet))
    return pl.concat(made), kinds


TIMES = {"started_at": INCIDENT["started_at"], "last_at": INCIDENT["last_at"]}


def _told(alarms: pl.DataFrame, windows: pl.DataFrame, fleet: dict[str, str]) -> pl.DataFrame:
    shares = {"present_share": 1.0, "still_share": 0.0}
    spreads = {
        name: [
            {"sensor": s, "level": v.level, "spread": v.noise * (v.load**2 + v.ambient**2 + 0.2) ** 0.5, **shares}
            for s, v in sensors.items()
        ]
        for name, sensors in CLASSES.items()
    }
    baselines = pl.DataFrame({"machine_id": list(fleet), "sensors": [spreads[name] for name in fleet.values()]})
    machines = pl.DataFrame({"machine_id": list(fleet), "machine_class": list(fleet.values())})
    reasons = ["data is complete: yes, 100% of the episode's windows hold readings"]
    verdicts = alarms.select("alarm_id", verdict=pl.lit("credible"), confidence=pl.lit(0.9), reasons=pl.lit(reasons))
    return incidents(alarms, windows, baselines, machines, verdicts, empty(WORK_ORDERS))


def _alarm(number: int, machine: str, sensor: str, at: datetime) -> dict[str, Any]:
    return {
        "alarm_id": f"alarm-{number:016x}",
        "source": "bench",
        "machine_id": machine,
        "kind": "anomaly",
        "started_at": at,
        "last_at": at + timedelta(hours=HOURS),
        "is_open": False,
        "top_sensor": sensor,
    }


def _windows(machine: str, machine_class: str, fault: Any, at: datetime, rng: np.random.Generator) -> pl.DataFrame:
    """Hourly means of each sensor from where its fault is plain: the fault, load, weather, and noise."""
    course = np.arange(0, 2 * fault.grows_h, 2.0) + fault.onset_h
    plain = severity(fault, next(iter(fault.sensors)), course)
    reached = np.abs(plain) >= min(RAISED, 0.9 * np.abs(plain).max())
    hours = np.arange(HOURS) + course[reached.argmax()]
    load, weather = (rng.normal() + 0.3 * rng.normal(size=HOURS) for _ in range(2))
    sensors, noise = CLASSES[machine_class], rng.normal(0, 0.4, (len(CLASSES[machine_class]), HOURS))
    means = [
        sensor.level
        + sensor.noise * (severity(fault, name, hours) + sensor.load * load + sensor.ambient * weather + noise[place])
        for place, (name, sensor) in enumerate(sensors.items())
    ]
    told = {"sensor": np.repeat(list(sensors), HOURS), "mean": np.concatenate(means)}
    moments = pl.datetime_range(at, at + timedelta(hours=HOURS - 1), "1h", eager=True)
    return pl.DataFrame(told).with_columns(
        machine_id=pl.lit(machine), state=pl.lit("running"), recorded_at=pl.concat([moments] * len(sensors))
    )
