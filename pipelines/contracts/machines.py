"""Machines: what people have declared about each machine."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, source
from pipelines.contracts.vocabulary import CRITICALITIES, ISO_LIMITS_MM_S

LIMITS = pl.List(pl.Struct({"sensor": pl.String, "low": pl.Float64, "high": pl.Float64}))
MODES = pl.List(
    pl.Struct(
        {
            "failure_mode": pl.String,
            "sensor": pl.String,
            "threshold": pl.Float64,
            "direction": pl.String,
            "skill": pl.String,
            "repair_h": pl.Float64,
        }
    )
)

MACHINES = contract(
    "machines",
    "One machine of the register.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "machine_class": column(pl.String(), "Kind of machine, such as pump.", named()),
        "site": column(pl.String(), "Where it stands.", named()),
        "criticality": column(pl.String(), "What its loss costs the plant.", one_of(CRITICALITIES)),
        "running_sensor": column(pl.String(), "Sensor that tells off, idle and running.", named(), null="not declared"),
        "running_above": column(
            pl.Float64(),
            "The machine runs above this value.",
            between(-1e12, 1e12),
            null="not declared; where a sensor is, the levels are learned",
        ),
        "idle_above": column(
            pl.Float64(),
            "It idles above this value, up to the other.",
            between(-1e12, 1e12),
            null="not declared: what does not run is off",
        ),
        "startup_s": column(
            pl.Int64(),
            "So long after it was off or idle it is starting up.",
            between(0, 86_400),
            unit="s",
            null="no rule is declared",
        ),
        "bearing": column(pl.String(), "Bearing that its channels listen to.", named(), null="not declared"),
        "speed_rpm": column(pl.Float64(), "Shaft speed.", between(0, 1e6), unit="1/min", null="not declared"),
        "iso_class": column(
            pl.String(), "Class of ISO 20816-3.", one_of(list(ISO_LIMITS_MM_S)), null="not declared, or does not apply"
        ),
        "healthy_from": column(TIME, "Start of its known-good span, in event time.", null="not declared"),
        "healthy_until": column(TIME, "End of its known-good span, excluded.", null="not declared"),
        "nominal_limits": column(LIMITS, "Limits of normal operation by sensor."),
        "failure_modes": column(MODES, "Declared ends of life: sensor, threshold, and the repair each needs."),
        "register_version": column(pl.String(), "sha256 of the register file that said so.", lineage=True),
    },
    key=("machine_id",),
    time=None,
)
