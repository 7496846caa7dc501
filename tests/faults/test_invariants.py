"""The checker of this suite finds what it is there to find: each breach is planted in a home that is well."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from faults.invariants import Findings, Put, examine
from faults.ledger import Ledger
from faults.story import HOT, content, copied, expected, put
from homes import START

from resources.home import Home
from resources.lake import Lake

ONE = f"sensor = 'current_a' AND recorded_at = '{START + timedelta(hours=5):%FT%TZ}'"


def lost_row(home: Home) -> None:
    DeltaTable(f"{home.lake}/readings").delete(ONE)


def doubled_row(home: Home) -> None:
    rows = Lake(root=str(home.lake)).read("readings").head(1)
    again = rows.with_columns(batch_seq=pl.col("batch_seq") + 1)
    write_deltalake(f"{home.lake}/readings", again.to_arrow(), mode="append")


def changed_value(home: Home) -> None:
    DeltaTable(f"{home.lake}/readings").update(updates={"value": "7.0"}, predicate=ONE)


def changed_feature(home: Home) -> None:
    DeltaTable(f"{home.lake}/window_features").update(updates={"mean": "7.0"}, predicate=ONE)


def cut_lake_file(home: Home) -> None:
    file = Path(Lake(root=str(home.lake)).files("alarms")[0])
    file.write_bytes(file.read_bytes()[:100])


def missing_original(home: Home) -> None:
    next(home.root.glob("archive/line/*/*/original.parquet")).unlink()


def altered_original(home: Home) -> None:
    next(home.root.glob("archive/line/*/*/original.parquet")).write_bytes(b"other")


def file_nowhere(home: Home) -> None:
    shutil.rmtree(home.root / "archive")


def file_left_in_the_inbox(home: Home) -> None:
    shutil.copy(next(home.root.glob("archive/line/*/*/original.parquet")), home.landing / "line" / "again.parquet")


def temporary_file(home: Home) -> None:
    (home.root / ".tables.json.999999999").write_text("half")


def part_of_a_catalog(home: Home) -> None:
    (home.root / "catalog.duckdb.999999999.part").write_text("half")


def started_run(home: Home) -> None:
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        run = dg.DagsterRun("micro_batch", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)


def held_slot(home: Home) -> None:
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        instance.event_log_storage.set_concurrency_slots("plan", 1)
        instance.event_log_storage.claim_concurrency_slot("plan", "a-run", "work_orders")


def receipt_that_does_not_balance(home: Home) -> None:
    counts = {"rows_read": 3, "rows_landed": 1, "rows_duplicate": 1, "rows_quarantined": 0, "rows_empty": 0}
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("readings", partition="line", metadata=counts))


def no_catalog(home: Home) -> None:
    home.catalog.unlink()


def stale_catalog(home: Home) -> None:
    lake = Lake(root=str(home.lake))
    write_deltalake(lake.uri("labels"), lake.read("labels").to_arrow(), mode="append")
    machines = lake.read("machines").with_columns(machine_id=pl.lit("line.pump-2"))
    write_deltalake(lake.uri("machines"), machines.to_arrow(), mode="append")


PLANTED: tuple[tuple[Callable[[Home], None], str, int, int], ...] = (
    (lost_row, "keys are lost: machine_id line.pump-1, sensor current_a", 1, 0),
    (doubled_row, "say what was said before", 0, 1),
    (changed_value, "another value than was sent last", 0, 0),
    (changed_feature, "window_features differs from a recompute", 0, 0),
    (cut_lake_file, "cannot be read", 0, 0),
    (missing_original, "the original of", 1, 0),
    (altered_original, "missing or altered", 1, 0),
    (file_nowhere, "is in no archive, quarantine or inbox", 1, 0),
    (file_left_in_the_inbox, "still holds", 0, 0),
    (temporary_file, "a temporary file is left: .tables.json.999999999", 0, 0),
    (part_of_a_catalog, "a temporary file is left: catalog.duckdb", 0, 0),
    (started_run, "of micro_batch is left STARTED", 0, 0),
    (held_slot, "pool plan: slots are held by runs ['a-run']", 0, 0),
    (receipt_that_does_not_balance, "3 rows read", 0, 0),
    (no_catalog, "there is no catalog", 0, 0),
    (stale_catalog, "catalog: machines is not what the lake says", 0, 0),
)


def told(before: Path) -> Put:
    return put(before / "hot.parquet", readings=expected(HOT))


def test_a_home_that_is_well_breaks_no_rule(before):
    assert examine(before / "done", told(before), twin=before / "done").breaches == ()


@pytest.mark.parametrize(("plant", "says", "lost", "doubled"), PLANTED, ids=[case[0].__name__ for case in PLANTED])
def test_a_planted_breach_is_found_and_told(plant, says, lost, doubled, before, tmp_path):
    copied(before / "done", tmp_path / "home")
    plant(Home(tmp_path / "home"))
    found = examine(tmp_path / "home", told(before), twin=before / "done")
    assert any(says in breach for breach in found.breaches), found
    assert (found.lost >= lost, found.doubled >= doubled) == (True, True), found


def test_a_row_that_only_the_twin_has_is_lost(before, tmp_path):
    copied(before / "done", tmp_path / "home")
    lost_row(Home(tmp_path / "home"))
    found = examine(tmp_path / "home", Put({"line": {content(before / "hot.parquet")}}), twin=before / "done")
    assert found.lost == 1
    assert "rows of an undisturbed twin are lost" in found.breaches[0]


def test_the_table_adds_tries_up_and_says_where_nobody_healed():
    ledger = Ledger()
    ledger.note("b", Findings(0, 0, ()))
    ledger.note("a", Findings(2, 1, ("a row is gone",)))
    ledger.note("a", Findings(0, 0, ()))
    assert ledger.rendered().splitlines()[-2:] == ["| a | 2 | 2 | 1 | not in 1 |", "| b | 1 | 0 | 0 | yes |"]
