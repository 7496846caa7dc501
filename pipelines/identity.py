"""Ids that people refer to: stable hashes, so a recompute names the same thing alike."""

import hashlib
from datetime import datetime


def stable_id(kind: str, *parts: str | datetime) -> str:
    """`<kind>-<16 hex digits>` of the parts.

    Example:
        >>> stable_id("alarm", "plant.pump-1", "anomaly")
        'alarm-3a91a70f0ddfce3d'
    """
    text = "|".join(part.isoformat() if isinstance(part, datetime) else part for part in parts)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
