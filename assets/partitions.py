"""How the graph is cut: by source. Days are partitions of the lake, not of Dagster (docs/adr/0004)."""

import dagster as dg

SOURCES = dg.DynamicPartitionsDefinition(name="sources")
OWNERS = ["team:reliability"]
