"""`nasa-ims`: four bearings on one shaft until one fails, one file a snapshot (IMS, University of Cincinnati, 2007)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from re import Match

import polars as pl

from pipelines.importers.cells import moments
from pipelines.importers.containers import Member
from pipelines.importers.layouts import PATTERNS
from pipelines.importers.parsed import FileError, Parsed
from pipelines.importers.text_samples import read_samples
from pipelines.importers.waveforms import Content, Snapshot, read_members
from pipelines.register import Source

LAYOUT = PATTERNS["nasa-ims"]
ROWS, RATE_HZ, SPEED_RPM, BEARING = 20_480, 20_000.0, 2_000.0, "ZA-2115"
"""The publisher states 20 kHz; a file holds 1.024 s of it."""
COLUMNS = {1: 8, 2: 4, 3: 4}
"""By test: the first had two accelerometers on each of the four bearings, the others one."""
FOLDERS = {"1st_test": 1, "2nd_test": 2, "3rd_test": 3, "4th_test": 3}
"""The publisher's archive unpacks the third test as `4th_test/txt`."""
THIRD_BEGAN = datetime(2004, 3, 1, tzinfo=UTC)
MOST = 8 << 20
"""Bytes of a file; the real ones have 0.5 or 1.1 MB."""
AXES = ("x_v", "y_v")


def read_nasa_ims(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read snapshots whose file name is the time, in the source's zone; every row is data, none a header.

    The test is told by the folder, else by columns and date; machines are `<source>.test1-bearing1` and so on, with
    `x_v` (and `y_v` in test 1) in volts as recorded. A machine that stands lands like any other.

    Raises:
        FileError: As `read_members`.
    """

    def read(match: Match[str], member: Member) -> Content:
        at = _moment(match["stamp"], declared.zone)
        data = member.contents(MOST)
        test = _test(member.name, at, data)
        frame = read_samples(data, separator="\t", columns=COLUMNS[test], rows=ROWS)
        per_bearing = COLUMNS[test] // 4
        return Content(
            [
                Snapshot(
                    machine_id=f"{declared.name}.test{test}-bearing{number // per_bearing + 1}",
                    sensor=AXES[number % per_bearing],
                    recorded_at=at,
                    signal="vibration",
                    sample_rate_hz=RATE_HZ,
                    samples=column.to_numpy(),
                    speed_rpm=SPEED_RPM,
                    bearing=BEARING,
                )
                for number, column in enumerate(frame)
            ]
        )

    return read_members(path, LAYOUT, read)


def _moment(stamp: str, zone: str) -> datetime:
    text = "{}-{}-{}T{}:{}:{}".format(*stamp.split("."))
    at, why = moments(pl.Series([text]), zone=zone)
    if at[0] is None:
        raise FileError("wrong_name", f"the name is {why[0]}; expected YYYY.MM.DD.HH.MM.SS")
    moment: datetime = at[0]
    return moment


def _test(name: str, at: datetime, data: bytes) -> int:
    folder = next((part for part in name.split("/") if part in FOLDERS), None)
    if folder is not None:
        return FOLDERS[folder]
    columns = data[: 1 << 12].split(b"\n", 1)[0].count(b"\t") + 1
    if columns == COLUMNS[1]:
        return 1
    return 2 if at < THIRD_BEGAN else 3
