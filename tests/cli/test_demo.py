"""The demo's promise: what it prints is what happened, and living the same days again does nothing."""

import json

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

    for other in (("--days", "10"), ("--days", "9", "--seed", "2")):
        done = CliRunner().invoke(app, ["demo", "--home", str(tmp_path), "--json", *other])
        assert done.exit_code == 1
        assert "another plant lives in" in " ".join(done.stderr.split())
    assert {table: lake.version(table) for table in TABLES} == before
