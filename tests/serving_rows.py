"""Late readings, snapshots and events for homes that a server shows."""

import zipfile
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl
from homes import START, Plant
from numpy.typing import NDArray
from snapshot_files import wav

SIGNALS = """
[sources.rig]
importer = "nasa-ims"

[sources.hood]
importer = "mimii"

[sources.floor]
importer = "azure-pdm"
"""
"""To be declared beside what else a home has, for `land_signals`."""
RATE_HZ, SAMPLES = 20_000, 20_480
OUTER_RACE_HZ = 236.4
"""Line of the ZA-2115 at 2,000 rpm."""


def late(hours: float, *, value: float, sensor: str = "temperature_c", n: int = 3) -> pl.DataFrame:
    """Readings of the pump between those that are there."""
    at = [START + timedelta(hours=hours, minutes=1 + minute) for minute in range(n)]
    frame = pl.DataFrame({"machine_id": "pump-1", "sensor": sensor, "recorded_at": at, "value": value})
    return frame.cast({"recorded_at": pl.Datetime("us", "UTC")})


def land_signals(plant: Plant) -> None:
    """Three snapshots of four bearings, of which the first gets an outer race fault; two clips of a fan; events.

    Machines, each in a source of its own: `rig.test2-bearing1` to 4, `hood.fan-id_00`, `floor.1` and `floor.2`.
    """
    hours = {hour: START + timedelta(hours=hour) for hour in (1, 2, 3)}
    names = {hour: f"2nd_test/{at:%Y.%m.%d.%H.%M.%S}" for hour, at in hours.items()}
    snapshots = {name: _snapshot(hour, is_faulty=hour > 1) for hour, name in names.items()}
    clips = {f"fan/train/normal_id_00_0000000{n}.wav": _clip(n) for n in range(2)}
    failures = "datetime,machineID,failure\n2026-01-05 06:00:00,1,comp2\n"
    repairs = _maintained(*(f"2026-{month}-07 06:00:00" for month in ("01", "02")))
    _land(plant, "rig", "rig.zip", snapshots)
    _land(plant, "hood", "hood.zip", clips)
    _land(plant, "floor", "PdM_failures.csv", failures)
    _land(plant, "floor", "PdM_maint.csv", repairs)


def _land(plant: Plant, source: str, name: str, content: str | Mapping[str, bytes]) -> None:
    path = plant.home.root / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in content.items():
                archive.writestr(member, data)
    plant.materialize(files=[plant.inbox.put(path, source=source)], source=source)
    path.unlink()


def _snapshot(seed: int, *, is_faulty: bool) -> bytes:
    """A file of NASA IMS: noise, and in the first bearing of a faulty one strikes that ring at 4 kHz."""
    signal = np.random.default_rng(seed).normal(0, 0.1, (SAMPLES, 4))
    if is_faulty:
        strikes = np.zeros(SAMPLES)
        strikes[np.arange(0, SAMPLES, RATE_HZ / OUTER_RACE_HZ).astype(int)] = 1.0
        after = np.arange(200)
        signal[:, 0] += np.convolve(strikes, np.exp(-after / 30) * np.sin(after * np.pi * 0.4))[:SAMPLES]
    return _text(signal)


def _text(signal: NDArray[np.float64]) -> bytes:
    return "".join("\t".join(f"{value:.3f}" for value in row) + "\n" for row in signal.tolist()).encode()


def _clip(seed: int) -> bytes:
    return wav(np.random.default_rng(seed).integers(-999, 999, (16_000, 1), np.int16))


def _maintained(*moments: str) -> str:
    return "datetime,machineID,comp\n" + "".join(f"{at},{n},comp{n}\n" for at in moments for n in (1, 2))
