"""The words that tables, rules and people share. Free of heavy imports: anything may read it."""

import math
from types import MappingProxyType
from typing import Literal, NamedTuple

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Of machines, sensors, failure modes, skills and people."""

SOURCE = r"^[a-z][a-z0-9-]{0,62}$"

TABLES = (
    "readings",
    "labels",
    "events",
    "snapshots",
    "machines",
    "vibration_features",
    "sound_features",
    "operating_states",
    "window_features",
    "baselines",
    "outages",
    "data_quality",
    "anomaly_scores",
    "exceedances",
    "alarms",
    "verdicts",
    "health_index",
    "forecasts",
    "decisions",
    "work_orders",
)
"""Every table, in the order data flows."""

SERVED = tuple(table for table in TABLES if table not in ("labels", "exceedances", "snapshots"))
"""Tables that people query: known truth is for training and evaluation alone, exceedances are carried by alarms, and
waveforms say nothing to SQL."""

LANDED = ("readings", "labels", "events", "snapshots")
"""Tables that files land in: all others follow from them."""

SAID = ("outages", "forecasts", "decisions", "work_orders")
"""Tables of what was said at a moment that has passed: nothing computes it again."""

SIGNALS = ("vibration", "sound")
ENCODINGS = ("f8", "f4", "i4", "i2", "u1")
"""Types of a sample, as NumPy names them; little-endian."""

EVENT_KINDS = ("error", "failure", "maintenance", "commissioned")

QUALITIES = ("good", "uncertain", "bad")
"""How far the sender trusts a reading (OPC UA); `bad` readings are kept but never computed with."""

STATES = ("off", "idle", "running", "startup", "mixed", "unknown")
"""Of a machine in a window. `startup`: it ran throughout, and for a part of it not long enough to have settled;
`mixed`: more than one of off, idle and running; `unknown`: nothing tells."""

RAN = ("running", "unknown")
"""States in which a window is compared with the healthy ones. Of a machine without a rule nobody can say that it stood;
one that starts up is not what it is when it has settled, and has no reference of its own yet."""

STATE_BASES = ("declared", "learned", "none")
"""Where the levels that tell the states are from: the register, the machine's own history, nowhere."""

NO_STATE = ("no_rule", "silent", "learning", "one_level")
"""Why a state is unknown: nothing is declared; the rule's sensor said nothing in the window; the windows to learn from
are not complete; they show no two levels that are clearly apart."""

DIAGNOSES = ("none", "outer_race", "inner_race", "ball", "cage")
"""What an envelope spectrum says of a bearing."""

ISO_ZONES = ("A", "B", "C", "D")
ISO_LIMITS_MM_S = MappingProxyType(
    {
        "group1-rigid": (2.3, 4.5, 7.1),
        "group1-flexible": (3.5, 7.1, 11.0),
        "group2-rigid": (1.4, 2.8, 4.5),
        "group2-flexible": (2.3, 4.5, 7.1),
    }
)
"""Velocity RMS between the zones A, B, C and D of ISO 20816-3 by class of machine: group 1 above 300 kW, group 2 from
15 to 300 kW, on a rigid or a flexible support."""

VERDICTS = ("credible", "suspect", "false_positive", "needs_evidence")
ACTIONS = ("monitor", "inspect", "ask", "plan")
CRITICALITIES = ("low", "medium", "high")
URGENCIES = ("none", "low", "medium", "high")

NO_BASELINE = ("never_spoke", "span_not_over", "too_few_windows")
"""Why a machine has no healthy reference yet."""

DEFECTS = ("silent", "stuck")
ALARM_KINDS = ("anomaly", *DEFECTS)

NO_SCORE = ("not_running", "no_baseline")
"""Why a window has no anomaly score."""

NO_TTF = ("no_threshold", "too_little_data", "no_recent_data", "not_degrading", "beyond_horizon")
"""Why a forecast names no time to failure."""

UNITS = MappingProxyType(
    {
        "mm_s": "mm/s",
        "m_s2": "m/s2",
        "m3_h": "m3/h",
        "lb_s": "lb/s",
        "bar": "bar",
        "rpm": "1/min",
        "pct": "%",
        "a": "A",
        "v": "V",
        "g": "g",
        "c": "degC",
        "k": "K",
        "degr": "degR",
        "psi": "psi",
        "kw": "kW",
        "n_m": "N.m",
        "um": "um",
        "hz": "Hz",
        "db": "dB",
        "min": "min",
        "h": "h",
        "s": "s",
    }
)
"""Unit by the suffix of a name: `vibration_mm_s` is in mm/s, `time_to_failure_h` in h."""


def unit_of(name: str) -> str | None:
    """Unit a sensor or column name states by its suffix; None where it states none.

    Example:
        >>> unit_of("vibration_mm_s"), unit_of("sensor_04")
        ('mm/s', None)
    """
    return next((unit for suffix, unit in UNITS.items() if name.endswith("_" + suffix)), None)


class Derived(NamedTuple):
    """A sensor that is computed of others at the moments at which all of them were read.

    Attributes:
        name: Sensor.
        inputs: Two measured sensors, in the order of the formula.
        operation: What is done with the two values.
        factor: What the result is multiplied with to be in `unit`.
        unit: Of the result.
        about: What it says, for people.
    """

    name: str
    inputs: tuple[str, str]
    operation: Literal["product", "difference"]
    factor: float
    unit: str
    about: str


DERIVED = MappingProxyType(
    {
        sensor.name: sensor
        for sensor in (
            Derived(
                "power_kw",
                ("torque_n_m", "speed_rpm"),
                "product",
                2 * math.pi / 60 / 1000,
                "kW",
                "Mechanical power: torque x angular speed.",
            ),
            Derived(
                "temperature_difference_k",
                ("process_temperature_c", "air_temperature_c"),
                "difference",
                1.0,
                "K",
                "How much warmer the process is than the air: what carries its heat away.",
            ),
            Derived(
                "wear_torque",
                ("tool_wear_min", "torque_n_m"),
                "product",
                1.0,
                "min N m",
                "Strain of a worn tool: minutes of wear x torque.",
            ),
            Derived(
                "hydraulic_power_kw",
                ("differential_pressure_bar", "flow_m3_h"),
                "product",
                1 / 36,
                "kW",
                "Power given to the fluid: pressure difference x flow.",
            ),
        )
    }
)
"""Process physics: derived sensors by name."""


def inputs_of(sensor: str) -> tuple[str, ...]:
    """Measured sensors that a derived one is computed of; none where the name is not declared as derived.

    Example:
        >>> inputs_of("power_kw"), inputs_of("current_a")
        (('torque_n_m', 'speed_rpm'), ())
    """
    return DERIVED[sensor].inputs if sensor in DERIVED else ()


PHYSICAL = MappingProxyType(
    {
        "c": (-273.15, 2000.0),
        "k": (-2273.15, 2273.15),
        "bar": (-1e4, 1e4),
        "pressure_bar": (-2.0, 1e4),
        "differential_pressure_bar": (-1e4, 1e4),
        "rpm": (-1e6, 1e6),
        "hz": (0.0, 1e9),
        "pct": (-1e3, 1e3),
        "mm_s": (-1e5, 1e5),
        "g": (-1e6, 1e6),
        "mm": (-1e6, 1e6),
        "um": (-1e9, 1e9),
        "m3_h": (-1e7, 1e7),
        "a": (-1e7, 1e7),
        "v": (-1e8, 1e8),
        "kw": (-1e7, 1e7),
        "n_m": (-1e9, 1e9),
        "degr": (0.0, 4e3),
        "psi": (-15.0, 2e5),
        "lb_s": (-1e7, 1e7),
        "m_s2": (-1e7, 1e7),
        "db": (-1e4, 1e4),
        "h": (-1e7, 1e7),
        "min": (-1e9, 1e9),
        "s": (-1e10, 1e10),
    }
)
"""What no sensor of that name can measure lies outside: by the ending of the name, the longest that fits. Generous, as
only the impossible is refused: a shaft may turn backwards, a drive may feed back, and a gauge with an offset reads
below -1 bar (the pump of SKAB does). Temperatures in K are differences, as sensors that measure one land in degC."""
