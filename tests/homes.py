"""A home with the real graph on it, and readings to put there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from jobs.runs import Runner
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

START = datetime(2026, 1, 5, tzinfo=UTC)


class Plant:
    """A home, its lake and a runner on it."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.home = Home(root)
        self.home.prepare()
        self.instance = instance
        self.runner = Runner(self.home, instance)
        self.lake = Lake(root=str(self.home.lake))
        self.inbox = Inbox(root=str(root))

    def drop(self, frame: pl.DataFrame, name: str, *, source: str = "line") -> str:
        """Put readings into the inbox as a Parquet file; its path below the inbox folder."""
        path = self.home.root / name
        frame.write_parquet(path)
        file = self.inbox.put(path, source=source)
        path.unlink()
        return file

    def materialize(self, *select: str, files: list[str] | None = None, source: str = "line") -> None:
        ran = self.runner.run("micro_batch", source=source, files=files or [], select=select or None)
        assert not ran.failures, ran.failures


def telemetry(hours: int, *, level: float = 50.0, every_min: int = 10, ramp_from: int | None = None) -> pl.DataFrame:
    """Three sensors of one machine with repeatable noise; from `ramp_from` hours on the temperature climbs."""
    n = hours * 60 // every_min
    hour = pl.int_range(n, eager=True) * every_min / 60
    frames = []
    for place, sensor in enumerate(("temperature_c", "current_a", "vibration_mm_s")):
        noise = ((pl.int_range(n, eager=True) * (37 + place)) % 101).cast(pl.Float64) / 101 - 0.5
        climb = (hour - ramp_from).clip(0.0) * 0.5 if ramp_from is not None and place == 0 else hour * 0.0
        frames.append(
            pl.DataFrame(
                {
                    "machine_id": ["pump-1"] * n,
                    "sensor": [sensor] * n,
                    "recorded_at": [START + timedelta(minutes=every_min * i) for i in range(n)],
                    "value": level + noise + climb,
                },
                schema_overrides={"recorded_at": pl.Datetime("us", "UTC")},
            )
        )
    return pl.concat(frames)
