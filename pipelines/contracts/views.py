"""Views: what people query, described once for every database that serves it.

A served table is a view of its contract's columns. A few views say what is asked most, made of readings. Nothing in
them depends on the present: the same rows give the same answer on any day.
"""

from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from pipelines.contracts.contract import TIME
from pipelines.contracts.events import KEY as EVENT
from pipelines.contracts.readings import KEY
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import SERVED


@dataclass(frozen=True)
class ViewColumn:
    """One column as people see it.

    Attributes:
        about: What it says, and what a null means.
        dtype: Polars type; each database has its own name for it.
        unit: As in `vocabulary.UNITS`; None where it has none, or where the sensor's name states it.
    """

    name: str
    about: str
    dtype: pl.DataType
    unit: str | None = None
    nullable: bool = False

    @property
    def comment(self) -> str:
        """What it says, with its unit, for a database to keep beside it."""
        return self.about + (f" [{self.unit}]" if self.unit else "")


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        about: What one row is.
        key: Columns that no two rows share.
        newest_by: Column of the lake's table by whose highest value one row of a key is current, and seen here; None
            where the table has one row of each key.
    """

    name: str
    about: str
    columns: tuple[ViewColumn, ...]
    key: tuple[str, ...]
    newest_by: str | None = None


@dataclass(frozen=True)
class Relation:
    """Rows of one view that name a row of another by its key.

    Attributes:
        view: The one that names.
        columns: Those it names with, called alike in both; a null names nothing.
        of: The one whose key they are.
        is_lasting: The row that is named stays. Else it may have been revised since, and be there no more: what was
            decided is kept for good, what it was decided on is brought up to date with late readings.
    """

    view: str
    columns: tuple[str, ...]
    of: str
    is_lasting: bool = True


def _of_contract(table: str) -> View:
    contract = CONTRACTS[table]
    columns = tuple(
        ViewColumn(name, column.description, column.dtype.type, (column.metadata or {}).get("unit"), column.nullable)
        for name, column in contract.columns.items()
    )
    return View(table, contract.description, columns, (contract.metadata or {})["key"])


def _renamed(column: ViewColumn, name: str, about: str) -> ViewColumn:
    return ViewColumn(name, about, column.dtype, column.unit, column.nullable)


_TABLES = {table: _of_contract(table) for table in SERVED}
_READING = {column.name: column for column in _TABLES["readings"].columns}
_VALUE = _READING["value"]
_SERIES = tuple(_READING[name] for name in ("source", "machine_id", "sensor"))

READINGS = View(
    "readings",
    "Current value of one sensor at one moment: of a corrected reading the newest version alone.",
    tuple(_READING.values()),
    KEY,
    newest_by="batch_seq",
)
EVENTS = View(
    "events",
    "One thing that happened to one machine: of a corrected event the newest version alone.",
    _TABLES["events"].columns,
    EVENT,
    newest_by="batch_seq",
)
READINGS_HOURLY = View(
    "readings_hourly",
    "One sensor in one hour (UTC): statistics of its current readings, `bad` ones left out.",
    (
        *_SERIES,
        ViewColumn("hour", "Start of the hour.", TIME),
        ViewColumn("n", "Readings in the hour.", pl.Int64()),
        _renamed(_VALUE, "mean", "Mean."),
        ViewColumn("std", "Sample standard deviation. Null: a single reading.", pl.Float64(), nullable=True),
        _renamed(_VALUE, "min", "Smallest value."),
        _renamed(_VALUE, "max", "Largest value."),
        _renamed(_VALUE, "last_value", "Newest value in the hour."),
    ),
    ("machine_id", "sensor", "hour"),
)
LATEST_READING = View(
    "latest_reading",
    "Newest current reading of each sensor, whatever its quality.",
    (*_SERIES, *(_READING[name] for name in ("recorded_at", "value", "quality", "landed_at"))),
    ("machine_id", "sensor"),
)

VIEWS = MappingProxyType(
    {view.name: view for view in (READINGS, READINGS_HOURLY, LATEST_READING)}
    | {name: view for name, view in _TABLES.items() if name != "readings"}
    | {"events": EVENTS}
)
"""Every view of schema `bi` by its name."""

RELATIONS = (
    *(
        Relation(view.name, ("machine_id",), "machines")
        for view in VIEWS.values()
        if view.name != "machines" and any(column.name == "machine_id" for column in view.columns)
    ),
    Relation("latest_reading", KEY, "readings"),
    Relation("window_features", ("machine_id", "recorded_at"), "anomaly_scores"),
    Relation("operating_states", ("machine_id", "recorded_at"), "anomaly_scores"),
    Relation("health_index", ("machine_id", "recorded_at"), "anomaly_scores"),
    Relation("verdicts", ("alarm_id",), "alarms"),
    Relation("decisions", ("forecast_id",), "forecasts"),
    Relation("decisions", ("alarm_id",), "alarms", is_lasting=False),
    Relation("decisions", ("verdict_id",), "verdicts", is_lasting=False),
    Relation("work_orders", ("decision_id",), "decisions"),
)
"""How the views hang together. Databases are not told: a served table follows the lake, and refuses no row."""
