"""A first draft of the mapping of a plain table, from its header and first rows, with what a person must check.

What cannot be told from the file is said in a comment and left open, so that the draft is refused until somebody has
filled it in: a day that could be a month, a unit that nobody wrote down.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.contracts.vocabulary import UNITS
from pipelines.importers.cells import moments, numbers
from pipelines.importers.containers import members
from pipelines.importers.dialect import COMMA, SEPARATORS, Dialect, cells_of
from pipelines.importers.parquet import read_parquet
from pipelines.importers.parsed import FileError
from pipelines.importers.table import FALSE, TRUE
from pipelines.importers.text import first_line, first_rows
from pipelines.importers.units import UnitError, conversion

ROWS = 1000
FEW = 20
"""So many different words in a column are the names of conditions or sensors; more are notes or identities."""
MANY = 10
"""So many rows that go 1, 2, 3 are counted, not measured."""
MACHINE = re.compile(r"machine|asset|device|equipment|unit_?(id|no|nr)?$|pump|motor|bearing_?id", re.IGNORECASE)
TAG = re.compile(r"^(sensor|tag|signal|channel|variable|parameter|metric)(_?(id|name))?$", re.IGNORECASE)
VALUE = re.compile(r"^(value|reading|measurement|val)$", re.IGNORECASE)
TRUTH = re.compile(r"status|label|fault|fail|anomal|class|condition|changepoint|broken", re.IGNORECASE)
UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]+)[\])]\s*$")
DATE = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{4})([ T]+(\d{1,2}:\d\d)(:\d\d)?)?$")
OWN_UNITS = ("degr", "psi", "lb_s")
"""Suffixes that only data sets published in them use: others are converted."""


@dataclass(frozen=True)
class _Time:
    """A column of times; `form` as `strftime` has it, "" for ISO 8601, None: day and month cannot be told apart."""

    column: str
    form: str | None
    names_zone: bool


def draft(path: Path) -> str:
    """The mapping of a table as TOML, to be put under `[sources.<name>.table]`, each choice explained in a comment.

    Raises:
        FileError: The file holds no table.
    """
    frame = _first(path)
    names = [name for name in frame.columns if name != "batch_row"]
    times = [time for name in names if (time := _time(frame[name]))]
    rest = [name for name in names if name not in {time.column for time in times}]
    machine = next((name for name in rest if MACHINE.search(name) and not TRUTH.search(name)), None)
    cells = frame.select(name for name in rest if name != machine)
    tag, value, unit = _long(cells)
    known = [name for name in cells.columns if TRUTH.search(name) and cells[name].n_unique() <= FEW and name != tag]
    others = cells.drop(*known, *(name for name in (tag, value, unit) if name))
    reasons = {time.column: "another time" for time in times[1:]}
    reasons |= {name: why for name in others.columns if (why := _unfit(others[name], is_long=value is not None))}
    lines = [
        f"# Drafted from {path.name}: {len(names)} columns, the first {frame.height} rows. Check every line.",
        *_time_lines(times),
        *_machine_lines(path, machine),
        *_ignore_lines(reasons),
        *(_long_lines(tag, value, unit) if tag and value else ()),
        *_sensor_lines([name for name in others.columns if name not in reasons]),
        *_label_lines(cells.select(known)),
    ]
    return "\n".join(lines) + "\n"


def _long(cells: pl.DataFrame) -> tuple[str | None, str | None, str | None]:
    """Columns of a long table: name of the sensor, value, unit; None where this is none."""
    tag = next((name for name in cells.columns if TAG.match(name) and not _is_numeric(cells[name])), None)
    value = next((name for name in cells.columns if VALUE.match(name) and _is_numeric(cells[name])), None)
    if tag is None or value is None:
        return None, None, None
    return tag, value, next((name for name in cells.columns if name.lower() in ("unit", "units", "uom")), None)


def _unfit(cells: pl.Series, *, is_long: bool) -> str | None:
    """Why a column cannot be a sensor; None where it can."""
    if is_long:
        return "a long table has no place for it"
    if cells.null_count() == len(cells):
        return "empty"
    if not _is_numeric(cells):
        return "text; if it is known truth, make it a label"
    return "counts the rows" if _counts_rows(cells) else None


def _first(path: Path) -> pl.DataFrame:
    """The first rows: cells of text as text, null where empty."""
    if path.suffix.lower() == ".parquet":
        return pl.concat(read_parquet(path, lambda _: None)).head(ROWS)
    member = next(members(path))
    line = first_line(member)
    separator = max(SEPARATORS, key=lambda separator: len(cells_of(line, separator)))
    names = tuple(cells_of(line, separator))
    if len(set(names)) != len(names):
        raise FileError("wrong_columns", f"{path.name}: two columns have the same name; give each its own: {names[:8]}")
    return first_rows(member, Dialect(names, separator), ROWS)


def _time(cells: pl.Series) -> _Time | None:
    if isinstance(cells.dtype, pl.Datetime | pl.Date):
        return _Time(cells.name, "", getattr(cells.dtype, "time_zone", None) is not None)
    said = cells.drop_nulls()
    if cells.dtype != pl.String or said.is_empty():
        return None
    _, reasons = moments(said, zone="UTC")
    if reasons.null_count() == len(said):
        return _Time(cells.name, "", said.str.contains(r"([zZ]|[+-]\d\d:?\d\d)$").all())
    found = [DATE.match(text) for text in said]
    if any(match is None for match in found):
        dotted = said.str.to_datetime("%Y.%m.%d.%H.%M.%S", strict=False)
        return None if dotted.null_count() else _Time(cells.name, "%Y.%m.%d.%H.%M.%S", names_zone=False)
    dates = [match for match in found if match is not None]
    first, second = (max(int(match[group]) for match in dates) for group in (1, 3))
    between = dates[0][2]
    clock = (" %H:%M" + (":%S" if dates[0][7] else "")) if dates[0][5] else ""
    if (first > 12) == (second > 12) and between != ".":
        return _Time(cells.name, None, names_zone=False)
    order = ("%m", "%d") if second > 12 else ("%d", "%m")  # points are written between day and month, in that order
    return _Time(cells.name, between.join([*order, "%Y"]) + clock, names_zone=False)


def _time_lines(times: Sequence[_Time]) -> Iterator[str]:
    if not times:
        yield "# No column holds a time: the order of the rows is the only clock. Say when row 0 was, and the step:"
        yield '# time = { start = 2026-01-01T00:00:00Z, step = "1m" }'
        return
    time, *others = times
    if others:
        told = ", ".join(_quoted(other.column) for other in others)
        yield f"# Several columns hold times: {_quoted(time.column)} comes first, then {told}. Which one counts?"
    if time.form is None:
        yield f"# {_quoted(time.column)}: no row tells the day from the month. Keep the line that is right:"
        for order in ("%d/%m/%Y", "%m/%d/%Y"):
            yield f'# time = {{ column = {_quoted(time.column)}, format = "{order} %H:%M:%S" }}'
        return
    if not time.names_zone:
        yield '# Its times name no zone: that of the source holds, else UTC. Add zone = "Europe/Berlin" or such.'
    if time.form:
        yield f"time = {{ column = {_quoted(time.column)}, format = {_quoted(time.form)} }}"
    else:
        yield f"time = {{ column = {_quoted(time.column)} }}"


def _machine_lines(path: Path, machine: str | None) -> Iterator[str]:
    if machine is not None:
        yield f"# {_quoted(machine)} names the machine of each row, by its name."
        yield f"machine = {{ column = {_quoted(machine)} }}"
        return
    yield "# No column names a machine: the whole file is taken for one. Give it its name."
    yield f"machine = {_quoted(_plain(path.name.partition('.')[0]) or 'machine-1')}"


def _ignore_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    if reasons:
        yield "# Left out, with the reason of each:"
        yield "ignore = ["
        yield from (f"    {_quoted(name)},  # {why}" for name, why in reasons.items())
        yield "]"


def _long_lines(tag: str, value: str, unit: str | None) -> Iterator[str]:
    further = f", unit = {_quoted(unit)}" if unit else ""
    yield f"# {_quoted(tag)} names the sensor of each row; [sensors] may rename them and state their units."
    yield f"long = {{ sensor = {_quoted(tag)}, value = {_quoted(value)}{further} }}"


def _sensor_lines(sensors: Sequence[str]) -> Iterator[str]:
    if not sensors:
        return
    yield '# Where you know a unit, add it and end the name in its suffix: { sensor = "oil_c", unit = "degF" }.'
    yield "[sensors]"
    names: set[str] = set()
    for column in sensors:
        name, unit, why = _named(column)
        while name in names:
            name = f"x_{name}"
        names.add(name)
        said = f", unit = {_quoted(unit)}" if unit else ""
        yield f"{_quoted(column)} = {{ sensor = {_quoted(name)}{said} }}  # {why}"


def _label_lines(known: pl.DataFrame) -> Iterator[str]:
    if known.columns:
        yield "# Known truth goes to the labels, which nothing that scores may read. kind: status, fault or failure."
        yield "[labels]"
    has_status = False
    for column in known:
        name = _plain(column.name)
        if column.drop_nulls().cast(pl.String).str.to_lowercase().is_in(TRUE + FALSE).all():
            said, why = f'kind = "fault", as = "flags", label = {_quoted(name)}', "one label for each run of true cells"
        else:
            kind = f"{name}_status" if has_status else "status"
            has_status = True
            said, why = f'kind = {_quoted(kind)}, as = "runs"', "one label for each run of equal cells"
        yield f"{_quoted(column.name)} = {{ {said} }}  # {why}"


def _named(column: str) -> tuple[str, str | None, str]:
    """Name of the sensor, unit of the column and why."""
    found = UNIT.match(column)
    if found is None:
        return _plain(column), None, "no unit is stated"
    plain, unit = _plain(found["name"]), found["unit"].strip()
    for suffix in sorted(UNITS, key=lambda suffix: (suffix in OWN_UNITS, UNITS[suffix] != unit)):
        try:
            same = conversion(unit, f"x_{suffix}").is_identity
        except UnitError:
            continue
        return f"{plain}_{suffix}", unit, "the header states its unit" + ("" if same else f": becomes {UNITS[suffix]}")
    return plain, None, f"the header states {unit!r}, which is no known unit"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"


def _is_numeric(cells: pl.Series) -> bool:
    if cells.dtype.is_numeric():
        return True
    said = cells.drop_nulls()
    if said.is_empty() or cells.dtype != pl.String:
        return False
    decimal = "," if said.str.contains(COMMA).any() else "."
    return numbers(said, decimal=decimal)[1].null_count() == len(said)


def _counts_rows(cells: pl.Series) -> bool:
    """Whether a column numbers its rows, from 0 or 1, for so many that no sensor does it by chance."""
    number = cells.cast(pl.Float64, strict=False)
    return len(number) >= MANY and number[0] in (0, 1) and bool((number.diff().drop_nulls() == 1).all())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
