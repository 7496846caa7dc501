"""Parts of a table written by Polars: what the log says of them is true, and every reader finds every row."""

import json
import math
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.tables import MONDAY, table

from resources.lake import Lake
from resources.part_files import LONGEST, write_parts

VALUES = st.lists(
    st.tuples(st.floats(-1e12, 1e12), st.integers(0, 5 * 86_400_000_000), st.sampled_from(["a", "b" * 64, "pump-1"])),
    min_size=1,
    max_size=8,
)
LONG = "x" * (LONGEST + 1)


def rows_of(values) -> pl.DataFrame:
    rows = [
        {"value": value, "recorded_at": MONDAY + timedelta(microseconds=at), "sensor": sensor, "batch_seq": number}
        for number, (value, at, sensor) in enumerate(values)
    ]
    return table("readings", rows)


@given(VALUES)
@settings(max_examples=40)
def test_what_the_log_says_of_a_part_is_true_of_its_rows(tmp_path_factory, values):
    frame, root = rows_of(values), tmp_path_factory.mktemp("table")
    parts = write_parts(root, frame, partition_by=["source", "day"])
    assert sum(json.loads(part.stats)["numRecords"] for part in parts) == frame.height
    for part in parts:
        read, told = pl.read_parquet(root / part.path, hive_partitioning=False), json.loads(part.stats)
        assert part.size == (root / part.path).stat().st_size
        assert (told["minValues"]["value"], told["maxValues"]["value"]) == (read["value"].min(), read["value"].max())
        ends = [datetime.fromisoformat(told[end]["recorded_at"]) for end in ("minValues", "maxValues")]
        assert ends == [read["recorded_at"].min(), read["recorded_at"].max()]
        assert told["nullCount"] == dict.fromkeys(read.columns, 0)
        assert part.partition_values == {"source": "plant", "day": str(read["recorded_at"][0].date())}


@given(VALUES, st.integers(0, 7))
@settings(max_examples=25)
def test_every_row_is_found_by_its_own_moment_whoever_reads(tmp_path_factory, values, place):
    frame, lake = rows_of(values), Lake(root=str(tmp_path_factory.mktemp("lake")))
    lake.create("readings", frame)
    lake.append("readings", frame, source="plant", batches={"b" * 64: 1})
    at = frame["recorded_at"][place % frame.height]
    expected = frame.filter(pl.col("recorded_at") == at).height
    assert lake.read("readings", where=pl.col("recorded_at") == at).height == expected
    delta = DeltaTable(lake.uri("readings"))
    assert delta.to_pyarrow_table(filters=[("recorded_at", "=", at)]).num_rows == expected
    asked = f"SELECT count(*) FROM read_parquet({delta.file_uris()}) WHERE recorded_at = ?"
    assert duckdb.execute(asked, [at.astimezone(UTC)]).fetchone() == (expected,)


def test_a_long_text_and_bytes_have_no_ends_and_nulls_are_counted(tmp_path):
    frame = pl.concat([table("events", note=LONG), table("events", note=None, event="oil")])
    (part,) = write_parts(tmp_path, frame, partition_by=["source", "day"])
    told = json.loads(part.stats)
    assert "note" not in told["minValues"]
    assert told["nullCount"]["note"] == 1
    (waves,) = write_parts(tmp_path, table("snapshots"), partition_by=["source", "day"])
    assert "samples" not in json.loads(waves.stats)["maxValues"]


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, -1e12])
def test_the_ends_of_numbers_survive_the_log(tmp_path, value):
    (part,) = write_parts(tmp_path, table("readings", value=value), partition_by=["source", "day"])
    told = json.loads(part.stats)["minValues"]["value"]
    assert (told, math.copysign(1, told)) == (value, math.copysign(1, value))
