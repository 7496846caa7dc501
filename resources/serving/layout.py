"""Layout: how a served table lies on a server. Ids inside, text outside (docs/adr/0009)."""

from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.views import VIEWS, View, ViewColumn
from pipelines.contracts.vocabulary import SERVED

BIG = (
    "readings",
    "vibration_features",
    "sound_features",
    "operating_states",
    "window_features",
    "data_quality",
    "anomaly_scores",
    "health_index",
)
"""Hypertables: rows grow with every reading or snapshot. The others are plain tables that keep their text."""

SENSORS = ("sensor", "top_sensor")
TYPES = MappingProxyType(
    {
        pl.Float64: "double precision",
        pl.Int64: "bigint",
        pl.Boolean: "boolean",
        pl.String: "text",
        pl.Datetime: "timestamptz",
        pl.Date: "date",
        pl.List: "jsonb",
    }
)
"""Type on a server by that in the lake."""


@dataclass(frozen=True)
class Stored:
    """One column as it is stored.

    Attributes:
        name: In the table.
        seen: In the view.
        type: Of the server.
        dictionary: Whose id stands for the text: `machines`, `sensors` or `words`; None where the value itself stands.
    """

    name: str
    seen: str
    type: str
    dictionary: str | None = None


@dataclass(frozen=True)
class Layout:
    """One table of schema `store`.

    Attributes:
        key: Stored columns that no two rows share.
        time: Column that ranges follow; None for a table without one.
        order: Column whose higher value wins over an older row of the same key, whichever arrives first; None where
            the lake's own order counts.
    """

    table: str
    columns: tuple[Stored, ...]
    key: tuple[str, ...]
    time: str | None
    order: str | None

    @property
    def is_big(self) -> bool:
        return self.table in BIG

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def rest(self) -> list[str]:
        """Columns that are no part of the key."""
        return [name for name in self.names if name not in self.key]

    @property
    def seen_key(self) -> list[str]:
        """The key as the lake names it."""
        return [column.seen for name in self.key for column in self.columns if column.name == name]


def type_of(column: ViewColumn) -> str:
    """Type of a view's column on a server."""
    return TYPES[column.dtype.base_type()]


def _stored(column: ViewColumn, *, is_big: bool) -> Stored:
    if not is_big or column.dtype != pl.String():
        return Stored(column.name, column.name, type_of(column))
    if column.name == "machine_id":
        return Stored("machine", "machine_id", "integer", "machines")
    return Stored(column.name, column.name, "integer", "sensors" if column.name in SENSORS else "words")


def _layout(view: View) -> Layout:
    is_big = view.name in BIG
    left_out = ("source", "day") if is_big else ("day",)  # both follow from what is stored
    columns = tuple(_stored(column, is_big=is_big) for column in view.columns if column.name not in left_out)
    key = tuple(column.name for part in view.key for column in columns if column.seen == part)
    time = (CONTRACTS[view.name].metadata or {})["time"]
    return Layout(view.name, columns, key, time, view.newest_by)


LAYOUTS = MappingProxyType({table: _layout(VIEWS[table]) for table in SERVED})
"""Layout of each served table."""
