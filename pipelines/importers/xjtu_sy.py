"""`xjtu-sy`: 15 bearings until they fail, one file a minute (Wang et al., IEEE Trans. Reliability 69, 2020)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from re import Match

from pipelines.importers.containers import Member
from pipelines.importers.layouts import PATTERNS
from pipelines.importers.parsed import FileError, Parsed
from pipelines.importers.text_samples import read_samples
from pipelines.importers.waveforms import Content, Snapshot, read_members
from pipelines.register import Source

LAYOUT = PATTERNS["xjtu-sy"]
HEADER = "Horizontal_vibration_signals,Vertical_vibration_signals"
ROWS, RATE_HZ, BEARING = 32_768, 25_600.0, "UER204"
CONDITIONS = {"1": ("35Hz12kN", 2_100.0), "2": ("37.5Hz11kN", 2_250.0), "3": ("40Hz10kN", 2_400.0)}
"""Folder and shaft speed by the first digit of the bearing."""
EPOCH = datetime(2019, 1, 1, tzinfo=UTC)
"""Minute 1 of every life: the data set gives no time but the number of the file."""
MOST = 8 << 20


def read_xjtu_sy(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read snapshots whose file number is the minute of the life, counted from `EPOCH`.

    Machines are `<source>.Bearing1_1` and so on, sensors `horizontal_g` and `vertical_g`.

    Raises:
        FileError: As `read_members`.
    """

    def read(match: Match[str], member: Member) -> Content:
        bearing, minute = match["bearing"], int(match["number"])
        condition, speed = CONDITIONS[bearing[0]]
        if match["condition"] not in (None, condition):
            told = f"Bearing{bearing} ran at {condition}; found in the folder {match['condition']}"
            raise FileError("wrong_layout", told)
        if minute < 1:
            raise FileError("wrong_name", "file numbers are minutes and start at 1")
        data = member.contents(MOST)
        frame = read_samples(data, separator=",", columns=2, rows=ROWS, header=HEADER, ends=False)
        return Content(
            [
                Snapshot(
                    machine_id=f"{declared.name}.Bearing{bearing}",
                    sensor=sensor,
                    recorded_at=EPOCH + timedelta(minutes=minute - 1),
                    signal="vibration",
                    sample_rate_hz=RATE_HZ,
                    samples=column.to_numpy(),
                    speed_rpm=speed,
                    bearing=BEARING,
                )
                for sensor, column in zip(("horizontal_g", "vertical_g"), frame, strict=True)
            ]
        )

    return read_members(path, LAYOUT, read)
