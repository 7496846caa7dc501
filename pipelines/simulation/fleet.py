"""A fleet of any size, all healthy, for any span: for load and latency. The plant with known faults is `plant`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

KINDS = (  # name, unit suffix, level, noise
    ("vibration", "mm_s", 2.0, 0.2),
    ("temperature", "c", 58.0, 1.2),
    ("pressure", "bar", 6.0, 0.12),
    ("current", "a", 42.0, 0.8),
    ("flow", "m3_h", 120.0, 2.5),
    ("power", "kw", 75.0, 1.5),
)
SWING = timedelta(hours=6)  # of load: one period


@dataclass(frozen=True)
class Fleet:
    """Attributes:
    seed: Of everything that is drawn.
    machines: How many.
    sensors: Of each machine.
    """

    seed: int
    machines: int
    sensors: int

    def readings(self, since: datetime, until: datetime, *, step: timedelta) -> pl.DataFrame:
        """What every sensor says from `since` on, once a step, before `until`.

        Same arguments, same readings: noise is drawn from the seed and `since`.

        Returns:
            machine_id, sensor, recorded_at, value; in order of time.
        """
        moments = [since + n * step for n in range(math.ceil((until - since) / step))]
        series = list(self._series())
        drawn = np.random.default_rng([self.seed, int(since.timestamp() * 1e6)])
        noise = drawn.normal(size=(len(moments), len(series)))
        level, sigma, phase = (np.array(column) for column in zip(*(one[2:] for one in series), strict=True))
        load = np.array([[at.timestamp() / SWING.total_seconds()] for at in moments]) + phase
        value = level + sigma * (noise + np.sin(2 * np.pi * load))
        return pl.DataFrame(
            {
                "machine_id": [one[0] for one in series] * len(moments),
                "sensor": [one[1] for one in series] * len(moments),
                "recorded_at": pl.Series(moments, dtype=pl.Datetime("us", "UTC")).repeat_by(len(series)).explode(),
                "value": value.ravel().round(4),
            }
        )

    def _series(self) -> Iterator[tuple[str, str, float, float, float]]:
        """Machine, sensor, level, noise and phase of load; levels differ by machine by a tenth."""
        rng = np.random.default_rng(self.seed)
        for number in range(self.machines):
            phase, scale = rng.uniform(), rng.uniform(0.9, 1.1)
            for place in range(self.sensors):
                name, unit, level, noise = KINDS[place % len(KINDS)]
                turn = place // len(KINDS)
                sensor = f"{name}_{turn + 1}_{unit}" if turn else f"{name}_{unit}"
                yield f"machine-{number + 1:03d}", sensor, level * scale, noise, phase
