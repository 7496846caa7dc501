"""`bench snapshots`: ten thousand waveforms from their files through the whole graph."""

import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.signal import hilbert

from jobs.bench_row import row
from jobs.importing import import_files
from jobs.running import run_all
from resources.processes import peak_memory_mb

FILES, CHANNELS, SAMPLES, RATE_HZ = 5_000, 2, 2_560, 25_600.0
LIVES = 10


def snapshots() -> list[dict[str, Any]]:
    """Import and features of 10,000 snapshots, beside bare reading, `rfft` and `hilbert` of the same files.

    The files are of FEMTO's layout: two channels of 2,560 samples each. Bare means that the same bytes are read by
    Polars and transformed by SciPy, file by file, and nothing is kept.
    """
    with tempfile.TemporaryDirectory() as scratch:
        archive = _lives(Path(scratch, "lives.zip"))
        bare_s = _bare(archive)
        begun = time.perf_counter()
        root = Path(scratch, "home")
        receipt = import_files(root, dataset="femto", path=archive, source="rig")
        imported_s = time.perf_counter() - begun
        ran = run_all(root, source="rig", day=None, select=None)
        through_s = time.perf_counter() - begun
    assert receipt["snapshots_landed"] == FILES * CHANNELS, receipt
    assert not ran["failures"], ran["failures"]
    count = FILES * CHANNELS
    return [
        row("snapshots, file to lake", count / imported_s, count / bare_s, "snapshots/s", goal=None, met=None),
        row("snapshots, file to decisions", count / through_s, count / bare_s, "snapshots/s", goal=None, met=None),
        row("seconds, file to decisions", through_s, bare_s, "s", goal=None, met=None),
        row("peak memory", peak_memory_mb(), 1024.0, "MB", goal=None, met=None),
    ]


def _lives(path: Path) -> Path:
    """Ten bearings until they fail, 500 files each, as FEMTO packs them."""
    draw = np.random.default_rng(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(FILES):
            life, place = divmod(number, FILES // LIVES)
            second = 9 * 3600 + 10 * place
            level = 0.3 + 2.0 * (place * LIVES / FILES) ** 8
            values = draw.normal(0.0, level, (SAMPLES, CHANNELS)).round(3)
            clock = f"{second // 3600},{second // 60 % 60},{second % 60}"
            lines = [f"{clock},{39.0625 * n:.1f},{h},{v}" for n, (h, v) in enumerate(values.tolist())]
            archive.writestr(
                f"Bearing1_{life % 7 + 1}/acc_{place + 1 + 500 * (life // 7):05}.csv", "\n".join(lines) + "\n"
            )
    return path


def _name(life: int, place: int) -> str:
    """Of the two conditions one has five bearings."""
    return f"Bearing{life // 5 + 1}_{life % 5 + 1}/acc_{place + 1:05}.csv"


def _bare(archive: Path) -> float:
    begun = time.perf_counter()
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            frame = pl.read_csv(opened.read(name), has_header=False)
            signals = frame.to_numpy()[:, -CHANNELS:].T
            np.fft.rfft(signals)
            np.abs(hilbert(signals))
    return time.perf_counter() - begun
