"""Alarms: runs of exceedances that reached k of n; one row is one episode."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.contracts.alarms import ALARMS
from pipelines.contracts.enforce import computed
from pipelines.detection.exceedances import RULES, AlarmRules
from pipelines.identity import stable_id


@dataclass(frozen=True)
class Retold:
    """Episodes after some windows changed.

    Attributes:
        rows: Columns of `alarms` without `day` and `run_id`: those that are new or may say something else.
        gone: Those that stood and are there no more, the same columns.
    """

    rows: pl.DataFrame
    gone: pl.DataFrame

    @property
    def starts(self) -> list[tuple[str, datetime]]:
        """Machine and start of every episode that is touched, as keys of the table's rows to write."""
        both = pl.concat([self.rows, self.gone]).select("machine_id", "started_at")
        return both.unique().sort("machine_id", "started_at").rows()

    def among(self, others: pl.DataFrame) -> pl.DataFrame:
        """All rows that lie at the touched starts: those told anew, and others of the table as they stand."""
        known = pl.concat([self.rows, self.gone])["alarm_id"].implode()
        stand = others.filter(~pl.col("alarm_id").is_in(known))
        return pl.concat([self.rows, stand.select(self.rows.columns)])


def alarms(
    exceedances: pl.DataFrame, told: pl.DataFrame, *, newest: datetime | None, rules: AlarmRules = RULES
) -> pl.DataFrame:
    """The episode of every run that reached k of n.

    Args:
        exceedances: `exceedances` contract: at least the last of each run.
        told: `alarms` contract: what was said of these machines. An episode that is there no more and overlaps a new
            one is superseded by it: late data moved its start.
        newest: End of the newest window of the source.
        rules: After how much quiet an episode is over.
    Returns:
        Columns of `alarms` without `day` and `run_id`, one row an episode.
    """
    last = exceedances.sort("recorded_at").group_by("machine_id", "kind", "run_started_at", maintain_order=True).last()
    rows = [_row(run, newest, rules) for run in last.drop_nulls("run_raised_at").to_dicts()]
    before = {row["alarm_id"]: row for row in told.to_dicts()}
    gone = [row for alarm_id, row in before.items() if alarm_id not in {row["alarm_id"] for row in rows}]
    for row in rows:
        same = before.get(row["alarm_id"])
        row["supersedes"] = same["supersedes"] if same else _superseded(row, gone)
    return pl.DataFrame(rows, schema=computed(ALARMS))


def concerned(moments: Mapping[str, datetime], *, newest: datetime | None, rules: AlarmRules = RULES) -> pl.Expr:
    """Episodes that may say something else: those that time ends or opens again, and those near windows that changed.

    Args:
        moments: Earliest change of each machine.
        newest: End of the newest window of the source; it moves back when that window's readings turn out bad.
        rules: How near.
    """
    return (pl.col("is_open") != _is_open(newest, rules)) | _reaches(moments, rules.look_back)


def retold(
    exceedances: pl.DataFrame,
    told: pl.DataFrame,
    moments: Mapping[str, datetime],
    *,
    newest: datetime | None,
    rules: AlarmRules = RULES,
) -> Retold:
    """Episodes that windows changed, and those that time has ended.

    Args:
        exceedances: `exceedances` contract, of the machines in `moments` from `look_back` before the change.
        told: `alarms` contract: the episodes that are `concerned`.
        moments: Earliest change of each machine.
        newest: End of the newest window of the source.
        rules: As in `alarms`.
    """
    rows = alarms(exceedances, told, newest=newest, rules=rules)
    stood = told.select(rows.columns)
    stood = stood.filter(~pl.col("alarm_id").is_in(rows["alarm_id"].implode()))
    is_near, is_open = _reaches(moments, rules.gap), _is_open(newest, rules)
    others = stood.filter(~is_near & (pl.col("is_open") != is_open)).with_columns(is_open=is_open)
    return Retold(pl.concat([rows, others]), stood.filter(is_near))


def _is_open(newest: datetime | None, rules: AlarmRules) -> pl.Expr:
    return pl.lit(True) if newest is None else pl.col("last_at") >= newest - rules.gap


def _reaches(moments: Mapping[str, datetime], within: timedelta) -> pl.Expr:
    """Episodes that ended no longer than `within` before the change, or after it."""
    near = [(pl.col("machine_id") == name) & (pl.col("last_at") >= moment - within) for name, moment in moments.items()]
    return pl.any_horizontal(pl.lit(False), *near)


def _row(run: Mapping[str, Any], newest: datetime | None, rules: AlarmRules) -> dict[str, Any]:
    is_anomaly = run["kind"] == "anomaly"
    last_at = run["recorded_at"] + timedelta(seconds=run["window_s"])
    lead = max(run["run_leading"], key=lambda lead: lead["windows"])  # of several the first by name
    return {
        "source": run["source"],
        "machine_id": run["machine_id"],
        "alarm_id": stable_id("alarm", run["machine_id"], run["kind"], run["run_started_at"]),
        "kind": run["kind"],
        "started_at": run["run_started_at"],
        "raised_at": run["run_raised_at"],
        "last_at": last_at,
        "is_open": newest is None or newest - last_at <= rules.gap,
        "exceedances": run["run_windows"],
        "peak_score": run["run_peak_score"],
        "mean_score": min(run["run_score_sum"] / run["run_windows"], 1.0),
        "top_sensor": lead["sensor"],
        "top_z": lead["z_sum"] / lead["windows"] if is_anomaly else None,
        "deviating_sensors": run["run_deviating_sensors"],
        "threshold": rules.threshold if is_anomaly else None,
        "model_version": run["run_model_version"],
        "rules_version": rules.version,
    }


def _superseded(row: Mapping[str, Any], gone: list[dict[str, Any]]) -> str | None:
    """The episode of the same machine and kind that overlapped `row` longest and is there no more."""
    overlaps = {
        old["alarm_id"]: min(old["last_at"], row["last_at"]) - max(old["started_at"], row["started_at"])
        for old in gone
        if (old["machine_id"], old["kind"]) == (row["machine_id"], row["kind"])
    }
    longest = max(overlaps, key=lambda alarm_id: (overlaps[alarm_id], alarm_id), default=None)
    return longest if longest is not None and overlaps[longest] > timedelta(0) else None
