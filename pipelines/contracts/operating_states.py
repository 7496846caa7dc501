"""Operating states: whether a machine was off, idle, running or starting up in one window of time."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import NO_STATE, STATE_BASES, STATES

UNTOLD = "the state is unknown"
VALUE = between(-1e12, 1e12)
SHARE = between(0, 1)

OPERATING_STATES = contract(
    "operating_states",
    "State of one machine in one window in which it spoke, by its declared or learned levels.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "state": column(
            pl.String(),
            "`startup`: ran throughout, a part of it in start-up; `mixed`: more than one of off, idle and running.",
            one_of(STATES),
        ),
        "basis": column(pl.String(), "Where the levels are from.", one_of(STATE_BASES)),
        "reason": column(pl.String(), "Why the state is unknown.", one_of(NO_STATE), null="it is known"),
        "off_share": column(pl.Float64(), "Share of the sensor's readings at which it was off.", SHARE, null=UNTOLD),
        "idle_share": column(pl.Float64(), "The same for idle.", SHARE, null=UNTOLD),
        "running_share": column(pl.Float64(), "The same for running, start-up left out.", SHARE, null=UNTOLD),
        "startup_share": column(pl.Float64(), "The same for start-up.", SHARE, null=UNTOLD),
        "sensor": column(pl.String(), "Sensor that tells the state.", named(), null="no rule is declared"),
        "level": column(pl.Float64(), "Median of its readings in the window.", VALUE, null="it said nothing"),
        "idle_above": column(
            pl.Float64(), "Idle above this value.", VALUE, null="none: what does not run is off, or nothing is told"
        ),
        "running_above": column(pl.Float64(), "Running above this value.", VALUE, null="none: nothing is told"),
        "learned_until": column(
            TIME,
            "End of the windows that the levels were learned from, excluded.",
            null="they are declared, or not learned yet",
        ),
        "run_id": run_id(),
    },
    key=("machine_id", "recorded_at"),
    time="recorded_at",
)
