"""Jobs: which assets run together. Each runs in one process: a step's start costs more than most steps do."""

import dagster as dg

from pipelines.contracts.vocabulary import LANDED, TABLES

GRAPH = tuple(table for table in TABLES if table != "work_orders")
"""Every table that follows from one source."""

INCIDENTS = dg.AssetSelection.assets("incidents")
SERVING = dg.AssetSelection.groups("serving") - INCIDENTS
"""The catalog, and the tables on a server where one is set."""

IMPORT_BATCH = dg.define_asset_job(
    "import_batch",
    dg.AssetSelection.assets(*LANDED),
    description="Land files of one source: readings, labels, events and snapshots, nothing else.",
    executor_def=dg.in_process_executor,
)

MICRO_BATCH = dg.define_asset_job(
    "micro_batch",
    dg.AssetSelection.assets(*GRAPH) | SERVING,
    description="Land what waits for one source and bring everything that follows from it up to date.",
    executor_def=dg.in_process_executor,
)

PLAN = dg.define_asset_job(
    "plan",
    dg.AssetSelection.assets("work_orders") | SERVING | INCIDENTS,
    description="Plan the open work of all sources, and keep the incidents up to date.",
    executor_def=dg.in_process_executor,
)

COMPACT = dg.define_asset_job(
    "compact",
    dg.AssetSelection.assets("compaction"),
    description="Merge the small files of tables that have gathered many commits.",
    executor_def=dg.in_process_executor,
)

CARE = dg.define_asset_job(
    "care",
    dg.AssetSelection.groups("maintenance"),
    description="Compaction, vacuum, retention and pruning, once a day.",
    executor_def=dg.in_process_executor,
)
