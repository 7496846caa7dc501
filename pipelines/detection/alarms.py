"""Alarms: runs of exceedances that reached k of n; one row is one episode."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.contracts.alarms import ALARMS
from pipelines.contracts.enforce import empty
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
    columns = [name for name in ALARMS.columns if name not in ("day", "run_id")]
    return pl.DataFrame(rows, schema=empty(ALARMS).select(columns).schema)


def concerned(moments: Mapping[str, datetime], rules: AlarmRules = RULES) -> pl.Expr:
    """Episodes that may say something else when windows changed: open ones, and those that reach near the change.

    Args:
        moments: Earliest change of each machine.
        rules: How near.
    """
    return pl.col("is_open") | _reaches(moments, rules)


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
        exceedances: `exceedances` contract, of the machines in `moments` from the gap and a window before the change.
        told: `alarms` contract: the episodes that are `concerned`.
        moments: Earliest change of each machine.
        newest: End of the newest window of the source.
        rules: As in `alarms`.
    """
    rows = alarms(exceedances, told, newest=newest, rules=rules)
    stood = told.select(rows.columns)
    is_new = pl.col("alarm_id").is_in(rows["alarm_id"].implode())
    reached = stood.filter(_reaches(moments, rules))
    over = stood.filter(~is_new & ~_reaches(moments, rules) & pl.col("is_open"))
    ended = over.filter(pl.col("last_at") < (newest or datetime.max.replace(tzinfo=UTC)) - rules.gap)
    return Retold(pl.concat([rows, ended.with_columns(is_open=pl.lit(False))]), reached.filter(~is_new))


def _reaches(moments: Mapping[str, datetime], rules: AlarmRules) -> pl.Expr:
    near = [
        (pl.col("machine_id") == name) & (pl.col("last_at") >= moment - rules.gap) for name, moment in moments.items()
    ]
    return pl.any_horizontal(pl.lit(False), *near)


def _row(run: Mapping[str, Any], newest: datetime | None, rules: AlarmRules) -> dict[str, Any]:
    is_anomaly = run["kind"] == "anomaly"
    last_at = run["recorded_at"] + timedelta(seconds=run["window_s"])
    lead = max(run["run_leading"], key=lambda lead: (lead["windows"], lead["sensor"]))
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
