"""The validation stage: alarms to verdicts, by gathering the evidence of each episode and applying the rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from pipelines.contracts.enforce import computed
from pipelines.contracts.verdicts import VERDICTS_TABLE
from pipelines.contracts.vocabulary import RAN
from pipelines.health.rules import EVIDENCE, RULES_VERSION, Evidence, judge
from pipelines.identity import stable_id

LATELY = ("deviating_sensors", "top_sensor", "top_z")
"""Of these the alarm tells of its whole time; of a defect of the data, whose windows have no score, that counts."""
IN_EPISODE = pl.col("recorded_at").is_between("since", "last_at", closed="left")


def verdicts(
    alarms: pl.DataFrame, scores: pl.DataFrame, features: pl.DataFrame, machines: pl.DataFrame
) -> pl.DataFrame:
    """One verdict an alarm, by the evidence of its last two days.

    Args:
        alarms: `alarms` contract.
        scores: `anomaly_scores` contract, at least the windows that `evidence_spans` names.
        features: `window_features` contract, the same.
        machines: `machines` contract: the nominal limits.
    Returns:
        Columns of `verdicts` without `day` and `run_id`.
    """
    alarms = alarms.with_columns(since=_SINCE)
    windows = alarms.select("alarm_id", "machine_id", "since", "last_at", "threshold").join(scores, on="machine_id")
    windows = windows.filter(IN_EPISODE)
    found = alarms.join(_shares(windows), on="alarm_id", how="left")
    found = found.join(_exceeding(windows), on="alarm_id", how="left", suffix="_lately")
    found = found.with_columns(pl.coalesce(f"{name}_lately", name).alias(name) for name in LATELY)
    found = found.join(_beyond_nominal(alarms, features, machines), on="alarm_id", how="left")
    rows = []
    for row in found.to_dicts():
        evidence = Evidence(
            kind=row["kind"],
            deviating_sensors=row["deviating_sensors"],
            top_sensor=row["top_sensor"],
            top_z=row["top_z"],
            beyond_nominal=tuple(row["beyond_nominal"] or ()),
            running_share=row["running_share"] or 0.0,
            complete_share=min(row["complete_share"] or 0.0, 1.0),
        )
        judged = judge(evidence, confidence=row["mean_score"])
        rows.append(
            {
                "source": row["source"],
                "machine_id": row["machine_id"],
                "verdict_id": stable_id("verdict", row["alarm_id"], RULES_VERSION),
                "alarm_id": row["alarm_id"],
                "started_at": row["started_at"],
                "verdict": judged.verdict,
                "confidence": judged.confidence,
                "reasons": list(judged.reasons),
                "rules_version": RULES_VERSION,
            }
        )
    return pl.DataFrame(rows, schema=computed(VERDICTS_TABLE))


def concerned(moments: Mapping[str, datetime], machines: Sequence[str]) -> pl.Expr:
    """Alarms that must be judged anew.

    Args:
        moments: Earliest window of each machine that changed: it may be evidence.
        machines: Those whose limits changed.
    """
    late = [(pl.col("machine_id") == name) & (pl.col("last_at") > moment) for name, moment in moments.items()]
    return pl.any_horizontal(pl.col("machine_id").is_in(machines), *late)


def starts(*alarms: pl.DataFrame) -> list[tuple[str, datetime]]:
    """Machine and start of each alarm in frames or feeds; empty ones may have no columns."""
    rows = [frame.select("machine_id", "started_at") for frame in alarms if not frame.is_empty()]
    return pl.concat(rows).unique().sort("machine_id", "started_at").rows() if rows else []


def evidence_spans(alarms: pl.DataFrame) -> list[tuple[datetime, datetime, tuple[str, ...]]]:
    """Since when, until when and of which machines windows are needed to judge the alarms."""
    rows = alarms.select("machine_id", "last_at", since=_SINCE).group_by("since", "last_at").agg("machine_id")
    return [(since, until, tuple(sorted(set(names)))) for since, until, names in rows.sort("since", "last_at").rows()]


def _shares(windows: pl.DataFrame) -> pl.DataFrame:
    """Share of the episode's windows that exist, and of those that ran."""
    length = (pl.col("last_at") - pl.col("since")).dt.total_seconds()
    return windows.group_by("alarm_id").agg(
        running_share=pl.col("state").is_in(RAN).mean(),
        complete_share=(pl.len() * pl.col("window_s").first() / length.first()),
    )


def _exceeding(windows: pl.DataFrame) -> pl.DataFrame:
    """What the exceedances of an anomaly say: most sensors that deviate at once, who led most of them, its mean z."""
    led = (
        windows.filter(pl.col("score") >= pl.col("threshold"))
        .group_by("alarm_id", "top_sensor")
        .agg(pl.len(), pl.col("top_z").mean(), pl.col("deviating_sensors").max())
        .sort("len", "top_sensor", descending=[True, False])
    )
    first = [pl.col(name).first() for name in ("top_sensor", "top_z")]
    return led.group_by("alarm_id", maintain_order=True).agg(*first, pl.col("deviating_sensors").max())


def _beyond_nominal(alarms: pl.DataFrame, features: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """Sensors whose mean left the machine's nominal limits in a running window of the episode."""
    limits = machines.select("machine_id", "nominal_limits").explode("nominal_limits").unnest("nominal_limits")
    return (
        alarms.select("alarm_id", "machine_id", "since", "last_at")
        .join(features.select("machine_id", "sensor", "recorded_at", "state", "mean"), on="machine_id")
        .filter(IN_EPISODE & pl.col("state").is_in(RAN))
        .join(limits.drop_nulls("sensor"), on=["machine_id", "sensor"])
        .filter(~pl.col("mean").is_between("low", "high"))
        .group_by("alarm_id")
        .agg(beyond_nominal=pl.col("sensor").unique().sort())
    )


_SINCE = pl.max_horizontal("started_at", pl.col("last_at") - EVIDENCE)
