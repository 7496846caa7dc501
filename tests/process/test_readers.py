"""Readers never notice: landing, replacing, compaction and vacuum go on, and every answer is whole."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from homes import START, Plant

from pipelines.contracts.vocabulary import LANDED, TABLES
from resources.lake_maintenance import LakeMaintenance
from resources.serving import duckdb_catalog as catalog_module
from resources.serving.duckdb_catalog import Catalog

pytestmark = pytest.mark.process
GRACE = timedelta(seconds=8)
TABLES_READ = ("readings", "window_features")
FOLLOWED = (*LANDED, "machines", "operating_states", "window_features", "catalog")

READER = """
import json, sys, time
from pathlib import Path
import duckdb, polars as pl
kind, home, table, key = sys.argv[1:]
stop, queries, counts, faults = Path(home) / "stop", 0, [], []

def by_catalog():
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home}/catalog.duckdb' AS c (READ_ONLY)")
        return connection.execute(f"SELECT count(*), count(DISTINCT ({key})) FROM c.bi.{table}").fetchone()

def by_scan():
    rows = pl.scan_delta(f"{home}/lake/{table}").select(key.split(", ")).collect()
    return rows.height, rows.n_unique()

def by_python():
    from resources.serving.duckdb_catalog import Catalog
    answer = Catalog(path=f"{home}/catalog.duckdb", lake_root=f"{home}/lake").query(
        f"SELECT count(*), count(DISTINCT ({key})) FROM {table}")
    return answer.rows[0]

read = {"catalog": by_catalog, "scan": by_scan, "sql": by_python}[kind]
while not stop.exists():
    try:
        rows, keys = read()
    except Exception as error:
        faults.append(f"error: {type(error).__name__}: {error}"[:400])
        time.sleep(0.2)
        continue
    queries += 1
    if rows != keys:
        faults.append(f"doubled: {rows} rows of {keys} keys")
    if counts and rows < counts[-1]:
        faults.append(f"missing: {rows} rows after {counts[-1]}")
    counts.append(rows)
    time.sleep(0.05)
print(json.dumps({"queries": queries, "faults": faults, "first": counts[:1], "last": counts[-1:]}))
"""
KEYS = {
    ("catalog", "readings"): "machine_id, sensor, recorded_at",
    ("sql", "window_features"): "machine_id, sensor, recorded_at",
    ("scan", "readings"): "machine_id, sensor, recorded_at, batch_seq",
    ("scan", "window_features"): "machine_id, sensor, recorded_at",
}


@contextmanager
def readers(home: Path) -> Iterator[list[dict]]:
    """Four processes that query without a pause; what they saw is in the list afterwards."""
    seen: list[dict] = []
    repository = Path(__file__).resolve().parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", READER, kind, str(home), table, key],
            stdout=subprocess.PIPE, text=True, cwd=repository, env=os.environ | {"POLARS_MAX_THREADS": "1"},
        )
        for (kind, table), key in KEYS.items()
    ]  # fmt: skip
    try:
        yield seen
    finally:
        (home / "stop").touch()
        for process in processes:
            out, _ = process.communicate(timeout=60)
            seen.append(json.loads(out))


def readings(batch: int) -> pl.DataFrame:
    """Ten minutes of three machines, and a correction of the ten minutes before them."""
    first = START + timedelta(minutes=10 * batch)
    rows = [
        (f"pump-{machine}", "temperature_c", first + timedelta(minutes=minute), 50.0 + minute + batch % 7)
        for machine in range(3)
        for minute in range(-10 if batch else 0, 10)
    ]
    schema = {
        "machine_id": pl.String,
        "sensor": pl.String,
        "recorded_at": pl.Datetime("us", "UTC"),
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema, orient="row")


def live(plant: Plant, *, seconds: float) -> dict[str, int]:
    """Land, replace, compact and vacuum without a pause; how often each."""
    catalog = Catalog(path=str(plant.home.catalog), lake_root=str(plant.home.lake))
    maintenance = LakeMaintenance(root=str(plant.home.lake))
    end, done = time.monotonic() + seconds, {"landed": 0, "merged": 0, "vacuumed": 0}
    while time.monotonic() < end:
        file = plant.drop(readings(done["landed"]), f"{done['landed']}.parquet")
        plant.materialize(*FOLLOWED, files=[file])
        done["landed"] += 1
        if done["landed"] % 5 == 0:
            done["merged"] += sum(maintenance.compact(table)["files_merged"] for table in TABLES_READ)
        if done["landed"] % 3 == 0:
            now = datetime.now(UTC)
            removed = [
                maintenance.vacuum(table, grace=GRACE, now=now, read_since=catalog.read_since(now)) for table in TABLES
            ]
            done["vacuumed"] += sum(each.files for each in removed)
    return done


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", [30.0, pytest.param(600.0, marks=pytest.mark.slow)], ids=["short", "ten minutes"])
def test_four_readers_see_no_error_no_duplicate_and_no_missing_row(tmp_path, monkeypatch, seconds, capsys):
    monkeypatch.setattr(catalog_module, "LONGEST_QUERY", GRACE / 4)
    with dg.DagsterInstance.ephemeral() as instance:
        plant = Plant(tmp_path / "home", instance)
        Catalog(path=str(plant.home.catalog), lake_root=str(plant.home.lake)).rebuild()
        with readers(plant.home.root) as seen:
            done = live(plant, seconds=seconds)
    with capsys.disabled():
        print(f"\n{done}, {[(one['queries'], one['first'], one['last']) for one in seen]}")  # noqa: T201
    assert min(done.values()) > 0
    assert [one["faults"] for one in seen] == [[]] * 4
    assert all(one["queries"] > 20 for one in seen)
    assert all(one["last"][0] > one["first"][0] for one in seen)
