"""`mimii`: sound of machines, normal and not: MIMII, MIMII DUE and DCASE task 2 (Purohit et al., 2019; Hitachi)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from re import Match

from pipelines.importers.containers import Member
from pipelines.importers.layouts import PATTERNS
from pipelines.importers.parsed import FileError, Parsed
from pipelines.importers.wav import Sound, read_wav
from pipelines.importers.waveforms import MOST_FILE, Content, Label, Snapshot, read_members
from pipelines.register import Source

LAYOUT = PATTERNS["mimii"]
EVERY = timedelta(seconds=10)
"""Length of a clip."""
MOST_NUMBER = 3_000_000
"""So many clips fit into the year of their kind."""
FIRST_YEAR = 2011
UNSTATED = datetime(2010, 1, 1, tzinfo=UTC)
"""Time of a clip whose name says nothing."""
MIMII = re.compile(
    r"(^|/)(?P<snr>-?\d{1,2})_dB_\w+/(?P<machine>[A-Za-z]\w*)/(?P<id>id_\d+)/(?P<label>normal|abnormal)/"
    r"(?P<number>\d+)\.wav$",
    re.ASCII,
)
DCASE_2020 = re.compile(
    r"(^|/)(?P<machine>[A-Za-z]\w*)/(?P<split>train|test)/(?P<label>normal|anomaly)_(?P<id>id_\d+)_(?P<number>\d+)\.wav$",
    re.ASCII,
)
DUE = re.compile(
    r"(^|/)(?P<machine>[A-Za-z]\w*)/\w+/(?P<id>section_\d+)_(?P<domain>source|target)_(?P<split>train|test)_"
    r"(?P<label>normal|anomaly)_(?P<number>\d+)(_[\w.-]*)?\.wav$",
    re.ASCII,
)
OPEN = re.compile(r"(^|/)((normal|anomaly)_id_\d+_|section_\d+_\w*?_)?\d+\.wav$", re.ASCII)
"""Names of clips that mean nothing without their folders: the same stand under every machine and level of noise."""
LABELS = {"normal": "normal", "abnormal": "abnormal", "anomaly": "abnormal"}
PERIODS = {("normal", "train"): 0, ("normal", "test"): 1, ("abnormal", "test"): 2, ("abnormal", "train"): 3}
"""Years after `FIRST_YEAR`: normal clips for training come first, abnormal ones last; MIMII names no split."""
TARGET = 4
"""Further years of clips from the target domain."""


@dataclass(frozen=True)
class Clip:
    """What the name of a file says."""

    machine: str
    recorded_at: datetime
    label: str | None


def read_mimii(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read clips as snapshots `mono_fs` or `channel_1_fs` and on, in shares of full scale; label to the labels.

    Machines are `<source>.fan-id_00-6dB` by the folders, without a level where the data set has none. No time is
    given: the clip number counts steps of 10 s from the beginning of a year of its kind (`PERIODS`), so that normal
    and abnormal clips of the same number do not meet. A clip of another name lands at `UNSTATED` under a machine named
    as the file, without label; one of these names outside its folders is refused, because it would be taken for
    another machine's.

    Raises:
        FileError: As `read_members`.
    """

    unnamed: set[str] = set()
    above = f"{path.stem}/" if path.suffix.lower() == ".zip" else ""  # the publisher's zips alone tell the level

    def read(_: Match[str], member: Member) -> Content:
        clip = read_name(above + member.name)
        if clip.label is None:
            _refuse_second(clip.machine, unnamed)
        sound = read_wav(member.contents(MOST_FILE))
        machine = f"{declared.name}.{clip.machine}"
        length = timedelta(seconds=sound.samples.shape[1] / sound.sample_rate_hz)
        ended = clip.recorded_at + length
        labels = [Label(machine, "sound", clip.label, clip.recorded_at, ended)] if clip.label else []
        return Content(_snapshots(machine, clip.recorded_at, sound), labels)

    return read_members(path, LAYOUT, read)


def read_name(name: str) -> Clip:
    """Machine, time and label of a clip by its path.

    Raises:
        FileError: The number is beyond those that have a time, or the folders are missing that tell the machine.

    Example:
        >>> read_name("6_dB_fan/fan/id_00/abnormal/00000007.wav")  # doctest: +ELLIPSIS
        Clip(machine='fan-id_00-6dB', recorded_at=datetime.datetime(2013, 1, 1, 0, 1, 10, ...), label='abnormal')
    """
    match = MIMII.search(name) or DCASE_2020.search(name) or DUE.search(name)
    if match is None:
        if OPEN.search(name):
            told = "these folders do not tell the machine; expected files such as"
            raise FileError("wrong_name", f"{name[-80:]!r}: {told} {LAYOUT.expected}")
        return Clip(_named(name), UNSTATED, None)
    said = match.groupdict()
    number = int(said["number"][:12])
    if number > MOST_NUMBER:
        raise FileError("wrong_name", f"clip number {said['number'][:20]}; expected at most {MOST_NUMBER}")
    label = LABELS[said["label"]]
    split = said.get("split") or ("train" if label == "normal" else "test")
    year = FIRST_YEAR + PERIODS[label, split] + (TARGET if said.get("domain") == "target" else 0)
    level = f"-{said['snr']}dB" if "snr" in said else ""
    return Clip(f"{said['machine']}-{said['id']}{level}", datetime(year, 1, 1, tzinfo=UTC) + number * EVERY, label)


def _named(name: str) -> str:
    """A machine named as the file alone: where its folder lies must not make another one of it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", PurePosixPath(name).stem)


def _refuse_second(machine: str, unnamed: set[str]) -> None:
    if machine in unnamed:
        raise FileError("wrong_name", f"a second clip called {machine!r}, and nothing tells them apart; rename it")
    unnamed.add(machine)


def _snapshots(machine: str, at: datetime, sound: Sound) -> list[Snapshot]:
    count = len(sound.samples)
    return [
        Snapshot(
            machine_id=machine,
            sensor="mono_fs" if count == 1 else f"channel_{number}_fs",
            recorded_at=at,
            signal="sound",
            sample_rate_hz=sound.sample_rate_hz,
            samples=channel,
            scale=sound.scale,
        )
        for number, channel in enumerate(sound.samples, 1)
    ]
