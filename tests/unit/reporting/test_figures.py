"""Pictures of the tables: small PNG that the Dagster UI can show, whatever the table holds."""

import struct
from collections.abc import Callable
from datetime import timedelta
from random import Random

import polars as pl
import pytest
from unit.tables import DAY, MONDAY, table

from pipelines.reporting import figures

RNG = Random(1)
MACHINES = [f"plant.machine-{number:02d}" for number in range(12)]
DAYS = range(30)


def by_day(name: str, **columns: Callable[[int, str], object]) -> pl.DataFrame:
    """A row for each machine and day; columns say what is written there."""
    return table(
        name,
        [
            {"machine_id": machine} | {column: says(day, machine) for column, says in columns.items()}
            for machine in MACHINES
            for day in DAYS
        ],
    )


def when(day: int, _machine: str) -> object:
    return MONDAY + day * DAY


def number(kind: str) -> Callable[[int, str], str]:
    return lambda day, machine: f"{kind}-{day:08x}{machine[-2:]:0>8}"


SMALL = {
    figures.rows_by_day: pl.DataFrame({"day": [MONDAY.date()], "rows": [5]}),
    figures.features_by_day: table("window_features"),
    figures.score_map: table("anomaly_scores"),
    figures.episode_bars: table("alarms"),
    figures.confidence_bars: table("verdicts"),
    figures.health_lines: table("health_index"),
    figures.interval_bars: table("forecasts"),
    figures.urgency_map: table("decisions"),
    figures.gantt: table("work_orders"),
}
MONTH = {
    figures.score_map: by_day("anomaly_scores", recorded_at=when, score=lambda _d, _m: RNG.random()),
    figures.episode_bars: by_day("alarms", started_at=when, alarm_id=number("alarm")).head(120),
    figures.health_lines: by_day("health_index", recorded_at=when, health=lambda _d, _m: RNG.random()),
}
NULLS = {
    figures.episode_bars: table("alarms", kind="silent", top_z=None, threshold=None, model_version=None),
    figures.score_map: table("anomaly_scores", score=None, reason="no_baseline"),
    figures.health_lines: table("health_index", health=None),
    figures.interval_bars: table("forecasts", [{"ttf_high_h": None}]),
    figures.gantt: table("work_orders", status="unplaced", technician=None, starts_at=None, ends_at=None),
}
EMPTY = {draw: frame.clear() for draw, frame in SMALL.items()}
FRAMES = [
    pytest.param(draw, frame, id=f"{draw.__name__}-{name}")
    for name, frames in {"small": SMALL, "month": MONTH, "nulls": NULLS, "empty": EMPTY}.items()
    for draw, frame in frames.items()
]


def height(png: bytes) -> int:
    return struct.unpack(">II", png[16:24])[1]


@pytest.mark.filterwarnings("ignore:No artists with labels", "ignore:Attempting to set identical")  # of empty tables
@pytest.mark.parametrize(("draw", "frame"), FRAMES)
def test_a_picture_is_a_png_of_at_most_60_kilobytes(draw, frame):
    png = draw(frame)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) <= 60_000


def test_a_picture_grows_with_the_machines_it_shows():
    one, twelve = (figures.score_map(frames[figures.score_map]) for frames in (SMALL, MONTH))
    assert height(twelve) > height(one)


def test_the_same_rows_are_the_same_picture_and_others_another():
    later = table("alarms", last_at=MONDAY + timedelta(days=9))
    assert figures.episode_bars(SMALL[figures.episode_bars]) == figures.episode_bars(table("alarms"))
    assert figures.episode_bars(later) != figures.episode_bars(table("alarms"))


def test_a_machine_without_any_health_is_not_among_the_lowest():
    told = table("health_index", [{"machine_id": name, "health": n / 10} for n, name in enumerate(MACHINES[:7])])
    unknown = table("health_index", machine_id="plant.unknown", health=None)
    assert figures.health_lines(pl.concat([told, unknown])) == figures.health_lines(told)


@pytest.mark.filterwarnings("error:No artists with labels")
def test_where_no_health_is_known_nothing_is_named_and_nobody_is_warned():
    assert figures.health_lines(NULLS[figures.health_lines]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("draw", "older"),
    [
        (figures.interval_bars, table("forecasts", issued_at=MONDAY - DAY, machine_id="plant.old", ttf_h=1.0)),
        (figures.urgency_map, table("decisions", decided_at=MONDAY - DAY, action="plan", confidence=0.7)),
        (figures.gantt, table("work_orders", planned_at=MONDAY - DAY, technician="nils")),
    ],
)
def test_only_what_stands_now_is_drawn(draw, older):
    assert draw(pl.concat([older, SMALL[draw]])) == draw(SMALL[draw])
