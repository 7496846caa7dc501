"""The statements that make the catalog: views of schema `bi` as the description has them, over the lake's files.

Schema `lake` names the files of each table, every version of a reading among them; `bi` is what people ask. The views
of `bi` are made and commented while `lake` names one empty file a table: a comment binds its view anew, and that opens
all files it stands on.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.contracts.views import VIEWS, View
from pipelines.contracts.vocabulary import SERVED
from resources.lake import Lake
from resources.serving.duckdb_catalog import quoted

FOLDERS = {"source": "VARCHAR", "day": "DATE"}
"""Columns that a table's folders tell."""

# The source follows from the machine and the day from the moment: named too, they let DuckDB leave out the files of
# other sources and days before it looks for the newest versions.
CURRENT = """
QUALIFY row_number() OVER (PARTITION BY source, day, {key} ORDER BY {newest_by} DESC) = 1"""
HOURLY = """
SELECT source, machine_id, sensor,
    make_timestamptz(epoch_us(recorded_at) // 3600000000 * 3600000000) AS hour, -- in UTC, whatever zone the reader has
    count(*) AS n, avg(value) AS mean, stddev_samp(value) AS std, min(value) AS min, max(value) AS max,
    arg_max(value, recorded_at) AS last_value
FROM bi.readings WHERE quality <> 'bad' GROUP BY ALL"""
LATEST = """
SELECT source, machine_id, sensor, newest.recorded_at, newest.value, newest.quality, newest.landed_at FROM (
    SELECT source, machine_id, sensor, arg_max(
        {recorded_at: recorded_at, value: value, quality: quality, landed_at: landed_at}, row(recorded_at, batch_seq)
    ) AS newest
    FROM lake.readings GROUP BY ALL)"""


def statements(lake: Lake) -> Iterator[str]:
    """Everything that a new catalog needs, in this order. The lake is looked at on the way."""
    yield "CREATE SCHEMA bi; CREATE SCHEMA lake"
    empty = {table: _empty_file(VIEWS[table], lake) for table in SERVED}
    for table in SERVED:
        yield _files_view(VIEWS[table], [empty[table]])
    for view in VIEWS.values():
        yield f"CREATE VIEW bi.{view.name} AS {_rows(view)}"
        yield "; ".join(_comments(view))
    for table in SERVED:
        yield _files_view(VIEWS[table], [empty[table], *lake.files(table)])


def _rows(view: View) -> str:
    if view.name == "readings_hourly":
        return HOURLY
    if view.name == "latest_reading":
        return LATEST
    current = CURRENT.format(key=", ".join(view.key), newest_by=view.newest_by) if view.newest_by else ""
    return f"SELECT * FROM lake.{view.name}{current}"


def _comments(view: View) -> Iterator[str]:
    yield f"COMMENT ON VIEW bi.{view.name} IS '{quoted(view.about)}'"
    for column in view.columns:
        yield f"COMMENT ON COLUMN bi.{view.name}.\"{column.name}\" IS '{quoted(column.comment)}'"


def _files_view(view: View, files: list[str]) -> str:
    """Files listed one by one: a reader sees one version, whole, until the next rebuild."""
    names = [column.name for column in view.columns]
    types = ", ".join(f"{name}: {kind}" for name, kind in FOLDERS.items() if name in names)
    listed = ", ".join(f"'{quoted(file)}'" for file in files)
    options = f"union_by_name = true, hive_partitioning = true, hive_types = {{{types}}}"
    columns = ", ".join(f'"{name}"' for name in names)
    rows = f"SELECT {columns} FROM read_parquet([{listed}], {options})"
    return f"CREATE OR REPLACE VIEW lake.{view.name} AS {rows}"


def _empty_file(view: View, lake: Lake) -> str:
    """A file without rows: a view over no file would fail, and one over older files would lack newer columns."""
    columns = {column.name: column.dtype for column in view.columns}
    folders = [f"{name}={value}" for name, value in (("source", "none"), ("day", "1970-01-01")) if name in columns]
    empty = pl.DataFrame(schema={name: dtype for name, dtype in columns.items() if name not in FOLDERS})
    path = Path(lake.root, ".columns", view.name, *folders, "empty.parquet")
    if not path.exists() or pl.read_parquet_schema(path) != empty.schema:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{os.getpid()}.part")
        empty.write_parquet(part)
        part.replace(path)
    return str(path)
