"""`import` of folders, archives and tables, as a person uses it."""

import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from cli.test_import_and_run import smartmaint
from snapshot_files import femto_acceleration
from typer.testing import CliRunner

from jobs import importing
from jobs.cli import app

TABLE = "when;Oil [degF];state\r\n01.02.2026 10:00;212,0;on\r\n01.02.2026 10:10;32,0;off\r\n"
MAPPING = """
time = { column = "when", format = "%d.%m.%Y %H:%M", zone = "UTC" }
machine = "press-1"
[sensors]
"Oil [degF]" = { sensor = "oil_c", unit = "degF" }
[labels]
state = { kind = "status" }
"""


@pytest.fixture
def lives(tmp_path) -> Path:
    """A folder as people have it: bearings in folders, and a page that belongs to nothing."""
    root = tmp_path / "data" / "Learning_set"
    for bearing, number in (("1_1", 1), ("1_1", 2), ("2_1", 1)):
        folder = root / f"Bearing{bearing}"
        folder.mkdir(parents=True, exist_ok=True)
        data, _ = femto_acceleration((9, 40, 10 * number, "500"), seed=number)
        (folder / f"acc_{number:05}.csv").write_bytes(data)
    (root / "README.md").write_text("about")
    return root


def test_a_folder_is_searched_packed_and_landed_once_and_says_what_it_left_out(lives, tmp_path):
    home = tmp_path / "home"
    receipt = smartmaint(home, "import", "femto", str(lives))
    assert (receipt["files"], receipt["rows_landed"], receipt["snapshots_landed"]) == (1, 3, 6)
    assert receipt["left_out"] == [str(lives / "README.md")]
    again = smartmaint(home, "import", "femto", str(lives))
    assert (again["rows_landed"], again["rows_duplicate"]) == (0, 3)
    (original,) = home.glob("archive/femto/*/*/original.zip")
    with zipfile.ZipFile(original) as archive:
        assert archive.namelist()[0] == "Bearing1_1/acc_00001.csv"
        assert archive.read("Bearing2_1/acc_00001.csv") == (lives / "Bearing2_1" / "acc_00001.csv").read_bytes()


def test_two_files_that_say_the_same_of_themselves_are_told_and_nothing_is_imported(lives, tmp_path):
    shutil.copytree(lives / "Bearing1_1", lives / "copy" / "Bearing1_1")
    told = smartmaint(tmp_path / "home", "import", "femto", str(lives), status=1)["error"].replace("\n", "")
    assert "are both Bearing1_1/acc_00001.csv of this data set" in told
    assert list((tmp_path / "home" / "landing" / "femto").glob("*")) == []


def test_a_life_stays_in_one_archive_however_many_files_it_has(lives, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "PACKED_FILES", 1)
    receipt = smartmaint(tmp_path / "home", "import", "femto", str(lives))
    assert (receipt["files"], receipt["rows_landed"]) == (2, 3)
    members = []
    for original in (tmp_path / "home").glob("archive/femto/*/*/original.zip"):
        with zipfile.ZipFile(original) as archive:
            members.append(sorted(archive.namelist()))
    assert sorted(members) == [
        ["Bearing1_1/acc_00001.csv", "Bearing1_1/acc_00002.csv"],
        ["Bearing2_1/acc_00001.csv"],
    ]


def test_a_folder_without_a_file_of_the_data_set_is_told_what_was_expected(lives, tmp_path):
    told = smartmaint(tmp_path / "home", "import", "mimii", str(lives), status=1)
    assert "expected files such as" in told["error"].replace("\n", " ")


def test_a_table_lands_by_its_mapping_which_the_register_keeps(tmp_path):
    home, file = tmp_path / "home", tmp_path / "press.csv"
    file.write_text(TABLE, newline="")
    (tmp_path / "press.toml").write_text(MAPPING)
    mapped = ("--mapping", str(tmp_path / "press.toml"), "--source", "press")
    receipt = smartmaint(home, "import", "table", str(file), *mapped)
    assert (receipt["rows_landed"], receipt["values_landed"], receipt["labels_landed"]) == (2, 2, 2)
    rows = smartmaint(home, "run", "--source", "press") and smartmaint(
        home, "sql", "select machine_id, sensor, value from readings order by value"
    )
    assert rows["rows"] == [["press.press-1", "oil_c", 0.0], ["press.press-1", "oil_c", 100.0]]
    kept = tomllib.loads((home / "machines.toml").read_text())["sources"]["press"]
    assert kept["table"] == tomllib.loads(MAPPING)
    file.write_text(TABLE.replace("212,0", "213,0"), newline="")
    assert smartmaint(home, "import", "table", str(file), "--source", "press")["rows_landed"] == 1
    (tmp_path / "press.toml").write_text(MAPPING.replace("press-1", "press-2"))
    told = smartmaint(home, "import", "table", str(file), *mapped, status=1)
    assert "another mapping" in told["error"]


def test_a_table_without_a_mapping_is_told_how_to_get_one_and_nothing_is_taken(tmp_path):
    file = tmp_path / "press.csv"
    file.write_text(TABLE, newline="")
    told = smartmaint(tmp_path / "home", "import", "table", str(file), status=1)
    assert "--guess" in told["error"]
    assert list((tmp_path / "home" / "landing").rglob("*.csv")) == []


def test_a_draft_is_printed_that_can_be_read_and_nothing_lands(tmp_path):
    file = tmp_path / "press.csv"
    file.write_text(TABLE, newline="")
    done = CliRunner().invoke(app, ["import", "table", str(file), "--guess", "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.output
    assert tomllib.loads(done.stdout)["sensors"] == {"Oil [degF]": {"sensor": "oil_c", "unit": "degF"}}
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("option", [["--guess"], ["--mapping", "x.toml"]])
def test_mappings_are_for_tables(tmp_path, option):
    done = CliRunner().invoke(app, ["import", "readings", str(tmp_path), *option, "--home", str(tmp_path / "home")])
    assert done.exit_code == 2
