"""The demo's promise: what it prints is what happened, and living the same days again does nothing."""

import json

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from resources.lake import Lake

TABLES = (
    "readings",
    "window_features",
    "anomaly_scores",
    "alarms",
    "verdicts",
    "health_index",
    "forecasts",
    "decisions",
)
UNSEEN = (101, 102, 103, 104, 105)


def demo(home, *options: str) -> dict:
    done = CliRunner().invoke(app, ["demo", "--home", str(home), "--json", *options])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def test_living_the_same_days_again_changes_nothing(tmp_path):
    first = demo(tmp_path, "--days", "9")
    lake = Lake(root=str(tmp_path / "lake"))
    before = {table: lake.version(table) for table in TABLES}
    second = demo(tmp_path, "--days", "9")
    assert (first["days_new"], second["days_new"]) == (9, 0)
    assert {table: lake.version(table) for table in TABLES} == before
    assert second["repairs"] == first["repairs"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", UNSEEN)
def test_failing_machines_are_repaired_in_time_and_healthy_ones_left_alone(tmp_path, seed, capsys):
    told = demo(tmp_path, "--seed", str(seed))
    with capsys.disabled():
        shown = (
            "repaired_in_time",
            "failing_machines",
            "healthy_machines_with_order",
            "alarms",
            "three_sigma",
            "forecasts",
        )
        print(f"\nseed {seed}: " + json.dumps({name: told[name] for name in shown}))  # noqa: T201
    assert told["repaired_in_time"] == told["failing_machines"] == 2
    assert told["healthy_machines_with_order"] <= 1
    assert told["alarms"]["found"] > told["three_sigma"]["found"]
