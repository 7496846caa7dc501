"""`import`, `run` and `sql` as a person uses them, on files of the pump data set's exact format and on the real one."""

import csv
import json
import math
import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from pipelines.importers.kaggle_pump import COLUMNS, SENSORS

START = datetime(2018, 4, 1)  # noqa: DTZ001 the data set names no zone
MINUTES = 4 * 24 * 60
THRESHOLD = """
[[machines]]
id = "pump-ramp.pump"
criticality = "high"
failures = [{ mode = "wear", sensor = "sensor_04", threshold = 900.0, repair_hours = 4.0 }]
"""


def smartmaint(home: Path, *words: str, status: int = 0) -> dict:
    done = CliRunner().invoke(app, [*words, "--home", str(home), "--json"])
    assert done.exit_code == status, (done.output, done.exception)
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def _value(minute: int, sensor: int) -> float:
    return 600 + sensor + 5 * math.sin(minute * (sensor + 3) / 97) + (minute * (31 + sensor) % 89) / 20


def generated(path: Path, *, minutes: int = MINUTES) -> Path:
    """Rows of the pump's exact format: CRLF, an empty sensor_15, fifteen decimals here and there."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)  # CRLF by default, as in the published copy
        writer.writerow(COLUMNS)
        for i in range(minutes):
            values = [
                ""
                if name == "sensor_15"
                else f"{600 + n + 5 * math.sin(i * (n + 3) / 97) + (i * (31 + n) % 89) / 20:.15f}"
                for n, name in enumerate(SENSORS)
            ]
            writer.writerow([i, f"{START + timedelta(minutes=i):%Y-%m-%d %H:%M:%S}", *values, "NORMAL"])
    return path


@pytest.fixture(params=["generated", "real"])
def pump(request, tmp_path, data_dir) -> Path:
    if request.param == "real":
        return data_dir("kaggle_pump") / "sensor.csv"
    return generated(tmp_path / "sensor.csv")


def with_ramp(pump: Path, path: Path) -> Path:
    """A copy in which sensor_04 climbs by 2 an hour in the last two days."""
    with pump.open(newline="") as source, path.open("w", newline="") as target:
        rows, writer = csv.DictReader(source), csv.DictWriter(target, COLUMNS)
        writer.writeheader()
        for i, row in enumerate(rows):
            climb = max(0.0, (i - MINUTES / 2) / 60) * 2
            writer.writerow({**row, "sensor_04": float(row["sensor_04"]) + climb})
    return path


def test_the_pump_lands_once_is_scored_and_has_no_threshold(pump, tmp_path):
    home = tmp_path / "home"
    receipt = smartmaint(home, "import", "kaggle-pump", str(pump))
    assert (receipt["rows_read"], receipt["rows_landed"], receipt["partitions"]) == (5760, 5760, 4)
    assert (receipt["rows_duplicate"], receipt["rows_quarantined"], receipt["refused"]) == (0, 0, [])
    again = smartmaint(home, "import", "kaggle-pump", str(pump))
    assert (again["rows_landed"], again["rows_duplicate"], again["values_landed"]) == (0, 5760, 0)

    done = smartmaint(home, "run")
    assert done["failures"] == []
    assert done["partitions"] == ["kaggle-pump"]
    scores = smartmaint(home, "sql", "select count(score), min(score) >= 0, max(score) <= 1 from anomaly_scores")
    assert scores["rows"] == [[576, True, True]]
    assert smartmaint(home, "sql", "select reason, ttf_h from forecasts")["rows"] == [["no_threshold", None]]


def test_a_ramp_and_a_declared_threshold_give_a_time_and_an_interval(pump, tmp_path):
    home = tmp_path / "home"
    ramp = with_ramp(pump, tmp_path / "ramp.csv")
    smartmaint(home, "import", "kaggle-pump", str(ramp), "--source", "pump-ramp")
    with (home / "machines.toml").open("a") as register:
        register.write(THRESHOLD)
    smartmaint(home, "run", "--day", "2018-04-04")
    asked = "select reason, ttf_low_h, ttf_h, coalesce(ttf_high_h, 1e9) from forecasts"
    ((reason, low, ttf, high),) = smartmaint(home, "sql", asked)["rows"]
    assert reason is None
    assert 0 < low <= ttf <= high
    ((action, rationale),) = smartmaint(home, "sql", "select action, rationale from decisions")["rows"]
    assert action != "monitor", rationale


def test_the_wrong_file_is_kept_with_one_clear_error(tmp_path):
    home, wrong = tmp_path / "home", tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    refused = smartmaint(home, "import", "kaggle-pump", str(wrong), status=1)["refused"]
    assert [entry["code"] for entry in refused] == ["wrong_columns"]
    assert "missing ['', 'timestamp'" in refused[0]["message"]
    (original,) = (home / refused[0]["folder"]).glob("original*")
    assert original.read_text() == wrong.read_text()


def test_a_truncated_file_is_refused_and_lands_when_sent_whole(tmp_path):
    home = tmp_path / "home"
    whole = generated(tmp_path / "whole.csv", minutes=60)
    cut = tmp_path / "cut.csv"
    cut.write_bytes(whole.read_bytes()[:-400])
    (entry,) = smartmaint(home, "import", "kaggle-pump", str(cut), status=1)["refused"]
    assert entry["code"] == "cut_short"
    assert "Send the whole file again" in entry["message"]
    assert smartmaint(home, "import", "kaggle-pump", str(whole))["rows_landed"] == 60


def test_one_bad_file_of_a_folder_does_not_hold_up_the_others(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "files"
    folder.mkdir()
    generated(folder / "a.csv", minutes=30)
    (folder / "b.csv").write_text("")
    receipt = smartmaint(home, "import", "kaggle-pump", str(folder), status=1)
    assert receipt["rows_landed"] == 30
    assert [entry["code"] for entry in receipt["refused"]] == ["empty"]


@pytest.mark.parametrize("fault", ["pipe", "unreadable"])
def test_of_a_folder_with_a_file_that_cannot_be_read_nothing_is_imported(tmp_path, fault):
    home, folder = tmp_path / "home", tmp_path / "files"
    folder.mkdir()
    generated(folder / "a.csv", minutes=30)
    path, told = folder / "b.csv", "Permission denied"
    if fault == "pipe":
        path = folder = tmp_path / "pipe"
        os.mkfifo(path)
        told = "Not a directory"
    elif os.geteuid() == 0:
        pytest.skip("root may read everything")
    else:
        path.touch(mode=0o000)
    error = smartmaint(home, "import", "kaggle-pump", str(folder), status=1)["error"]
    assert f"{path}: {told}; nothing was imported" in error.replace("\n", "")
    assert not list(home.glob("landing/*/*"))


def test_a_file_that_another_run_takes_is_counted_as_such(tmp_path):
    home = tmp_path / "home"
    smartmaint(home, "import", "kaggle-pump", str(generated(tmp_path / "a.csv", minutes=20)))

    def take() -> None:
        while not (found := list(home.glob("landing/kaggle-pump/[!.]*"))):
            time.sleep(0.001)
        found[0].unlink()

    (another := threading.Thread(target=take)).start()
    receipt = smartmaint(home, "import", "kaggle-pump", str(generated(tmp_path / "b.csv", minutes=30)))
    another.join()
    assert (receipt["files"], receipt["rows_read"], receipt["files_taken_by_another_run"]) == (0, 0, 1)


def test_a_hostile_machine_name_is_refused_and_the_rest_lands(tmp_path):
    home, file = tmp_path / "home", tmp_path / "a.csv"
    rows = ["machine_id,sensor,recorded_at,value", "pump-1,temperature_c,2026-01-05T00:00:00Z,1.5"]
    rows += ["../../etc/passwd,temperature_c,2026-01-05T00:00:00Z,1.5", ""]
    file.write_text("\n".join(rows))
    receipt = smartmaint(home, "import", "readings", str(file), "--source", "line")
    assert (receipt["rows_landed"], receipt["rows_quarantined"]) == (1, 1)
    assert "machine_id" in receipt["refused"][0]["message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "kaggle-pump", "nowhere.csv"), "no such file"),
        (("import", "kagle-pump", "."), "known are"),
        (("import", "readings", ".", "--source", "../x"), "source is"),
        (("run",), "nothing has arrived"),
        (("run", "--select", "scores"), "no asset scores"),
        (("run", "--select", "catalog"), "no asset catalog (catalog follows by itself)"),
        (("run", "--day", "yesterday"), "expected a date"),
        (("sql", "select 1"), "nothing is materialized yet"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, words, told):
    assert told in smartmaint(tmp_path / "home", *words, status=1)["error"].replace("\n", " ")


def test_a_broken_register_names_its_file_and_the_place(tmp_path):
    home = tmp_path / "home"
    smartmaint(home, "import", "kaggle-pump", str(generated(tmp_path / "a.csv", minutes=20)))
    with (home / "machines.toml").open("a") as register:
        register.write('\n[[machines]]\nid = "kaggle-pump.pump"\ncritcality = "high"\n')
    done = smartmaint(home, "run", status=1)
    assert "machines.toml" in done["failures"][0]
    assert "unknown critcality" in done["failures"][0]
