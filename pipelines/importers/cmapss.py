"""`cmapss`: NASA's simulated turbofan engines, one row a flight cycle.

Saxena, Goebel, Simon and Eklund (2008), "Damage Propagation Modeling for Aircraft Engine Run-to-Failure Simulation",
PHM 2008; names and units of the sensors are those of its table 2.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import polars as pl

from pipelines.importers.cells import broken_cells, numbers
from pipelines.importers.dialect import BLANKS, Dialect
from pipelines.importers.parsed import KNOWN, FileError, Parsed, no_broken, no_readings
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.wide import long_readings
from pipelines.register import Source

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The files know no clock: cycle n counts as n - 1 hours after this."""
SETTINGS = ("setting_1", "setting_2", "setting_3")
SENSORS = (
    "t2_degr", "t24_degr", "t30_degr", "t50_degr", "p2_psi", "p15_psi", "p30_psi", "nf_rpm", "nc_rpm", "epr",
    "ps30_psi", "phi", "nrf_rpm", "nrc_rpm", "bpr", "far_b", "bleed_enthalpy", "nf_demanded_rpm",
    "pcnfr_demanded", "w31_lb_s", "w32_lb_s",
)  # fmt: skip
"""As published: temperatures in degrees Rankine, pressures in psi (absolute), flows in lb/s; no suffix, no unit."""
COLUMNS = ("unit", "cycle", *SETTINGS, *SENSORS)
LEFT = {"unit": pl.Int64(), "left": pl.Float64()}
NAME = re.compile(r"(train|test|RUL)_(FD\d{3})")


def read_cmapss(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read `train_FD001.txt`, `test_FD001.txt`, `RUL_FD001.txt` or others of their names, alone or several in a zip.

    Each unit of a file is a machine, such as `train_FD001-1`. At the last cycle of a training unit stands the label
    `end_of_life` of kind `failure`. A RUL file says how many cycles a test unit had left at its last row: that is a
    label of kind `remaining_life`, such as `112_cycles`, from the beginning of the life, because the file does not say
    which cycle that was. Where the same zip holds the test file too, the failure itself is a label as well.

    Raises:
        FileError: Another name, rows that do not have 26 cells (of RUL: one), or cut short.
    """
    left: dict[str, list[float]] = {}

    def parse(name: str, _: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        part, data_set = _named(name)
        if part == "RUL":
            yield from _remaining_lives(declared.name, data_set, frames, left)
            return
        lives = _Lives(f"{declared.name}.{part}_{data_set}", left.get(data_set, []) if part == "test" else None)
        for frame in frames:
            yield _cycles(frame, lives)
        yield Parsed(no_readings(), lives.ended_by_the_file(), no_broken(), 0)

    return read_text_files(path, TextFormat(_dialect, parse, lambda _: ()))


def _named(name: str) -> tuple[str, str]:
    found = NAME.fullmatch(PurePosixPath(name).stem)
    if found is None:
        raise FileError(
            "wrong_name", f"{name}: expected a name such as train_FD001.txt, test_FD001.txt or RUL_FD001.txt"
        )
    return found[1], found[2]


def _dialect(name: str, line: str) -> Dialect:
    columns = ("cycles_left",) if _named(name)[0] == "RUL" else COLUMNS
    if len(line.split()) != len(columns):
        raise FileError(
            "wrong_columns", f"{name}: expected {len(columns)} columns set apart by blanks, found {len(line.split())}"
        )
    return Dialect(columns, BLANKS, has_header=False)


class _Lives:
    """The end of each unit's life in one file, told when the next unit begins or the file ends.

    Args:
        machines: What their names begin with.
        left: Cycles that the units of a test file had left, in their order; None: of training units, who have none.
    """

    def __init__(self, machines: str, left: list[float] | None) -> None:
        self.machines = machines
        self._left = left
        self._open = pl.DataFrame(schema={"unit": pl.Int64, "at": KNOWN["started_at"], "batch_row": pl.Int64})

    def ended_by(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Labels of the lives that have ended: `frame` holds `unit`, `at` and `batch_row` of the next rows."""
        seen = pl.concat([self._open, frame.select(self._open.columns).drop_nulls()])
        last = seen.group_by("unit", maintain_order=True).last()
        self._open = last.tail(1)
        return self._labels(last.head(-1))

    def ended_by_the_file(self) -> pl.DataFrame:
        return self._labels(self._open)

    def _labels(self, last: pl.DataFrame) -> pl.DataFrame:
        if self._left is None:
            left = last.with_columns(left=0.0)
        else:
            units = pl.DataFrame({"unit": list(range(1, len(self._left) + 1)), "left": self._left}, schema=LEFT)
            left = last.join(units.filter(pl.col("left").is_finite()), on="unit", maintain_order="left")
        return left.select(
            machine_id=self.machines + "-" + pl.col("unit").cast(pl.String),
            kind=pl.lit("failure"),
            label=pl.lit("end_of_life"),
            started_at=pl.col("at") + pl.duration(hours=pl.col("left").cast(pl.Int64)),
            ended_at=pl.lit(None, KNOWN["ended_at"]),
            batch_row="batch_row",
        )


def _cycles(frame: pl.DataFrame, lives: _Lives) -> Parsed:
    counts, broken = {}, []
    for column in ("unit", "cycle"):
        number, _ = numbers(frame[column])
        whole = (number.is_between(1, 1e6) & (number == number.floor())).fill_null(False)
        reasons = pl.select(pl.when(~whole).then(pl.lit(f"{column}: expected a whole number from 1"))).to_series()
        broken.append(broken_cells(frame, reasons, column=column))
        counts[column] = pl.select(pl.when(whole).then(number)).to_series().cast(pl.Int64)
    values = {}
    for sensor in (*SETTINGS, *SENSORS):
        values[sensor], reasons = numbers(frame[sensor])
        broken.append(broken_cells(frame, reasons, column=sensor))
    rows = frame.select(
        "batch_row",
        unit=counts["unit"],
        at=_at(counts["cycle"]),
        machine_id=lives.machines + "-" + counts["unit"].cast(pl.String),
    ).with_columns(at=pl.when(pl.col("unit").is_not_null()).then(pl.col("at")))
    return Parsed(long_readings(rows, values), lives.ended_by(rows), pl.concat(broken), frame.height)


def _at(cycle: pl.Series) -> pl.Series:
    return pl.select(pl.lit(EPOCH).dt.cast_time_unit("us") + pl.duration(hours=pl.lit(cycle - 1))).to_series()


def _remaining_lives(
    source: str, data_set: str, frames: Iterator[pl.DataFrame], left: dict[str, list[float]]
) -> Iterator[Parsed]:
    """Labels of the cycles left; `left` keeps them for the test file of the same data set."""
    left[data_set] = []
    for frame in frames:
        cycles, _ = numbers(frame["cycles_left"])
        strange = ~(cycles.is_between(0, 1e6) & (cycles == cycles.floor())).fill_null(False)
        reasons = pl.select(pl.when(strange).then(pl.lit("cycles_left: expected a whole number"))).to_series()
        first = len(left[data_set]) + 1
        left[data_set] += cycles.fill_null(float("nan")).to_list()
        labels = (
            frame.select(
                machine_id=pl.format(f"{source}.test_{data_set}-{{}}", pl.int_range(first, first + frame.height)),
                kind=pl.lit("remaining_life"),
                label=pl.format("{}_cycles", cycles.cast(pl.Int64)),
                started_at=pl.lit(EPOCH, KNOWN["started_at"]),
                ended_at=pl.lit(None, KNOWN["ended_at"]),
                batch_row="batch_row",
            )
            .filter(~strange)
            .cast(KNOWN)
        )
        yield Parsed(no_readings(), labels, broken_cells(frame, reasons, column="cycles_left"), frame.height)
