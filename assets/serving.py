"""Serving: what people query. Belongs here: publishing tables. Does not: computing any."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS
from pipelines.contracts.vocabulary import SERVED
from resources.serving.duckdb_catalog import Catalog


@dg.asset(group_name="serving", deps=SERVED, owners=OWNERS, kinds={"duckdb"})
def catalog(catalog_file: Catalog) -> dg.MaterializeResult[Any]:
    """DuckDB views over the lake's current files, schema `bi`: rebuilt beside the old ones, then put in their place."""
    from pipelines.contracts.views import VIEWS

    catalog_file.rebuild()
    return dg.MaterializeResult(metadata={"views": len(VIEWS), "path": dg.MetadataValue.path(catalog_file.path)})
