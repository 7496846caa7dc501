"""The installation looks after itself: each care is an asset that says what it removed, and no result changes by it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable
from homes import Plant, telemetry

from jobs.runs import Runner
from jobs.schedules import compaction_schedule
from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import LANDED, SERVED, TABLES
from resources.lake_maintenance import LakeMaintenance
from resources.serving.duckdb_catalog import Catalog

DERIVED = tuple(table for table in TABLES if table not in (*LANDED, "work_orders"))


def contents(plant: Plant) -> dict[str, list]:
    """Rows of every table, lineage aside."""
    frames = {table: plant.lake.read(table) for table in TABLES}
    return {
        table: sorted(map(str, frame.drop(lineage_columns(CONTRACTS[table])).rows())) for table, frame in frames.items()
    }


def versions(plant: Plant) -> dict[str, int]:
    return {table: plant.lake.version(table) for table in TABLES}


def lived(plant: Plant) -> None:
    """Two days and some hours in two files: every table has files that it has let go of."""
    whole = telemetry(52).sort("recorded_at")
    for number, piece in enumerate((whole.head(-36), whole.tail(54))):
        plant.materialize(files=[plant.drop(piece, f"{number}.parquet")])


def care(plant: Plant, *, after: timedelta = timedelta(0)) -> dict[str, dict]:
    """Metadata of each care, with the clock so much further on."""
    ran = plant.runner.at((datetime.now(UTC) + after).isoformat()).run("care")
    assert not ran.failures, ran.failures
    return dict(ran.assets)


def test_care_changes_no_row_makes_nobody_compute_anew_and_people_get_the_same_answers(plant):
    lived(plant)
    catalog = Catalog(path=str(plant.home.catalog), lake_root=str(plant.home.lake))
    answers = {table: catalog.query(f"select count(*) from {table}").rows for table in SERVED}
    before = contents(plant)
    told = care(plant)
    assert told["compaction"]["files_merged"] > 5
    assert told["compaction"]["busy"] == []
    assert contents(plant) == before
    assert {table: catalog.query(f"select count(*) from {table}").rows for table in SERVED} == answers
    for table, files in catalog.files().items():
        assert files >= set(plant.lake.files(table)), table
    after = versions(plant)
    plant.materialize()
    assert versions(plant) == after


def test_every_care_says_what_it_removed_and_how_long_it_took(plant):
    told = care(plant)
    assert set(told) == {"compaction", "vacuum", "retention", "prune"}
    for name, facts in told.items():
        assert facts["files_removed"] >= 0, name
        assert facts["bytes_freed"] >= 0, name
        assert facts["seconds"] >= 0, name


def test_a_consumer_whose_feed_was_vacuumed_recomputes_its_source_to_the_same_rows(plant):
    lived(plant)
    plant.materialize(*LANDED, files=[plant.drop(telemetry(53).tail(6), "late.parquet")])
    plant.materialize("machines", "operating_states", "window_features")
    lake_maintenance = LakeMaintenance(root=str(plant.home.lake))
    for table in TABLES:
        lake_maintenance.compact(table)
        DeltaTable(plant.lake.uri(table)).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    taken = plant.lake.take(["window_features"], source="line", consumer="anomaly_scores")
    assert taken.changed == {"window_features": None}  # the feed no longer reaches back
    plant.materialize()
    changed = contents(plant)
    plant.materialize()
    assert contents(plant) == changed

    with dg.DagsterInstance.ephemeral() as instance:
        other = Plant(plant.home.root.with_name("undisturbed"), instance)
        lived(other)
        other.materialize(files=[other.drop(telemetry(53).tail(6), "late.parquet")])
        undisturbed = contents(other)
    assert {table: changed[table] for table in DERIVED} == {table: undisturbed[table] for table in DERIVED}


def test_a_vacuum_leaves_what_the_catalog_lists(plant, monkeypatch):
    lived(plant)
    catalog = Catalog(path=str(plant.home.catalog), lake_root=str(plant.home.lake))
    listed = catalog.files()
    lake_maintenance = LakeMaintenance(root=str(plant.home.lake))
    for table in TABLES:
        lake_maintenance.compact(table)  # the catalog is not built anew
    monkeypatch.setattr("resources.care.SHORTEST_DAYS", 0.0)
    (plant.home.root / "settings.toml").write_text("[care]\nvacuum_grace_days = 1e-5\n")
    time.sleep(1.5)  # the grace is over
    assert care(plant)["vacuum"]["files_removed"] == 0
    assert all(Path(file).exists() for files in listed.values() for file in files)


def test_a_mistake_in_the_settings_fails_the_care_with_its_place(plant):
    (plant.home.root / "settings.toml").write_text("[care]\narchive = 7\n")
    ran = plant.runner.run("care")
    assert ran.failures
    assert all("care.archive is not known" in failure for failure in ran.failures)


def test_originals_and_runs_go_when_the_home_says_so(plant):
    lived(plant)
    (plant.home.root / "settings.toml").write_text("[care]\narchive_days = 365\nrun_days = 30\n")
    assert care(plant)["retention"]["files_removed"] == 0
    told = care(plant, after=timedelta(days=400))
    assert told["retention"]["files_removed"] == 2
    assert told["prune"]["runs"] >= 1
    assert not list(plant.home.root.glob("archive/*/*/*/original*"))


@pytest.mark.parametrize(("commits", "asks"), [(3, False), (2, True)])
def test_the_schedule_asks_where_a_table_has_gathered_many_commits(plant, monkeypatch, commits, asks):
    monkeypatch.setattr("jobs.schedules.EVERY_COMMITS", commits)
    for number in range(2):
        plant.materialize(*LANDED, files=[plant.drop(telemetry(number + 1), f"{number}.parquet")])
    resources = {"lake_maintenance": LakeMaintenance(root=str(plant.home.lake))}
    with dg.build_schedule_context(resources=resources) as context:
        asked = compaction_schedule(context)
    assert isinstance(asked, dg.RunRequest if asks else dg.SkipReason)
    if asks:
        config = asked.run_config
        assert config == {"ops": {"compaction": {"config": {"commits": commits}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            done = (
                Runner(plant.home, instance)
                ._definitions.resolve_job_def("compact")
                .execute_in_process(run_config=config, instance=instance)
            )
        (event,) = done.get_asset_materialization_events()
        assert event.materialization.metadata["tables"].value == ["readings"]
