"""Serving: what people query. Belongs here: publishing tables. Does not: computing any."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS
from resources.catalog import Catalog

TABLES = (
    "readings",
    "labels",
    "machines",
    "window_features",
    "anomaly_scores",
    "alarms",
    "verdicts",
    "health_index",
    "forecasts",
    "decisions",
    "work_orders",
)


@dg.asset(group_name="serving", deps=TABLES, owners=OWNERS, kinds={"duckdb"})
def catalog(catalog_file: Catalog) -> dg.MaterializeResult[Any]:
    """DuckDB views over the lake's current files, schema `bi`: rebuilt beside the old ones, then put in their place."""
    catalog_file.rebuild(TABLES)
    return dg.MaterializeResult(metadata={"views": len(TABLES), "path": dg.MetadataValue.path(catalog_file.path)})
