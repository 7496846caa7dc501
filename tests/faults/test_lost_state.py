"""Dagster's own memory is lost: cursors, ticks, runs, the list of sources. The lake alone says what is done."""

import os
import shutil
from datetime import timedelta

import polars as pl
import pytest
from faults.invariants import examine
from faults.story import DAY, HOT, LONG_AGO_S, SLOW, copied, expected, put
from homes import START, telemetry

from pipelines.contracts.vocabulary import TABLES
from resources.inbox import Inbox
from resources.lake import Lake

PLACES = ("dagster/schedules", "dagster/history", "catalog.duckdb", "models")
LATER = telemetry(62, every_min=30, ramp_from=24).filter(pl.col("recorded_at") >= START + timedelta(hours=60))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lost", ["dagster", *(pytest.param(place, marks=SLOW) for place in PLACES)])
def test_what_is_lost_is_made_again_and_nothing_lands_twice(lost, before, tmp_path, warm, twins, ledger):
    home = copied(before / "done", tmp_path / "home")
    lake = Lake(root=str(home / "lake"))
    place = home / lost
    place.unlink() if place.is_file() else shutil.rmtree(place)
    versions = {table: lake.version(table) for table in TABLES}
    again = home / "landing" / "line" / "sent-again.parquet"
    shutil.copy(before / "hot.parquet", again)
    os.utime(again, (LONG_AGO_S, LONG_AGO_S))  # nobody writes to it any more
    file = tmp_path / "later.parquet"
    LATER.write_parquet(file)
    done = warm.smartmaint(home, "run", "--day", DAY)
    assert done.status == 0, done.output
    assert {table: lake.version(table) for table in TABLES} == versions, "what is done was done again"
    arrived = home / "landing" / Inbox(root=str(home)).put(file, source="line")
    os.utime(arrived, (LONG_AGO_S, LONG_AGO_S))  # nobody writes to it any more
    done = warm.smartmaint(home, "run", "--day", DAY)
    assert done.status == 0, done.output
    told = put(before / "hot.parquet", file, readings=expected(HOT, LATER))
    findings = examine(home, told, twin=twins.of(home))
    ledger.note("cursors, ticks, runs, catalog or models deleted", findings)
    assert findings.breaches == ()
