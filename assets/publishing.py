"""Publishing: the served tables on a server for BI, where one is set. Belongs here: telling what was published."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.partitions import OWNERS
from pipelines.contracts.vocabulary import SERVED
from resources.clock import Clock
from resources.lake import Lake
from resources.serving.interface import Published, ServingError
from resources.serving.timescale import Server
from resources.settings_file import SettingsFileError

SERVER = "timescale"
KEYS = tuple(dg.AssetKey([SERVER, table]) for table in SERVED)
ANSWERS = "server_takes_rows"
SPECS = [
    dg.AssetSpec(
        key,
        group_name="serving",
        deps=[table],
        owners=OWNERS,
        kinds={"postgresql", "timescaledb"},
        description=f"Table `{table}` on the server: in schema `bi` the same rows as in the lake.",
        skippable=True,
    )
    for key, table in zip(KEYS, SERVED, strict=True)
]


@dg.multi_asset(
    name=SERVER,
    specs=SPECS,
    check_specs=[dg.AssetCheckSpec(ANSWERS, asset=KEYS[0], description="The server takes what is published.")],
)
def timescale(lake: Lake, server: Server) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """What changed in the lake since it was last published, one transaction a table; tables without news are left out.

    A server that is away fails the check, not the run: the lake is right without it, and the next run catches up.
    """
    try:
        for published in server.opened().publish(lake, SERVED):
            yield dg.MaterializeResult(asset_key=[SERVER, published.table], metadata=_told(published))
    except (ServingError, SettingsFileError) as error:
        yield dg.AssetCheckResult(
            check_name=ANSWERS, asset_key=KEYS[0], passed=False, description=f"{error}; the next run catches up"
        )
    else:
        yield dg.AssetCheckResult(check_name=ANSWERS, asset_key=KEYS[0], passed=True)


@dg.asset(group_name="maintenance", owners=OWNERS, kinds={"postgresql", "timescaledb"}, pool="maintenance")
def server_retention(server: Server, clock: Clock) -> dg.MaterializeResult[Any]:
    """Chunks on the server that are older than `[serving] keep_days`; none where it is not set."""
    days = server.settings().keep_days
    if days is None:
        return dg.MaterializeResult(metadata={"chunks_dropped": 0})
    dropped = server.opened().drop_before(clock.now() - timedelta(days=days))
    return dg.MaterializeResult(metadata={"chunks_dropped": dropped, "keep_days": days})


def _told(published: Published) -> dict[str, Any]:
    return {
        "rows": published.rows,
        "rows_upserted": published.upserted,
        "rows_deleted": published.deleted,
        "rows_per_second": round(published.rows / max(published.seconds, 1e-6)),
        "seconds": round(published.seconds, 3),
        "version_taken": published.version,
        "whole_table": published.is_whole,
    }
