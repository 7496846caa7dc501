"""`smartmaint simulate`: a fleet that sends its readings now, file by file, into the inbox of a home."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from jobs.failures import CommandError
from pipelines.register import Source
from pipelines.simulation.fleet import Fleet
from resources.home import Home
from resources.inbox import SOURCE, part_in
from resources.register import RegisterFile

HISTORY_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Feed:
    """How a fleet sends.

    Attributes:
        source: Name of the data in the home.
        rate_hz: Readings of each sensor in a second.
        seconds: How long.
        batch_seconds: Of one file.
        history_hours: Of the past, one reading a minute, in one file before all others; declared as healthy.
    """

    source: str = "fleet"
    rate_hz: float = 1.0
    seconds: float = 60.0
    batch_seconds: float = 1.0
    history_hours: float = 0.0


@dataclass(frozen=True)
class Sent:
    """One file that has landed.

    Attributes:
        readings: How many.
        newest: Moment of the last of them.
        landed_at: When it was renamed into the inbox.
        is_late: It came more than one file's time after its end: this machine cannot keep up.
    """

    readings: int
    newest: datetime
    landed_at: datetime
    is_late: bool = False


def simulate(root: Path, fleet: Fleet, feed: Feed) -> dict[str, Any]:
    """Send what was asked for, history first.

    Returns:
        `source`, `files`, `readings`, `files_late`, `seconds`.
    Raises:
        CommandError: No source name, or a file shorter than the time between two readings.
        HomeError: The home cannot be used.
        RegisterError: The register is broken, or declares the source in another format.
    """
    if not SOURCE.fullmatch(feed.source):
        raise CommandError(f"source is {feed.source!r}; expected lower-case letters, digits and -, such as line-1")
    if feed.rate_hz * feed.batch_seconds < 1:
        raise CommandError(
            f"a file of {feed.batch_seconds:g} s holds no reading at {feed.rate_hz:g} Hz; raise --batch-seconds"
        )
    Home(root).prepare()
    begun = time.monotonic()
    files = [send_history(root, fleet, feed)] if feed.history_hours else []
    files += send(root, fleet, feed)
    return {
        "source": feed.source,
        "files": len(files),
        "readings": sum(file.readings for file in files),
        "files_late": sum(file.is_late for file in files),
        "seconds": round(time.monotonic() - begun, 1),
    }


def send(root: Path, fleet: Fleet, feed: Feed) -> Iterator[Sent]:
    """Land one file after the other in a prepared home, each when its time is over, stamped with the present."""
    step, length = timedelta(seconds=1 / feed.rate_hz), timedelta(seconds=feed.batch_seconds)
    since = datetime.now(UTC)
    for _ in range(round(feed.seconds / feed.batch_seconds)):
        until = since + length
        time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        readings = fleet.readings(since, until, step=step)
        landed_at = _land(readings, root, feed.source, f"{since:%Y%m%dT%H%M%S.%f}")
        yield Sent(readings.height, readings["recorded_at"][-1], landed_at, landed_at - until > length)
        since = until


def send_history(root: Path, fleet: Fleet, feed: Feed) -> Sent:
    """Land the past in one file, and declare it as the span in which the fleet is known to be healthy.

    A source that is declared already stays as it is.
    """
    until = datetime.now(UTC).replace(second=0, microsecond=0)
    since = until - timedelta(hours=feed.history_hours)
    home = Home(root)
    register = RegisterFile(machines=str(home.machines), crew=str(home.crew))
    register.declare_source(Source(feed.source, "readings", healthy=(since, until)))
    history = fleet.readings(since, until, step=HISTORY_STEP)
    landed_at = _land(history, root, feed.source, f"{since:%Y%m%dT%H%M%S}-history")
    return Sent(history.height, history["recorded_at"][-1], landed_at)


def _land(readings: pl.DataFrame, root: Path, source: str, name: str) -> datetime:
    """Put a file into the inbox, whole; when that was."""
    folder = Home(root).landing / source
    folder.mkdir(exist_ok=True)
    part = part_in(folder)
    readings.write_parquet(part)
    part.rename(folder / f"{name}.parquet")
    return datetime.now(UTC)
