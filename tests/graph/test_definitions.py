"""What the graph consists of. A change here is a change users see: make it on purpose."""

import subprocess
import sys

import dagster as dg

from jobs.definitions import build_definitions
from resources.home import Home

ASSETS = {
    "readings": "acquisition",
    "labels": "acquisition",
    "events": "acquisition",
    "snapshots": "acquisition",
    "machines": "acquisition",
    "vibration_features": "manipulation",
    "sound_features": "manipulation",
    "operating_states": "manipulation",
    "window_features": "manipulation",
    "baselines": "detection",
    "outages": "detection",
    "data_quality": "detection",
    "exceedances": "detection",
    "anomaly_scores": "detection",
    "alarms": "detection",
    "verdicts": "health",
    "health_index": "health",
    "forecasts": "prognosis",
    "decisions": "advisory",
    "work_orders": "advisory",
    "catalog": "serving",
    "incidents": "serving",
    "compaction": "maintenance",
    "vacuum": "maintenance",
    "retention": "maintenance",
    "prune": "maintenance",
}
CHECKS = {"readings:every_row_is_accounted_for", "readings:nothing_was_refused", "outages:the_source_speaks"}


def graph(tmp_path) -> dg.Definitions:
    return build_definitions(Home(tmp_path))


def test_assets_with_their_groups_equal_the_stored_list(tmp_path):
    specs = graph(tmp_path).resolve_all_asset_specs()
    assert {spec.key.to_user_string(): spec.group_name for spec in specs} == ASSETS


def test_checks_equal_the_stored_list(tmp_path):
    keys = graph(tmp_path).resolve_asset_graph().asset_check_keys
    assert {f"{key.asset_key.to_user_string()}:{key.name}" for key in keys} == CHECKS


def test_every_asset_says_what_it_is_who_owns_it_and_with_what_it_is_made(tmp_path):
    for spec in graph(tmp_path).resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key


def test_jobs_sensors_and_schedules_equal_the_stored_list(tmp_path):
    repository = graph(tmp_path).get_repository_def()
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        "import_batch",
        "micro_batch",
        "plan",
        "compact",
        "care",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {"landing_sensor"}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "plan_schedule",
        "catch_up_schedule",
        "compaction_schedule",
        "care_schedule",
    }


def test_the_definitions_load_with_no_environment_set():
    code = "from jobs.definitions import defs; print(len(defs().resolve_all_asset_specs()))"
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(len(ASSETS)), done.stderr


def test_only_the_landing_step_touches_labels(tmp_path):
    graph_ = graph(tmp_path).resolve_asset_graph()
    assert not graph_.get(dg.AssetKey("labels")).child_keys
