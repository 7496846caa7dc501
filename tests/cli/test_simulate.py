"""`smartmaint simulate`: files of the present land whole, one after the other, and the graph takes them."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.cli import app

ASKED = ("--machines", "3", "--sensors", "2", "--seconds", "1.5", "--batch-seconds", "0.5", "--rate", "4")


def simulate(home, *more):
    return CliRunner().invoke(app, ["simulate", "--home", str(home), "--json", *ASKED, *more])


def test_files_of_the_present_land_one_after_the_other(tmp_path):
    begun = datetime.now(UTC)
    done = simulate(tmp_path, "--source", "line-1")
    told = json.loads(done.stdout)
    files = sorted((tmp_path / "landing" / "line-1").iterdir())
    assert (told["files"], told["readings"], told["source"]) == (3, 3 * 2 * 3 * 2, "line-1")
    assert [file.suffix for file in files] == [".parquet"] * 3
    moments = pl.concat([pl.read_parquet(file) for file in files])["recorded_at"]
    assert moments.is_sorted()
    assert begun <= moments[0] < moments[-1] <= datetime.now(UTC)
    assert moments[-1] - moments[0] == timedelta(seconds=1.25)


def test_history_comes_first_is_declared_healthy_and_scored_against(tmp_path):
    assert simulate(tmp_path, "--history-hours", "12").exit_code == 0
    assert "healthy = [" in (tmp_path / "machines.toml").read_text().split("[sources.fleet]")[1]
    runner = CliRunner()
    assert runner.invoke(app, ["run", "--home", str(tmp_path)]).exit_code == 0
    query = "select count(*) from readings where machine_id = 'fleet.machine-001'"
    answer = runner.invoke(app, ["sql", query, "--home", str(tmp_path), "--json"])
    assert json.loads(answer.stdout)["rows"] == [[12 * 60 * 2 + 6 * 2]]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--source", "Line 1"), "expected lower-case letters"),
        (("--rate", "0.5"), "a file of 0.5 s holds no reading at 0.5 Hz; raise --batch-seconds"),
    ],
)
def test_what_cannot_be_sent_is_said_and_nothing_lands(tmp_path, more, told):
    done = simulate(tmp_path / "home", *more)
    assert done.exit_code == 1
    assert told in " ".join(done.stderr.split())
    assert not (tmp_path / "home").exists()
