"""Which column of a plain table is what: the mapping of a source, as `[sources.<name>.table]` states it.

Every column of the file is named in it, if only to be ignored, so that a renamed or further one never lands unseen.
"""

import re
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.contracts.vocabulary import NAME
from pipelines.failures import StatedError
from pipelines.importers.units import SAME, Conversion, UnitError, conversion

KEYS = {"time", "machine", "sensors", "long", "labels", "ignore", "decimal"}
STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class MappingError(StatedError):
    """The mapping of a table says something that cannot be read; the message names the key and what is expected."""


@dataclass(frozen=True)
class Clock:
    """When a row was measured: a column says it, or the order of the rows.

    Attributes:
        column: That holds the time; None: the order tells it.
        form: How it is written, as `strftime` has it; None: ISO 8601.
        zone: Of times that name none; None: that of the source.
        start: Of row 0, where the order tells the time.
        step: From one row to the next.
    """

    column: str | None
    form: str | None = None
    zone: str | None = None
    start: datetime | None = None
    step: timedelta | None = None


@dataclass(frozen=True)
class Machines:
    """Whose row it is: a constant, what columns say, or so many rows of one after so many of another."""

    constant: str | None = None
    columns: tuple[str, ...] = ()
    prefix: str = ""
    names: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Sensor:
    """A sensor and how its values come into the unit that its name states."""

    sensor: str
    conversion: Conversion = SAME


@dataclass(frozen=True)
class Long:
    """Columns of a long table: name of the sensor, value and, where they are there, unit and quality."""

    sensor: str
    value: str
    unit: str | None = None
    quality: str | None = None


@dataclass(frozen=True)
class Known:
    """A column of known truth.

    Attributes:
        column, kind: Its name, and what is known.
        form: runs (of equal cells), flags (runs of what is true), points (each row) or spans (until another column).
        until: Column of their end, of spans.
        label: While a flag is true; nothing is known while it is false. None: the cells are the labels.
    """

    column: str
    kind: str
    form: str = "runs"
    until: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Mapping:
    """Which column is what.

    Attributes:
        clock: When.
        machines: Whose.
        sensors: By column of a wide table; of a long one by the name it uses, empty: names stand as they are.
        long: Columns of a long table; None: the table is wide.
        labels: Columns of known truth.
        ignore: Columns that are left out on purpose.
        decimal: Sign before the decimals; None: found out from the file.
    """

    clock: Clock
    machines: Machines
    sensors: Table[str, Sensor]
    long: Long | None = None
    labels: tuple[Known, ...] = ()
    ignore: tuple[str, ...] = ()
    decimal: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is named."""
        named = [self.clock.column, *self.machines.columns]
        if self.long is None:
            named += self.sensors
        else:
            named += [self.long.sensor, self.long.value, self.long.unit, self.long.quality]
        named += [name for known in self.labels for name in (known.column, known.until)]
        return tuple(dict.fromkeys(name for name in [*named, *self.ignore] if name is not None))


def parse_mapping(table: Table[str, Any]) -> Mapping:
    """Read a mapping.

    Raises:
        MappingError: An unknown key, a wrong type, a column named for two purposes.
        UnitError: A unit that is not known, or not of the quantity that the sensor's name states.
    """
    _known(table, KEYS, "table")
    long = _long(table["long"]) if "long" in table else None
    sensors = {column: _sensor(column, said) for column, said in _tables(table, "sensors").items()}
    if long is None and not sensors and not table.get("labels"):
        raise MappingError(
            "table: neither sensors nor long nor labels; expected [table.sensors] with lines such as temp = "
            '{ sensor = "temperature_c", unit = "degF" }'
        )
    decimal = table.get("decimal")
    if decimal not in (None, ".", ","):
        raise MappingError(f'decimal: found {decimal!r}; expected "." or ","')
    mapping = Mapping(
        clock=_clock(table.get("time")),
        machines=_machines(table.get("machine")),
        sensors=sensors,
        long=long,
        labels=tuple(_label(column, said) for column, said in _tables(table, "labels").items()),
        ignore=_names(table.get("ignore", []), "ignore"),
        decimal=decimal,
    )
    _refuse_double(mapping)
    _refuse_same_labels(mapping.labels)
    return mapping


def _clock(said: Any) -> Clock:
    if isinstance(said, str):
        return Clock(said)
    if not isinstance(said, dict) or ("column" in said) == ("start" in said):
        raise MappingError(
            f'time: found {said!r}; expected the name of a column, {{ column = "t", format = "%d.%m.%Y %H:%M" }} or, '
            'where the order of the rows is the only clock, { start = 2026-01-01T00:00:00Z, step = "1m" }'
        )
    if "column" in said:
        _known(said, {"column", "format", "zone"}, "time")
        zone = said.get("zone")
        return Clock(_text(said["column"], "time.column"), said.get("format"), zone and _zone(zone))
    _known(said, {"start", "step"}, "time")
    start, step = said["start"], STEP.fullmatch(str(said.get("step", "")))
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise MappingError(f"time.start: found {start!r}; expected a time with a zone, such as 2026-01-01T00:00:00Z")
    if step is None or float(step[1]) <= 0:
        raise MappingError(f'time.step: found {said.get("step")!r}; expected such as "10s", "1m" or "1h"')
    every = timedelta(seconds=float(step[1]) * SECONDS[step[2]])
    return Clock(None, start=start.astimezone(UTC), step=every)


def _machines(said: Any) -> Machines:
    if isinstance(said, str):
        if not re.fullmatch(NAME, said):
            raise MappingError(f"machine: found {said!r}; expected a name that matches {NAME}")
        return Machines(constant=said)
    expected = (
        f'machine: found {said!r}; expected a name, {{ column = "unit" }}, or {{ names = ["a", "b"], rows = 984 }} for '
        "so many rows of each in turn"
    )
    if not isinstance(said, dict):
        raise MappingError(expected)
    if "column" in said:
        _known(said, {"column", "prefix"}, "machine")
        column = said["column"]
        columns = _names([column] if isinstance(column, str) else column, "machine.column")
        return Machines(columns=columns, prefix=str(said.get("prefix", "")))
    _known(said, {"names", "rows"}, "machine")
    rows = said.get("rows")
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise MappingError(expected)
    return Machines(names=_names(said.get("names"), "machine.names"), rows=rows)


def _long(said: Any) -> Long:
    _known(said, {"sensor", "value", "unit", "quality"}, "long")
    if not {"sensor", "value"} <= set(said):
        raise MappingError(f'long: found {said!r}; expected {{ sensor = "tag", value = "reading" }}: names of columns')
    return Long(**{key: _text(column, f"long.{key}") for key, column in said.items()})


def _sensor(column: str, said: Any) -> Sensor:
    if isinstance(said, str):
        said = {"sensor": said}
    _known(said, {"sensor", "unit"}, f"sensors.{column}")
    sensor = said.get("sensor")
    if not isinstance(sensor, str) or not re.fullmatch(NAME, sensor):
        raise MappingError(f"sensors.{column}: sensor is {sensor!r}; expected a name that matches {NAME}")
    if "unit" not in said:
        return Sensor(sensor)
    try:
        return Sensor(sensor, conversion(_text(said["unit"], f"sensors.{column}.unit"), sensor))
    except UnitError as error:
        raise UnitError(f"sensors.{column}: {error}") from None


def _label(column: str, said: Any) -> Known:
    where = f"labels.{column}"
    _known(said, {"kind", "as", "until", "label"}, where)
    kind, form, until = said.get("kind"), said.get("as", "spans" if "until" in said else "runs"), said.get("until")
    if not isinstance(kind, str) or not re.fullmatch(NAME, kind):
        raise MappingError(f'{where}: kind is {kind!r}; expected such as "status", "fault" or "failure"')
    if form not in ("runs", "flags", "points", "spans") or (form == "spans") != ("until" in said):
        raise MappingError(
            f'{where}: as is {form!r}; expected "runs" (equal cells in a row are one), "flags" (0 and 1: the true ones '
            'in a row are one), "points" (each row is one) or "spans" with until = the column of their end'
        )
    if form != "flags" and "label" in said:
        raise MappingError(f'{where}: label goes with as = "flags"; of any other the cells are the labels')
    label = said.get("label", column) if form == "flags" else None
    if label is not None and not (isinstance(label, str) and re.fullmatch(NAME, label)):
        raise MappingError(f'{where}: label is {label!r}; expected a name that matches {NAME}: label = "..."')
    return Known(column, kind, form, None if until is None else _text(until, f"{where}.until"), label)


def _refuse_same_labels(labels: Sequence[Known]) -> None:
    """Two columns whose labels would have the same key: only one of them would be kept."""
    for first, second in combinations(labels, 2):
        if first.kind != second.kind:
            continue
        told = f"labels: {first.column!r} and {second.column!r} are both of kind {first.kind!r}"
        if first.label is None or second.label is None:
            raise MappingError(f'{told}; give each a kind of its own, or say as = "flags" where both hold 0 and 1')
        if first.label == second.label:
            raise MappingError(f"{told} and have the label {first.label!r}; give each its own")


def _refuse_double(mapping: Mapping) -> None:
    purposes = [
        *([] if mapping.long else mapping.sensors),
        *mapping.ignore,
        *(known.column for known in mapping.labels),
    ]
    purposes += [mapping.clock.column] if mapping.clock.column else []
    for column in purposes:
        if purposes.count(column) > 1:
            raise MappingError(f"column {column!r} is named for two purposes; keep one")
    sensors = [sensor.sensor for sensor in mapping.sensors.values()]
    for sensor in sensors:
        if sensors.count(sensor) > 1:
            raise MappingError(f"sensors: {sensor!r} is the name of two columns; give each its own")


def _zone(found: Any) -> str:
    try:
        ZoneInfo(found)
    except (OSError, TypeError, ValueError, KeyError):
        raise MappingError(f'time.zone: found {found!r}; expected an IANA name such as "Europe/Berlin"') from None
    return str(found)


def _tables(table: Table[str, Any], key: str) -> Table[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise MappingError(f"{key}: found {found!r}; expected a table by column")
    return found


def _names(found: Any, where: str) -> tuple[str, ...]:
    if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(name, str) for name in found):
        raise MappingError(f"{where}: found {found!r}; expected a list of names")
    return tuple(found)


def _text(found: Any, where: str) -> str:
    if not isinstance(found, str):
        raise MappingError(f"{where}: found {found!r}; expected text")
    return found


def _known(entry: Any, keys: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise MappingError(f"{where}: found {entry!r}; expected a table with {', '.join(sorted(keys))}")
    if surplus := sorted(set(entry) - keys):
        raise MappingError(f"{where}: unknown {', '.join(surplus)}; known are {', '.join(sorted(keys))}")
