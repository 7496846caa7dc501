"""Work orders: who does what when. Proposed only: a person approves."""

import polars as pl

from pipelines.contracts.contract import (
    TIME,
    between,
    column,
    contract,
    identity,
    machine_id,
    named,
    one_of,
    run_id,
    source,
)

WORK_ORDERS = contract(
    "work_orders",
    "One job in one plan. The plan that stands is the one with the newest `planned_at`.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "work_order_id": identity("Hash of machine, failure mode and episode start: the same job in every plan."),
        "planned_at": column(TIME, "When the plan was made."),
        "failure_mode": column(pl.String(), "Mode to mend.", named()),
        "kind": column(pl.String(), "Kind of job.", one_of(("repair", "inspection"))),
        "status": column(
            pl.String(),
            "`unplaced`: no slot fits, see note; `withdrawn`: nothing asks for it any more.",
            one_of(("proposed", "unplaced", "withdrawn")),
        ),
        "technician": column(pl.String(), "Who.", named(), null="no slot"),
        "skill": column(pl.String(), "Skill needed.", named()),
        "starts_at": column(TIME, "Start of the slot.", null="no slot"),
        "ends_at": column(TIME, "End of the slot.", null="no slot"),
        "due_at": column(TIME, "When it must be done."),
        "priority": column(pl.Int64(), "Weight of an hour too late.", between(1, 1000)),
        "note": column(pl.String(), "What the plan says of this job."),
        "plan_status": column(pl.String(), "Solver's word on the whole plan.", named()),
        "objective": column(pl.Float64(), "Cost of the whole plan.", between(-1e15, 1e15)),
        "bound": column(pl.Float64(), "Proved lower bound of that cost.", between(-1e15, 1e15)),
        "gap": column(pl.Float64(), "(objective - bound) / objective.", between(0.0, 1.0)),
        "decision_id": identity("Decision that asked for it."),
        "rules_version": column(pl.String(), "Hash of the planning rules."),
        "run_id": run_id(),
    },
    key=("work_order_id", "planned_at"),
    time="planned_at",
)
