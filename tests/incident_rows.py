"""Incidents as the index takes them, made without a lake; and a process that writes some."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.incidents.incident import INCIDENT
from pipelines.incidents.signature import direction
from resources.incident_index import IncidentIndex, News, Note, Written

DEFINITION = "d1"
START = datetime(2026, 1, 5, tzinfo=UTC)
SENSORS = ("vibration_mm_s", "temperature_c", "pressure_bar", "current_a")


def alarm(number: int) -> str:
    return f"alarm-{number:016x}"


def signature(sensor: str) -> list[float]:
    return list((direction(sensor) / np.sqrt(128)).astype(np.float32))


def rows(numbers: Sequence[int], *, verdict: str = "credible") -> pl.DataFrame:
    """One incident a number, an hour apart; the sensor that led goes round."""
    made = [
        {
            "alarm_id": alarm(number),
            "source": "line",
            "machine_id": f"line.pump-{number % 7}",
            "machine_class": "pump",
            "kind": "anomaly",
            "started_at": START + timedelta(hours=number),
            "last_at": START + timedelta(hours=number + 5),
            "is_open": False,
            "verdict": verdict,
            "confidence": 0.9,
            "failure_mode": None,
            "work_order": None,
            "outcome": None,
            "summary": f"pump anomaly: {SENSORS[number % 4]} high",
            "text": f"pump anomaly: {SENSORS[number % 4]} high. {verdict}. it's 100 %",
            "signature": signature(SENSORS[number % 4]),
        }
        for number in numbers
    ]
    return pl.DataFrame(made, schema=INCIDENT)


def write(
    index: IncidentIndex, numbers: Sequence[int], version: int, *, gone: Sequence[int] | None = (), **told: str
) -> Written:
    """Bring an index up to a version of one table; where there is none, `numbers` are all there are."""

    def compute(note: Note | None) -> News:
        left = None if note is None or gone is None else [alarm(number) for number in gone]
        return News(rows(numbers, **told), left, {"alarms": ("lake", version)})

    return index.bring_up_to_date(compute, definition=DEFINITION)


def main(root: str, act: str) -> None:
    """`killed`: dies between a merge and its note. Else a verdict: a dozen small writes of the same thirty keys."""
    index = IncidentIndex(root=root)
    if act == "killed":
        import resources.incident_index as module

        module.write_json = lambda *_: os._exit(9)  # type: ignore[assignment]
        write(index, range(5, 15), 2)
        return
    for number in range(12):
        write(index, range(number, number + 20), number, verdict=act)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:])
