"""`femto`: 17 bearings until they fail on the PRONOSTIA rig (Nectoux et al., IEEE PHM 2012)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from re import Match
from typing import NamedTuple

import polars as pl

from pipelines.importers.containers import Member
from pipelines.importers.layouts import PATTERNS
from pipelines.importers.parsed import READ, FileError, Parsed
from pipelines.importers.text_samples import read_samples
from pipelines.importers.waveforms import Content, Snapshot, read_members
from pipelines.register import Source

LAYOUT = PATTERNS["femto"]
ROWS, RATE_HZ, BEARING = 2_560, 25_600.0, "PRONOSTIA"
SPEEDS_RPM = {"1": 1_800.0, "2": 1_650.0, "3": 1_500.0}
"""By the first digit of the bearing: 4,000 N, 4,200 N and 5,000 N of load."""
EVERY = {"acc": timedelta(seconds=10), "temp": timedelta(minutes=1)}
TEMPERATURES = 600
"""Of a whole temperature file, ten a second; the last of a life is shorter."""
MOST = 4 << 20

EPOCH = datetime(2012, 1, 1, tzinfo=UTC)
"""Day on which every life begins: the data set gives the time of day alone."""
DAY = timedelta(days=1)
NIGHT = timedelta(hours=3)
"""No test begins around this time of day, so the clocks of one life agree on the day it began."""
STALE = timedelta(minutes=1)
"""A clock that falls behind the files before it by more than this stands still."""


class Run(NamedTuple):
    """What the files of a run that were read so far say: the latest beginning, and the clock of the last one."""

    began: timedelta
    clock: timedelta


def read_femto(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read acceleration files as snapshots and temperature files as readings of `temperature_c`.

    A file's time is its own clock, on the day that its number gives: the life began the number of steps before
    (10 s a file, 1 min a temperature file), between 03:00 of `EPOCH` and 03:00 of the day after. So it depends on the
    file alone, and a part of a life gets the times of the whole. Only a clock that repeats that of the file before, or
    has fallen more than `STALE` behind those before it, is not believed: then the number counts on from them, and the
    quality is `uncertain`.

    Machines are `<source>.Bearing1_1` and so on, sensors `horizontal_g` and `vertical_g`.

    Raises:
        FileError: As `read_members`.
    """
    runs: dict[str, Run] = {}

    def read(match: Match[str], member: Member) -> Content:
        kind, bearing = match["kind"], match["bearing"]
        data = member.contents(MOST)
        separator = ";" if b";" in data[:200] else ","
        run = member.name[: match.start("number")]
        if kind == "acc":
            frame = read_samples(data, separator=separator, columns=6, rows=ROWS)
            at, quality = _moment(_clock(frame, 1e-6), match, run, runs)
            return _snapshots(frame, f"{declared.name}.Bearing{bearing}", at, quality, SPEEDS_RPM[bearing[0]])
        frame = read_samples(data, separator=separator, columns=5, rows=None)
        if frame.height > TEMPERATURES:
            raise FileError("wrong_rows", f"expected at most {TEMPERATURES} rows, found {frame.height}")
        at, quality = _moment(_clock(frame, 0.1), match, run, runs)
        return _temperatures(frame, f"{declared.name}.Bearing{bearing}", at, quality)

    return read_members(path, LAYOUT, read)


def _clock(frame: pl.DataFrame, fraction_s: float) -> timedelta:
    """Time of day of the first row."""
    hour, minute, second, fraction = frame.row(0)[:4]
    whole = (hour, minute, second)
    if not all(part == int(part) for part in whole) or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise FileError("wrong_value", f"row 0: the clock is {whole}; expected hour, minute and second")
    if not 0 <= fraction * fraction_s < 1:
        raise FileError("wrong_value", f"row 0: the fraction of the second is {fraction}; expected less than 1 s")
    clock = timedelta(hours=hour, minutes=minute, seconds=second)
    return clock + timedelta(microseconds=round(fraction * fraction_s * 1e6))


def _moment(clock: timedelta, match: Match[str], run: str, runs: dict[str, Run]) -> tuple[datetime, str]:
    """Moment of a file and how far it can be trusted; `runs` holds what the files before it say."""
    number = int(match["number"])
    if number < 1:
        raise FileError("wrong_name", "file numbers start at 1")
    age = (number - 1) * EVERY[match["kind"]]
    start = (clock - age - NIGHT) % DAY + NIGHT
    before = runs.get(run, Run(start, -DAY))
    runs[run] = Run(max(start, before.began), clock)
    if clock == before.clock or before.began - start > STALE:
        return EPOCH + before.began + age, "uncertain"
    return EPOCH + start + age, "good"


def _snapshots(frame: pl.DataFrame, machine_id: str, at: datetime, quality: str, speed_rpm: float) -> Content:
    return Content(
        [
            Snapshot(
                machine_id=machine_id,
                sensor=sensor,
                recorded_at=at,
                signal="vibration",
                sample_rate_hz=RATE_HZ,
                samples=frame[column].to_numpy(),
                speed_rpm=speed_rpm,
                bearing=BEARING,
                quality=quality,
            )
            for sensor, column in (("horizontal_g", "c4"), ("vertical_g", "c5"))
        ]
    )


def _temperatures(frame: pl.DataFrame, machine_id: str, at: datetime, quality: str) -> Content:
    """Each row at its own clock, counted from the first row's: it may cross midnight."""
    tenths = ((pl.col("c0") * 60 + pl.col("c1")) * 60 + pl.col("c2")) * 10 + pl.col("c3")
    later = frame.select((tenths - tenths.first()) % 864_000)["c0"]
    if not later.is_between(0, 36_000).all() or not (later.round() == later).all():
        raise FileError("wrong_value", "the clock of its rows runs more than an hour; expected ten rows a second")
    readings = frame.select(
        machine_id=pl.lit(machine_id),
        sensor=pl.lit("temperature_c"),
        recorded_at=pl.lit(at, READ["recorded_at"]) + pl.lit((later * 100_000).cast(pl.Duration("us"))),
        value="c4",
        quality=pl.lit(quality),
        batch_row=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    return Content(readings=readings, rows=frame.height)
