"""Late readings for homes that a server shows."""

from datetime import timedelta

import polars as pl
from homes import START


def late(hours: float, *, value: float, sensor: str = "temperature_c", n: int = 3) -> pl.DataFrame:
    """Readings of the pump between those that are there."""
    at = [START + timedelta(hours=hours, minutes=1 + minute) for minute in range(n)]
    frame = pl.DataFrame({"machine_id": "pump-1", "sensor": sensor, "recorded_at": at, "value": value})
    return frame.cast({"recorded_at": pl.Datetime("us", "UTC")})
