"""Which incidents must be made anew when tables change."""

from collections.abc import Iterable, Mapping

import polars as pl

from pipelines.incidents import signature
from pipelines.incidents.incident import order_id


def concerned(alarms: pl.DataFrame, news: Mapping[str, pl.DataFrame], machines: Iterable[str]) -> set[str]:
    """Alarms whose incident may differ, those that went away included.

    Args:
        alarms: `alarms` contract: all that there are.
        news: Changed rows by table; empty ones may have no columns.
        machines: Those whose class or healthy reference changed.
    """
    told = {name: frame for name, frame in news.items() if not frame.is_empty()}
    found = set(alarms.filter(pl.col("machine_id").is_in(list(machines)))["alarm_id"])
    for name in ("alarms", "verdicts"):
        found |= set(told[name]["alarm_id"]) if name in told else set()
    if "window_features" in told:
        windows = told["window_features"].select("machine_id", "recorded_at").unique()
        near = signature.spans(alarms).join(windows, on="machine_id")
        found |= set(near.filter(pl.col("recorded_at").is_between("since", "until", closed="left"))["alarm_id"])
    if "work_orders" in told:
        found |= _ordered(alarms, told["work_orders"])
    return found


def _ordered(alarms: pl.DataFrame, work_orders: pl.DataFrame) -> set[str]:
    changed = work_orders.select("machine_id", "failure_mode", "work_order_id").unique()
    pairs = alarms.select("alarm_id", "machine_id", "started_at").join(changed, on="machine_id")
    return {row["alarm_id"] for row in pairs.to_dicts() if order_id(row, row["failure_mode"]) == row["work_order_id"]}
