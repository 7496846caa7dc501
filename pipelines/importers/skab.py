"""`skab`: the Skoltech water circulation test bed with faults on purpose, one experiment a file.

Katser and Kozitsin (2020), "Skoltech Anomaly Benchmark (SKAB)", DOI 10.34740/KAGGLE/DSV/1693952.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from pipelines.importers.cells import broken_cells, moments, numbers
from pipelines.importers.dialect import Dialect, cells_of, difference, separator_of
from pipelines.importers.parsed import Parsed, no_broken, no_labels, no_readings
from pipelines.importers.runs import Runs
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.units import conversion
from pipelines.importers.wide import long_readings
from pipelines.register import Source

SENSORS = {
    "Accelerometer1RMS": ("accelerometer_1_rms_g", "g"),
    "Accelerometer2RMS": ("accelerometer_2_rms_g", "g"),
    "Current": ("current_a", "A"),
    "Pressure": ("pressure_bar", "bar"),
    "Temperature": ("motor_temperature_c", "degC"),
    "Thermocouple": ("water_temperature_c", "degC"),
    "Voltage": ("voltage_v", "V"),
    "Volume Flow RateRMS": ("flow_m3_h", "l/min"),
}
LABELS = {"anomaly": "fault", "changepoint": "status"}
"""Kind of the label by its column: an induced fault; the change of the process that the publisher marked."""
COLUMNS = ("datetime", *SENSORS)


def read_skab(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read experiments: each is a machine of its own, named after its folder and file, such as `valve1-0`.

    The published files overlap: the same rows stand in several, some with another label. As machines of their own they
    neither collide nor correct each other; whoever compares machines must know that some share rows.

    Each unbroken run of an anomaly or a change point is one label. The clock names no zone: that of the source holds.

    Raises:
        FileError: Other columns, or cut short.
    """

    def parse(name: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        runs = {column: Runs(kind) for column, kind in LABELS.items() if column in dialect.columns}
        for frame in frames:
            yield _parsed(frame, f"{declared.name}.{_experiment(name)}", declared.zone, dialect, runs)
        for run in runs.values():
            yield Parsed(no_readings(), run.ended_by_the_file(), no_broken(), 0)

    return read_text_files(path, TextFormat(_dialect, parse, lambda _: list(SENSORS)))


def _dialect(name: str, line: str) -> Dialect:
    layouts = (COLUMNS, (*COLUMNS, *LABELS))
    separator = separator_of(line, lambda found: tuple(found) in layouts)
    found = cells_of(line, separator)
    if tuple(found) not in layouts:
        raise difference(name, layouts[bool(set(found) & set(LABELS))], found)
    return Dialect(tuple(found), separator)


def _experiment(name: str) -> str:
    """Name of an experiment, by the last folder and the name of its file.

    Example:
        >>> _experiment("data/valve1/0.csv"), _experiment("0.csv"), _experiment("anomaly-free/anomaly-free.csv")
        ('valve1-0', '0', 'anomaly-free')
    """
    path = PurePosixPath(name)
    folder = path.parent.name
    return path.stem if folder in ("", "data", path.stem) else f"{folder}-{path.stem}"


def _parsed(frame: pl.DataFrame, machine: str, zone: str, dialect: Dialect, runs: dict[str, Runs]) -> Parsed:
    at, reasons = moments(frame["datetime"], zone=zone)
    frame = frame.with_columns(machine_id=pl.lit(machine), at=at)
    missing = pl.select(pl.when(frame["datetime"].is_null()).then(pl.lit("missing")).otherwise(reasons)).to_series()
    broken = [broken_cells(frame, "datetime: " + missing, column="datetime")]
    values = {}
    for column, (sensor, unit) in SENSORS.items():
        value, reasons = numbers(frame[column], decimal=dialect.decimal)
        broken.append(broken_cells(frame, reasons, column=column))
        values[sensor] = conversion(unit, sensor)(value)
    labels = []
    for column, run in runs.items():
        flag, _ = numbers(frame[column], decimal=dialect.decimal)
        strange = ~flag.is_in([0.0, 1.0]).fill_null(False)
        reasons = pl.select(pl.when(strange).then(pl.lit(f"{column}: expected 0 or 1"))).to_series()
        broken.append(broken_cells(frame, reasons, column=column))
        label = pl.select(pl.when(flag == 1).then(pl.lit(column))).to_series()
        labels.append(run.ended_by(frame.select("machine_id", "at", "batch_row", label=label)))
    known = pl.concat([no_labels(), *labels])
    return Parsed(long_readings(frame, values), known, pl.concat(broken), frame.height)
