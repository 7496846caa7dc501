"""`table`: any CSV or Parquet file, long or wide, by the mapping that its source declares."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.importers.cells import broken_cells, moments, numbers
from pipelines.importers.dialect import Dialect, cells_of, difference, separator_of
from pipelines.importers.mapping import Known, Machines, Mapping, Sensor, parse_mapping
from pipelines.importers.parquet import read_parquet
from pipelines.importers.parsed import KNOWN, READ, FileError, Parsed, no_broken, no_labels, no_readings
from pipelines.importers.runs import Runs
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.units import SAME, Conversion, UnitError, conversion
from pipelines.importers.wide import long_readings
from pipelines.register import Source

TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")


class _Table(NamedTuple):
    """What is the same for every piece of a file."""

    mapping: Mapping
    source: str
    zone: str
    decimal: str
    runs: dict[str, Runs]


def read_table(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read a table by the mapping of its source.

    Raises:
        FileError: The source declares no mapping; columns that the mapping does not name, or that it names and the
            file lacks; unreadable or cut short.
        MappingError, UnitError: The mapping itself is wrong.
    """
    if declared.table is None:
        raise FileError(
            "no_mapping",
            f"{path.name}: source {declared.name} says not which column is what; expected [sources.{declared.name}."
            "table] in the register: `--guess` drafts it",
        )
    mapping = parse_mapping(declared.table)
    zone = mapping.clock.zone or declared.zone

    def table(decimal: str) -> _Table:
        runs = {known.column: Runs(known.kind) for known in mapping.labels if known.form in ("runs", "flags")}
        return _Table(mapping, declared.name, zone, mapping.decimal or decimal, runs)

    def parse(_: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        yield from _parsed_all(table(dialect.decimal), frames)

    if path.suffix.lower() == ".parquet":
        frames = read_parquet(path, lambda found: _expect(path.name, mapping, found))
        return _parsed_all(table("."), map(_as_read, frames))
    text = TextFormat(lambda name, line: _dialect(name, mapping, line), parse, lambda _: _numeric(mapping))
    return read_text_files(path, text)


def _dialect(name: str, mapping: Mapping, line: str) -> Dialect:
    separator = separator_of(line, lambda found: set(found) == set(mapping.columns))
    found = cells_of(line, separator)
    _expect(name, mapping, found)
    return Dialect(tuple(found), separator)


def _expect(name: str, mapping: Mapping, found: Sequence[str]) -> None:
    if set(found) != set(mapping.columns) or len(set(found)) != len(found):
        raise difference(name, mapping.columns, found)


def _numeric(mapping: Mapping) -> Sequence[str]:
    """Columns whose numbers tell the decimal sign; none where the mapping does."""
    if mapping.decimal is not None:
        return ()
    return [mapping.long.value] if mapping.long else list(mapping.sensors)


def _as_read(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of Parquet: numbers and times as they are typed, all else as text."""
    is_kept = [
        name for name, kind in frame.schema.items() if kind.is_numeric() or isinstance(kind, pl.Datetime | pl.Date)
    ]
    return frame.with_columns(pl.all().exclude(is_kept).cast(pl.String))


def _parsed_all(table: _Table, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
    first = None
    for frame in frames:
        if first is None:
            first = frame["batch_row"].min() or 0
        yield _parsed(table, frame, frame["batch_row"] - first)
    for runs in table.runs.values():
        yield Parsed(no_readings(), runs.ended_by_the_file(), no_broken(), 0)


def _parsed(table: _Table, cells: pl.DataFrame, order: pl.Series) -> Parsed:
    """One piece; `order` counts the rows of its file, from 0."""
    at, mistimed = _at(table, cells, order)
    machine_id = _machine_ids(table.mapping.machines, table.source, order)
    rows = cells.select("batch_row", machine_id=machine_id, at=at)
    read = _wide(table, cells, rows) if table.mapping.long is None else _long(table, cells, rows)
    labels, broken = [no_labels()], [no_broken(), mistimed, *read.broken]
    for known in table.mapping.labels:
        found, unread = _labels(table, known, cells, rows)
        labels.append(found)
        broken.append(unread)
    return Parsed(read.readings, pl.concat(labels), pl.concat(broken), cells.height)


class _Read(NamedTuple):
    readings: pl.DataFrame
    broken: list[pl.DataFrame]


def _wide(table: _Table, cells: pl.DataFrame, rows: pl.DataFrame) -> _Read:
    values, broken = {}, []
    for column, sensor in table.mapping.sensors.items():
        value, mistakes = _values(cells, column, table.decimal)
        broken.append(mistakes)
        values[sensor.sensor] = sensor.conversion(value)
    return _Read(long_readings(rows, values) if values else no_readings(), broken)


def _long(table: _Table, cells: pl.DataFrame, rows: pl.DataFrame) -> _Read:
    long = table.mapping.long
    assert long is not None
    value, mistakes = _values(cells, long.value, table.decimal)
    frame = rows.with_columns(
        tag=cells[long.sensor].cast(pl.String),
        unit=pl.lit(None, pl.String) if long.unit is None else cells[long.unit].cast(pl.String),
        quality=pl.lit("good") if long.quality is None else cells[long.quality].cast(pl.String).fill_null("good"),
        value=value,
    )
    read, broken = [no_readings()], [mistakes]
    for (tag, unit), part in frame.drop_nulls("value").group_by("tag", "unit", maintain_order=True):
        try:
            sensor, convert = _meant(table.mapping, tag, unit)
        except UnitError as error:
            reasons = pl.repeat(str(error), part.height, dtype=pl.String, eager=True)
            broken.append(broken_cells(part, reasons, column="tag").with_columns(column=pl.lit(long.sensor)))
            continue
        named = part.with_columns(convert(part["value"]).alias("value"), sensor=pl.lit(sensor, pl.String))
        read.append(named.rename({"at": "recorded_at"}).select(READ.names()).drop_nulls("recorded_at"))
    return _Read(pl.concat(read).sort("batch_row"), broken)


def _meant(mapping: Mapping, tag: object, unit: object) -> tuple[str | None, Conversion]:
    """The sensor that a long table calls `tag`, and how its values are converted.

    Raises:
        UnitError: The mapping lists sensors and this is none, or its unit cannot be that of the sensor.
    """
    if tag is None:
        return None, SAME  # the contract refuses it with the rule
    if mapping.sensors and tag not in mapping.sensors:
        raise UnitError(f"sensor {tag!r} is not in the mapping")
    sensor = mapping.sensors.get(str(tag), Sensor(str(tag)))
    if unit is None:
        return sensor.sensor, sensor.conversion
    return sensor.sensor, conversion(str(unit), sensor.sensor)


def _values(cells: pl.DataFrame, column: str, decimal: str) -> tuple[pl.Series, pl.DataFrame]:
    if cells[column].dtype.is_numeric():
        return cells[column].cast(pl.Float64), no_broken()
    value, reasons = numbers(cells[column].cast(pl.String), decimal=decimal)
    return value, broken_cells(cells, reasons, column=column)


def _at(table: _Table, cells: pl.DataFrame, order: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
    clock = table.mapping.clock
    if clock.column is None:
        step = pl.lit(clock.step, pl.Duration("us"))
        return pl.select(pl.lit(clock.start, READ["recorded_at"]) + order * step).to_series(), no_broken()
    at, reasons = moments(cells[clock.column], zone=table.zone, form=clock.form)
    told = pl.select(pl.when(cells[clock.column].is_null()).then(pl.lit("missing")).otherwise(reasons)).to_series()
    return at, broken_cells(cells, f"{clock.column}: " + told, column=clock.column)


def _machine_ids(machines: Machines, source: str, order: pl.Series) -> pl.Expr:
    """Machines of the rows; null where none is named."""
    if machines.constant is not None:
        return pl.lit(f"{source}.{machines.constant}")
    if machines.columns:
        name = pl.concat_str([pl.col(column).cast(pl.String) for column in machines.columns], separator="_")
        return pl.lit(f"{source}.{machines.prefix}") + name
    names = {place: f"{source}.{name}" for place, name in enumerate(machines.names)}
    return pl.lit(order // machines.rows).replace_strict(names, default=None, return_dtype=pl.String)


def _labels(table: _Table, known: Known, cells: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    if known.form == "flags":
        label, reasons = _flags(cells[known.column], known.label)
        mistakes = broken_cells(cells, f"{known.column}: " + reasons, column=known.column)
        return table.runs[known.column].ended_by(rows.with_columns(label=label)), mistakes
    frame = rows.with_columns(label=cells[known.column].cast(pl.String))
    if known.form == "runs":
        return table.runs[known.column].ended_by(frame), no_broken()
    ended_at, broken = frame["at"], no_broken()
    if known.until is not None:
        ended_at, reasons = moments(cells[known.until], zone=table.zone, form=table.mapping.clock.form)
        broken = broken_cells(cells, f"{known.until}: " + reasons, column=known.until)
    labels = frame.with_columns(ended_at=ended_at, started_at="at", kind=pl.lit(known.kind)).drop_nulls(["label", "at"])
    # an end that cannot be read is not the same as none
    kept = labels.select(KNOWN.names()).join(broken, on="batch_row", how="anti", maintain_order="left")
    return kept, broken


def _flags(cells: pl.Series, label: str | None) -> tuple[pl.Series, pl.Series]:
    """The label where a flag is true, and the reason where it is neither true nor false."""
    said = pl.lit(cells.cast(pl.String)).str.strip_chars().str.to_lowercase()
    read = pl.select(
        label=pl.when(said.is_in(TRUE)).then(pl.lit(label)),
        reason=pl.when(~said.is_in(TRUE + FALSE)).then(pl.lit("expected 0 or 1, false or true")),
    )
    return read["label"], read["reason"]
