"""From decisions to jobs for the planner, and the slots that people have been told of."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

import polars as pl

from pipelines.advisory.problem import SETTINGS, Job, Slot
from pipelines.identity import stable_id

KINDS = {"plan": "repair", "inspect": "inspection"}
WEIGHT = {"none": 1, "low": 1, "medium": 3, "high": 10}
"""Of urgency and of criticality: an hour too late weighs their product."""
VERSION = hashlib.sha256(f"{SETTINGS.version}|{KINDS}|{WEIGHT}".encode()).hexdigest()[:16]
"""Of all a plan follows from besides decisions and crew."""


def open_jobs(decisions: pl.DataFrame) -> list[Job]:
    """Jobs that the newest decision of each machine asks for.

    Args:
        decisions: `decisions` contract, any number for each machine.
    """
    newest = decisions.sort("decided_at").group_by("machine_id", maintain_order=True).last()
    wanted = newest.filter(pl.col("action").is_in(list(KINDS))).sort("machine_id")
    return [
        Job(
            work_order_id=stable_id("order", row["machine_id"], row["failure_mode"], row["episode_at"]),
            source=row["source"],
            machine_id=row["machine_id"],
            failure_mode=row["failure_mode"],
            kind=KINDS[row["action"]],
            skill=row["skill"],
            work_h=row["work_h"],
            due_at=row["due_at"],
            priority=WEIGHT[row["urgency"]] * WEIGHT[row["criticality"]],
            decision_id=row["decision_id"],
        )
        for row in wanted.to_dicts()
    ]


def standing_slots(work_orders: pl.DataFrame, *, now: datetime) -> dict[str, Slot]:
    """Slots of the plan that stood before `now`, by work order id.

    Args:
        work_orders: `work_orders` contract.
        now: Moment of the plan that is made anew; a plan of that very moment is replaced, not stood by.
    """
    standing = _standing(work_orders, now).drop_nulls("starts_at")
    return {
        row["work_order_id"]: Slot(row["technician"], row["starts_at"], row["ends_at"], row["machine_id"])
        for row in standing.to_dicts()
    }


def withdrawn(work_orders: pl.DataFrame, jobs: Iterable[Job], *, now: datetime) -> pl.DataFrame:
    """Orders of the plan that stood before `now` and that nothing asks for any more, as the new plan tells them.

    They are said to be withdrawn, not left out: a plan without any job would else be no rows, and the old one stand.
    One that somebody is at work on stays as it is until its slot is over.
    """
    asked = [job.work_order_id for job in jobs]
    gone = _standing(work_orders, now).filter(~pl.col("work_order_id").is_in(asked))
    is_at_work = (pl.col("starts_at") <= now) & (pl.col("ends_at") > now)
    said = {"status": "withdrawn", "note": "no decision asks for it any more"}
    told = [
        pl.when(is_at_work).then(name).otherwise(pl.lit(said.get(name), gone.schema[name])).alias(name)
        for name in ("status", "technician", "starts_at", "ends_at", "note")
    ]
    return gone.with_columns(told)


def _standing(work_orders: pl.DataFrame, now: datetime) -> pl.DataFrame:
    earlier = work_orders.filter(pl.col("planned_at") < now)
    newest = earlier.filter(pl.col("planned_at") == pl.col("planned_at").max())
    return newest.filter(pl.col("status") != "withdrawn")
