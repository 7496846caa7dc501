"""`ai4i`: the AI4I 2020 milling machine (UCI 601), one row a product. Synthetic, as its publisher says.

Matzka (2020), "Explainable Artificial Intelligence for Predictive Maintenance Applications", AI4I 2020.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipelines.importers.cells import broken_cells, numbers
from pipelines.importers.dialect import Dialect, expect_columns
from pipelines.importers.parsed import KNOWN, Parsed
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.units import conversion
from pipelines.importers.wide import long_readings
from pipelines.register import Source

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""The file knows no clock, only an order: UDI n counts as n - 1 minutes after this."""
QUALITY = {"L": 1.0, "M": 2.0, "H": 3.0}
"""Code of the product's quality: low, medium, high."""
SENSORS = {
    "Air temperature [K]": ("air_temperature_c", "K"),
    "Process temperature [K]": ("process_temperature_c", "K"),
    "Rotational speed [rpm]": ("speed_rpm", "rpm"),
    "Torque [Nm]": ("torque_n_m", "Nm"),
    "Tool wear [min]": ("tool_wear_min", "min"),
}
FLAGS = {
    "Machine failure": ("failure", "machine_failure"),
    "TWF": ("fault", "TWF"),
    "HDF": ("fault", "HDF"),
    "PWF": ("fault", "PWF"),
    "OSF": ("fault", "OSF"),
    "RNF": ("fault", "RNF"),
}
"""Kind and label of the flags: tool wear, heat dissipation, power, overstrain, random failures."""
COLUMNS = ("UDI", "Product ID", "Type", *SENSORS, *FLAGS)


def read_ai4i(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read `ai4i2020.csv`: readings of one machine, `mill`; the flags go to the labels and never to the readings.

    Each flag that is set is a label of that moment. `Type` becomes the reading `quality_code` (see `QUALITY`);
    `Product ID`, which repeats it beside a serial number, is left out.

    Raises:
        FileError: Other columns, or cut short.
    """

    def parse(_: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        for frame in frames:
            yield _parsed(frame, declared, dialect.decimal)

    # the last cell is a flag, so a cut in it shows
    text = TextFormat(
        lambda name, line: expect_columns(name, COLUMNS, line, ends_plainly=True), parse, lambda _: list(SENSORS)
    )
    return read_text_files(path, text)


def _parsed(frame: pl.DataFrame, declared: Source, decimal: str) -> Parsed:
    number, no_number = numbers(frame["UDI"])
    no_number = pl.select(
        pl.when(number.is_null() | ~number.is_between(1, 1e7)).then(pl.lit("UDI: not a number from 1"))
    ).to_series()
    minutes = pl.duration(minutes=pl.lit((number - 1).cast(pl.Int64, strict=False)))
    frame = frame.with_columns(
        machine_id=pl.lit(f"{declared.name}.mill"),
        at=pl.when(no_number.is_null()).then(pl.lit(EPOCH).dt.cast_time_unit("us") + minutes),
    )
    broken = [broken_cells(frame, no_number, column="UDI")]
    values = {}
    for column, (sensor, unit) in SENSORS.items():
        value, reasons = numbers(frame[column], decimal=decimal)
        broken.append(broken_cells(frame, reasons, column=column))
        values[sensor] = conversion(unit, sensor)(value)
    code = frame["Type"].replace_strict(QUALITY, default=None, return_dtype=pl.Float64)
    strange = pl.select(pl.when(code.is_null()).then(pl.lit("Type: expected L, M or H"))).to_series()
    broken.append(broken_cells(frame, strange, column="Type"))
    values["quality_code"] = code
    labels = []
    for column in FLAGS:
        flags, mistakes = _flags(frame, column)
        labels.append(flags)
        broken.append(mistakes)
    return Parsed(long_readings(frame, values), pl.concat(labels).sort("batch_row"), pl.concat(broken), frame.height)


def _flags(frame: pl.DataFrame, column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Labels of the rows in which a flag is set, and its cells that are neither 0 nor 1."""
    kind, label = FLAGS[column]
    flag, _ = numbers(frame[column])
    strange = ~flag.is_in([0.0, 1.0]).fill_null(False)
    reasons = pl.select(pl.when(strange).then(pl.lit(f"{column}: expected 0 or 1"))).to_series()
    labels = frame.filter(flag.fill_null(0) == 1).drop_nulls("at")
    known = labels.select(
        "machine_id", "batch_row", kind=pl.lit(kind), label=pl.lit(label), started_at="at", ended_at="at"
    )
    return known.select(KNOWN.names()), broken_cells(frame, reasons, column=column)
