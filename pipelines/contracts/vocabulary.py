"""The words that tables, rules and people share. Free of heavy imports: anything may read it."""

from types import MappingProxyType

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Of machines, sensors, failure modes, skills and people."""

SOURCE = r"^[a-z][a-z0-9-]{0,62}$"

TABLES = (
    "readings",
    "labels",
    "events",
    "snapshots",
    "machines",
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

SIGNALS = ("vibration", "sound")
ENCODINGS = ("f8", "f4", "i4", "i2", "u1")
"""Types of a sample, as NumPy names them; little-endian."""

EVENT_KINDS = ("error", "failure", "maintenance", "commissioned")

QUALITIES = ("good", "uncertain", "bad")
"""How far the sender trusts a reading (OPC UA); `bad` readings are kept but never computed with."""

STATES = ("running", "stopped", "mixed", "unknown")
"""Of a machine in a window; `mixed` starts, stops or idles inside it, `unknown` has no declared running rule."""

RAN = ("running", "unknown")
"""States in which a machine counts as running: of one without a rule nobody can say that it stood."""

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
        "m3_h": "m3/h",
        "bar": "bar",
        "rpm": "1/min",
        "pct": "%",
        "a": "A",
        "c": "degC",
        "kw": "kW",
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
