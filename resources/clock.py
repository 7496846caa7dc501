"""The clock: the one place where the present comes from, so that a day can be lived again."""

from datetime import UTC, datetime

import dagster as dg


class Clock(dg.ConfigurableResource["Clock"]):
    """Present time; `at` holds it still.

    Attributes:
        at: ISO 8601 moment with a zone; empty for the real clock.
    """

    at: str = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at).astimezone(UTC) if self.at else datetime.now(UTC)
