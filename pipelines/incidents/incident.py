"""Incidents: one row an episode, with its signature, its words, and what is known of how it ended."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.identity import stable_id
from pipelines.incidents import signature

TIME = pl.Datetime("us", "UTC")  # as in the contracts, whose module loads pandera
VERSION = f"incident/1|{signature.VERSION}|{signature.AGE}|{signature.USUAL}"
"""What a row follows from besides tables: another version means that all are made anew."""

INCIDENT = pl.Schema(
    {
        "alarm_id": pl.String(),
        "source": pl.String(),
        "machine_id": pl.String(),
        "machine_class": pl.String(),  # null: of a machine that is declared no more
        "kind": pl.String(),
        "started_at": TIME,
        "last_at": TIME,
        "is_open": pl.Boolean(),
        "verdict": pl.String(),  # null: not judged yet
        "confidence": pl.Float64(),  # the same
        "failure_mode": pl.String(),  # of the newest work order that the episode led to; null: none
        "work_order": pl.String(),  # its status; null: none
        "outcome": pl.String(),  # what was found and whether the repair held; null: nobody has recorded it
        "summary": pl.String(),  # what it looked like, in words: also what is asked with when others like it are sought
        "text": pl.String(),  # all words that it is found by
        "signature": pl.Array(pl.Float32(), signature.LENGTH),
    }
)


def incidents(
    alarms: pl.DataFrame,
    features: pl.DataFrame,
    baselines: pl.DataFrame,
    machines: pl.DataFrame,
    verdicts: pl.DataFrame,
    work_orders: pl.DataFrame,
) -> pl.DataFrame:
    """One row an alarm.

    Args:
        alarms: `alarms` contract: the episodes.
        features: `window_features` contract, at least those that `signature.spans` names.
        baselines: `baselines` contract, at least of the alarms' machines.
        machines: `machines` contract, the same.
        verdicts: `verdicts` contract, at least of the alarms.
        work_orders: `work_orders` contract, at least of the alarms' machines, of any number of plans.
    Returns:
        Columns of `INCIDENT`, in order of alarms.
    """
    deviating = signature.deviations(alarms, features, baselines)
    led = signature.led_by(deviating)
    classes = dict(machines.select("machine_id", "machine_class").iter_rows())
    judged = {row["alarm_id"]: row for row in verdicts.to_dicts()}
    ordered = _ordered(alarms, work_orders)
    rows = [
        _row(row, led.get(row["alarm_id"], ()), classes, judged.get(row["alarm_id"], {}), ordered)
        for row in alarms.to_dicts()
    ]
    words = pl.DataFrame(rows, schema=pl.Schema({n: t for n, t in INCIDENT.items() if n != "signature"}))
    vectors = pl.Series("signature", signature.signatures(alarms, deviating), dtype=INCIDENT["signature"])
    return words.with_columns(vectors)


def order_id(alarm: Mapping[str, Any], failure_mode: str) -> str:
    """Id of the work order for a failure mode that an episode leads to, as the contract of `work_orders` has it."""
    return stable_id("order", alarm["machine_id"], failure_mode, alarm["started_at"])


def _row(
    alarm: Mapping[str, Any],
    led: Sequence[tuple[str, float]],
    classes: Mapping[str, str],
    verdict: Mapping[str, Any],
    ordered: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    order, machine_class = ordered.get(alarm["alarm_id"], {}), classes.get(alarm["machine_id"])
    summary = _summary(alarm, led, machine_class)
    told = [verdict.get("verdict"), *verdict.get("reasons", ()), order.get("failure_mode"), alarm["machine_id"]]
    return {
        **{name: alarm[name] for name in ("alarm_id", "source", "machine_id", "kind", "started_at", "last_at")},
        "is_open": alarm["is_open"],
        "machine_class": machine_class,
        "verdict": verdict.get("verdict"),
        "confidence": verdict.get("confidence"),
        "failure_mode": order.get("failure_mode"),
        "work_order": order.get("status"),
        "outcome": None,  # of completions, once they are recorded
        "summary": summary,
        "text": ". ".join([summary, *filter(None, told)]),
    }


def _summary(alarm: Mapping[str, Any], led: Sequence[tuple[str, float]], machine_class: str | None) -> str:
    """Such as `pump anomaly: vibration_mm_s high, pressure_bar low`."""
    if alarm["kind"] == "anomaly":
        told = ", ".join(f"{sensor} {'high' if z > 0 else 'low'}" for sensor, z in led) or alarm["top_sensor"]
    else:
        told = alarm["top_sensor"]
    named = "" if machine_class in {None, "unspecified"} else f"{machine_class} "
    return f"{named}{alarm['kind']}: {told}"


def _ordered(alarms: pl.DataFrame, work_orders: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """By alarm the newest word of a plan on a work order that it led to."""
    newest = work_orders.sort("planned_at", "work_order_id").unique("work_order_id", keep="last", maintain_order=True)
    orders = {row["work_order_id"]: row for row in newest.to_dicts()}
    modes: dict[str, list[str]] = {}
    for row in orders.values():
        if row["failure_mode"] not in modes.setdefault(row["machine_id"], []):
            modes[row["machine_id"]].append(row["failure_mode"])
    found: dict[str, dict[str, Any]] = {}
    for alarm in alarms.select("alarm_id", "machine_id", "started_at").to_dicts():
        ids = [order_id(alarm, mode) for mode in modes.get(alarm["machine_id"], ())]
        led_to = [orders[name] for name in ids if name in orders]
        if led_to:
            found[alarm["alarm_id"]] = max(led_to, key=lambda row: (row["planned_at"], row["work_order_id"]))
    return found
