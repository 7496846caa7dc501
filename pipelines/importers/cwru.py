"""`cwru`: bearings with seeded faults on a motor test rig (Case Western Reserve University Bearing Data Center)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from re import Match
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.importers.containers import Member
from pipelines.importers.layouts import PATTERNS
from pipelines.importers.mat5 import read_mat
from pipelines.importers.parsed import FileError, Parsed
from pipelines.importers.waveforms import MOST_FILE, Content, Label, Snapshot, read_members
from pipelines.register import Source

LAYOUT = PATTERNS["cwru"]
VARIABLE = re.compile(r"X(?P<number>\d{1,4})_?(?P<what>DE_time|FE_time|BA_time|RPM)")
CHANNELS = {
    "DE_time": ("drive_end_g", "6205-2RS"),
    "FE_time": ("fan_end_g", "6203-2RS"),
    "BA_time": ("base_g", None),
}
"""Sensor and the bearing beside it."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Minute 0: the data set gives no time of measurement, so file 105 is minute 105."""
RATE_HZ, FAST_HZ = 12_000.0, 48_000.0
FAST = re.compile(r"48k", re.IGNORECASE)
NUMBERED = re.compile(r"(^|[/_])(?P<number>\d{1,4})\.mat$", re.ASCII | re.IGNORECASE)
NAMED = re.compile(r"(^|/)(?P<part>IR|OR|B)(?P<mils>\d{3})(@(?P<hour>3|6|12))?(_\d+)?\.mat$", re.IGNORECASE)
NORMAL = re.compile(r"(^|/)normal([^a-z]|$)", re.IGNORECASE)
PARTS = {"IR": "inner_race", "OR": "outer_race", "B": "ball"}
NORMAL_NUMBERS = range(97, 101)
SLOW_DRIVE_END = {
    range(105, 109): "IR007",
    range(118, 122): "B007",
    range(130, 134): "OR007@6",
    range(144, 148): "OR007@3",
    range(156, 161): "OR007@12",
    range(169, 173): "IR014",
    range(185, 189): "B014",
    range(197, 201): "OR014@6",
    range(209, 213): "IR021",
    range(222, 226): "B021",
    range(234, 238): "OR021@6",
    range(246, 250): "OR021@3",
    range(258, 262): "OR021@12",
    range(3001, 3005): "IR028",
    range(3005, 3009): "B028",
}
"""Faults of the 12 kHz drive-end files by the publisher's file number."""
FAST_DRIVE_END = {
    range(109, 113): "IR007",
    range(122, 126): "B007",
    range(135, 139): "OR007@6",
    range(148, 152): "OR007@3",
    range(161, 165): "OR007@12",
    range(173, 178): "IR014",  # the variables of file 174 are called X173
    range(189, 193): "B014",
    range(201, 205): "OR014@6",
    range(213, 218): "IR021",
    range(226, 230): "B021",
    range(238, 242): "OR021@6",
    range(250, 254): "OR021@3",
    range(262, 266): "OR021@12",
}
"""The same of the 48 kHz drive-end files."""
FAN_END_NUMBERS = range(270, 319)
"""Files of faults at the fan end, all at 12 kHz."""


def read_cwru(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read recordings of up to three accelerometers in g; the publisher's number inside the file is the machine.

    Machines are `<source>.105` and so on; time is `EPOCH` and as many minutes. The publisher's number tells the rate,
    12 or 48 kHz. Where it does not, it is 48 kHz where a folder or the file says 48k, else 12 kHz with quality
    `uncertain`; so are the normal baselines, for which the publisher states 12 kHz and many take 48. Fault and size go
    to the labels, told by the file's name (`OR007@6_0.mat`) or the publisher's number.

    Some files hold a second recording, left over from the file before: 99.mat holds 098 too, without its speed. Of a
    file whose name gives the number, only that one lands; of any other the last one, and those whose speed is there.
    What is left out stands in the file of its own number.

    Raises:
        FileError: As `read_members`.
    """

    def read(_: Match[str], member: Member) -> Content:
        recordings = _recordings(read_mat(member.contents(MOST_FILE)))
        snapshots, labels = [], []
        for number, variables in _own(recordings, member.name).items():
            taken, known = _content(declared.name, member.name, number, variables)
            snapshots += taken
            labels += known
        return Content(snapshots, labels)

    return read_members(path, LAYOUT, read)


Variables = dict[str, NDArray[Any]]


def _recordings(arrays: Variables) -> dict[int, Variables]:
    """Variables by the publisher's number: some files hold two recordings."""
    found: dict[int, Variables] = {}
    for name, values in arrays.items():
        match = VARIABLE.fullmatch(name)
        if match and values.size:
            found.setdefault(int(match["number"]), {})[match["what"]] = values
    found = {number: variables for number, variables in found.items() if set(variables) & set(CHANNELS)}
    if not found:
        names = sorted(arrays)[:5]
        raise FileError("wrong_columns", f"expected variables such as X105_DE_time and X105RPM, found {names}")
    return found


def _own(recordings: dict[int, Variables], name: str) -> dict[int, Variables]:
    """Recordings that belong to a file: one from another would correct what its own file says of its speed."""
    named = NUMBERED.search(name)
    if named and (number := int(named["number"])) in recordings:
        return {number: recordings[number]}
    last = max(recordings)
    return {number: found for number, found in recordings.items() if number == last or "RPM" in found}


def _content(source: str, name: str, number: int, variables: Variables) -> tuple[list[Snapshot], list[Label]]:
    machine, at = f"{source}.{number:03d}", EPOCH + timedelta(minutes=number)
    is_normal = number in NORMAL_NUMBERS or (NORMAL.search(name) is not None and NAMED.search(name) is None)
    rate, quality = _rate(name, number)
    speed = float(variables["RPM"][0]) if "RPM" in variables else None
    snapshots = [
        Snapshot(
            machine_id=machine,
            sensor=sensor,
            recorded_at=at,
            signal="vibration",
            sample_rate_hz=rate,
            samples=variables[what].astype(np.float64),
            speed_rpm=speed,
            bearing=bearing,
            quality=quality,
        )
        for what, (sensor, bearing) in CHANNELS.items()
        if what in variables
    ]
    ended = at + timedelta(seconds=max(taken.samples.size for taken in snapshots) / rate)
    fault = "normal" if is_normal else _fault(name, number)
    return snapshots, [Label(machine, "fault", fault, at, ended)] if fault else []


def _rate(name: str, number: int) -> tuple[float, str]:
    """Samples per second and how far they can be trusted."""
    if any(number in numbers for numbers in FAST_DRIVE_END):
        return FAST_HZ, "good"
    if number in FAN_END_NUMBERS or any(number in numbers for numbers in SLOW_DRIVE_END):
        return RATE_HZ, "good"
    return (FAST_HZ, "good") if FAST.search(name) else (RATE_HZ, "uncertain")


def _fault(name: str, number: int) -> str | None:
    """Part, size in inches and place of the fault, such as `outer_race_0.007in_6h`; None where nothing tells it."""
    faults = (SLOW_DRIVE_END | FAST_DRIVE_END).items()
    known = next((word for numbers, word in faults if number in numbers), "")
    match = NAMED.search(name) or NAMED.search(f"{known}.mat")
    if match is None:
        return None
    place = f"_{match['hour']}h" if match["hour"] else ""
    return f"{PARTS[match['part'].upper()]}_0.{match['mils']}in{place}"
