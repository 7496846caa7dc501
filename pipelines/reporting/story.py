"""What the demo tells: what was said of each machine against what really happened, beside naive baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

QUIET = timedelta(hours=24)
LEAST_LEAD = timedelta(hours=12)


@dataclass(frozen=True)
class Truth:
    """What really happened, known to the simulator alone.

    Attributes:
        onset: Begin of the fault by machine; machines without one are healthy.
        fails_at: Moment of failure by machine, for those that fail.
        machines: All machines.
        since: End of the healthy span: nothing earlier is judged.
        until: End of the story.
    """

    onset: Mapping[str, datetime]
    fails_at: Mapping[str, datetime]
    machines: tuple[str, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True)
class AlarmScore:
    """Attributes:
    found: Faults during which an alarm was raised.
    faults: Faults there were.
    false_episodes: Alarms raised on a machine without a fault, or before it began.
    false_per_machine_week: The same for each week that a machine was without a fault.
    """

    found: int
    faults: int
    false_episodes: int
    false_per_machine_week: float


def score_alarms(raised: pl.DataFrame, truth: Truth) -> AlarmScore:
    """Judge alarms by the episodes they begin, not by the rows they cover.

    Args:
        raised: machine_id, raised_at: one row an episode.
        truth: What really happened.
    """
    found, false = set(), 0
    for machine, at in raised.filter(pl.col("raised_at") >= truth.since).select("machine_id", "raised_at").rows():
        onset, end = truth.onset.get(machine), truth.fails_at.get(machine, truth.until)
        if onset is not None and onset <= at <= end:
            found.add(machine)
        elif onset is None or at < onset:
            false += 1
    healthy = sum(
        max(truth.onset.get(machine, truth.until) - truth.since, timedelta(0)) / timedelta(days=7)
        for machine in truth.machines
    )
    return AlarmScore(len(found), len(truth.onset), false, false / healthy if healthy else 0.0)


def three_sigma(readings: pl.DataFrame, *, healthy_until: datetime) -> pl.DataFrame:
    """The alarm most plants have: any reading more than three sigma off its healthy mean.

    Args:
        readings: machine_id, sensor, recorded_at, value.
        healthy_until: Mean and sigma are of what came before.
    Returns:
        machine_id, raised_at: one row an episode, ended by 24 quiet hours.
    """
    keys = ["machine_id", "sensor"]
    before = readings.filter(pl.col("recorded_at") < healthy_until)
    usual = before.group_by(keys).agg(mean=pl.col("value").mean(), sigma=pl.col("value").std())
    beyond = (
        readings.filter(pl.col("recorded_at") >= healthy_until)
        .join(usual, on=keys)
        .filter((pl.col("value") - pl.col("mean")).abs() > 3 * pl.col("sigma"))
        .select("machine_id", "recorded_at")
        .unique()
        .sort("machine_id", "recorded_at")
    )
    gap = pl.col("recorded_at").diff().over("machine_id") > QUIET
    return beyond.filter(gap.fill_null(True)).select("machine_id", raised_at="recorded_at")


def repairs(orders: pl.DataFrame, forecasts: pl.DataFrame, truth: Truth) -> list[dict[str, Any]]:
    """Every repair that was proposed: when first, what was said then, the slot, and what really happened.

    The slot told is the one that stood when it began, or stands at the end: a slot that each evening is moved to the
    next day would never be kept, and does not count.

    Args:
        orders: `work_orders` of every plan.
        forecasts: `forecasts` of every moment.
        truth: What really happened.
    """
    proposed = orders.filter((pl.col("kind") == "repair") & (pl.col("status") == "proposed")).sort("planned_at")
    plans = orders["planned_at"].unique().sort().to_list()
    told = []
    for (machine, mode), rows in proposed.group_by("machine_id", "failure_mode", maintain_order=True):
        first, kept = rows.row(0, named=True), _kept(rows, plans)
        said = _said(forecasts, str(machine), str(mode), first["planned_at"])
        fails_at = truth.fails_at.get(str(machine))
        told.append(
            {
                "machine": machine,
                "failure_mode": mode,
                "first_planned_at": first["planned_at"],
                "ttf_h": said["ttf_h"],
                "ttf_low_h": said["ttf_low_h"],
                "ttf_high_h": said["ttf_high_h"],
                "straight_line_h": said["linear_ttf_h"],
                "really_h": None if fails_at is None else _hours(fails_at - first["planned_at"]),
                "slot_from": kept["starts_at"],
                "slot_until": kept["ends_at"],
                "technician": kept["technician"],
                "fails_at": fails_at,
                "slot_begins_before_failure_h": None if fails_at is None else _hours(fails_at - kept["starts_at"]),
                "note": kept["note"],
            }
        )
    return told


def forecast_errors(
    forecasts: pl.DataFrame, truth: Truth, *, within: timedelta = timedelta(hours=120)
) -> dict[str, Any]:
    """Error of the time to failure in the last days before each failure, beside a straight line and a constant.

    Args:
        forecasts: `forecasts` of every moment.
        truth: What really happened.
        within: How long before the failure counts.
    Returns:
        `n`, and medians of the relative error: `prophet`, `straight_line`, `constant` (half of `within`); `covered`,
        the share of intervals that held; and `straight_line_on_healthy`, machines without a fault for which the line
        ever foretold a failure within 30 days, beside `prophet_on_healthy`.
    """
    rows = [row for row in forecasts.to_dicts() if row["threshold"] is not None]
    errors: dict[str, list[float]] = {"prophet": [], "straight_line": [], "constant": []}
    covered, healthy_line, healthy_prophet = [], set(), set()
    for row in rows:
        machine, at = row["machine_id"], row["issued_at"]
        fails_at = truth.fails_at.get(machine)
        if machine not in truth.onset and at >= truth.since:
            healthy_line |= {machine} if row["linear_ttf_h"] is not None and row["linear_ttf_h"] <= 720 else set()
            healthy_prophet |= {machine} if row["ttf_h"] is not None else set()
        if fails_at is None or row["ttf_h"] is None or not timedelta(0) < fails_at - at <= within:
            continue
        really = _hours(fails_at - at)
        line = row["linear_ttf_h"] if row["linear_ttf_h"] is not None else 720.0
        for name, said in (("prophet", row["ttf_h"]), ("straight_line", line), ("constant", _hours(within) / 2)):
            errors[name].append(abs(said - really) / really)
        high = row["ttf_high_h"] if row["ttf_high_h"] is not None else float("inf")
        covered.append(row["ttf_low_h"] <= really <= high)
    medians = {name: pl.Series(values, dtype=pl.Float64).median() for name, values in errors.items()}
    return {
        "n": len(covered),
        **medians,
        "covered": sum(covered) / len(covered) if covered else None,
        "straight_line_on_healthy": len(healthy_line),
        "prophet_on_healthy": len(healthy_prophet),
    }


def kept_in_time(told: list[dict[str, Any]], truth: Truth) -> int:
    """Failing machines whose repair begins at least twelve hours before they fail."""
    in_time = {
        row["machine"]
        for row in told
        if row["machine"] in truth.fails_at and row["slot_begins_before_failure_h"] >= _hours(LEAST_LEAD)
    }
    return len(in_time)


def _kept(rows: pl.DataFrame, plans: list[datetime]) -> dict[str, Any]:
    """First slot that no later plan could move any more; the newest where none has begun."""
    for row in rows.to_dicts():
        later = [at for at in plans if at > row["planned_at"]]
        if later and row["starts_at"] <= later[0]:
            return row
    return rows.row(-1, named=True)


def _said(forecasts: pl.DataFrame, machine: str, mode: str, at: datetime) -> dict[str, Any]:
    own = forecasts.filter((pl.col("machine_id") == machine) & (pl.col("failure_mode") == mode))
    return own.filter(pl.col("issued_at") <= at).sort("issued_at").row(-1, named=True)


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 1)
