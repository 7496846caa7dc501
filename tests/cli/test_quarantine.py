"""`quarantine list`, `show` and `replay`: what was refused is told, and comes back once its cause is mended."""

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.failures import CommandError
from jobs.quarantine import find
from pipelines.importers import long_table
from pipelines.importers.dialect import Dialect
from resources.inbox import SETTLED_S, Inbox, Refused
from resources.lake import Lake

HEAD = "machine_id,sensor,recorded_at,value\n"
BERLIN = '\n[sources.line]\nimporter = "readings"\nzone = "Europe/Berlin"\n'


def smartmaint(home: Path, *words: str, status: int = 0) -> dict:
    done = CliRunner().invoke(app, [*words, "--home", str(home), "--json"])
    assert done.exit_code == status, (done.output, done.exception)
    return json.loads(done.stdout) if done.stdout else {"error": " ".join(done.stderr.split())}


def land(home: Path, name: str, *rows: str, status: int = 0) -> dict:
    path = home.parent / name
    path.write_text(HEAD + "".join(f"pump-1,temperature_c,{row}\n" for row in rows))
    return smartmaint(home, "import", "readings", str(path), "--source", "line", status=status)


def current(home: Path) -> dict[str, float]:
    rows = Lake(root=str(home / "lake")).readings(source="line").sort("recorded_at")
    return {f"{at:%d %H:%M}": value for at, value in rows.select("recorded_at", "value").rows()}


def accounted(receipt: dict) -> bool:
    parts = ("rows_landed", "rows_duplicate", "rows_quarantined", "rows_empty")
    return receipt["rows_read"] == sum(receipt[part] for part in parts)


def test_rows_refused_for_the_hour_that_a_zone_has_twice_come_back_where_a_later_correction_still_wins(tmp_path):
    home = tmp_path / "home"
    land(home, "zero.csv", "2025-10-24T00:00:00Z,0")
    (home / "machines.toml").write_text(BERLIN)
    first = land(home, "a.csv", "2025-10-26 02:10,1", "2025-10-26 02:20,2", "2025-10-26 12:00,3", "2025-10-26T13:00Z,")
    assert (first["rows_landed"], first["rows_quarantined"], first["rows_empty"]) == (1, 2, 1)
    land(home, "b.csv", "2025-10-26T02:10:00Z,9")

    [entry] = smartmaint(home, "quarantine", "list")["entries"]
    assert (entry["source"], entry["name"], entry["code"], entry["values"]) == ("line", "a.csv", "rows_refused", 2)
    shown = smartmaint(home, "quarantine", "show", entry["id"])
    assert {
        "row": 0,
        "column": "recorded_at",
        "value": "2025-10-26 02:10",
        "zone": "Europe/Berlin",
    }.items() <= shown.items()
    assert "twice in Europe/Berlin" in shown["rule"]
    assert len(shown["version"]) == 16
    assert [row["batch_row"] for row in shown["rows"]] == [0, 1]
    assert accounted(shown["counts"])

    still = smartmaint(home, "quarantine", "replay", entry["id"], status=1)
    assert (still["values_landed"], still["rows_quarantined"], still["remaining"]) == (0, 2, 1)

    (home / "machines.toml").write_text(BERLIN.replace("Europe/Berlin", "UTC"))
    receipt = smartmaint(home, "quarantine", "replay", "--all")
    assert accounted(receipt)
    assert (receipt["rows_read"], receipt["rows_quarantined"], receipt["released"], receipt["remaining"]) == (
        4,
        0,
        1,
        0,
    )
    assert "landed with zone Europe/Berlin, now it is UTC; `smartmaint rebuild`" in receipt["told"][0]
    assert current(home)["26 02:10"] == 9.0  # b.csv landed after a.csv
    assert current(home)["26 02:20"] == 2.0
    assert smartmaint(home, "quarantine", "list")["entries"] == []
    versions = Lake(root=str(home / "lake")).read("readings").filter(pl.col("value").is_in([1.0, 2.0, 9.0]))
    by_value = {value: (batch, seq) for value, batch, seq in versions.select("value", "batch_id", "batch_seq").rows()}
    assert by_value[1.0] == by_value[2.0] < (by_value[1.0][0], by_value[9.0][1])


def test_a_file_refused_as_a_whole_lands_once_its_format_is_mended_and_goes_to_the_archive(tmp_path):
    home = tmp_path / "home"
    land(home, "zero.csv", "2025-10-24T00:00:00Z,0")
    (home / "machines.toml").write_text('[sources.line]\nimporter = "opc"\n')
    (home / "landing" / "line" / "c.csv").write_text(HEAD + "pump-1,temperature_c,2025-10-25T00:00:00Z,4\n")
    os.utime(home / "landing" / "line" / "c.csv", (0, 0))
    smartmaint(home, "run", "--source", "line", "--select", "readings")
    [entry] = smartmaint(home, "quarantine", "list")["entries"]
    assert (entry["code"], entry["values"]) == ("unknown_format", None)
    assert "no importer 'opc'" in entry["message"]

    again = smartmaint(home, "quarantine", "replay", entry["id"], status=1)
    assert (again["files_quarantined"], again["remaining"]) == (1, 1)
    (home / "machines.toml").write_text("")
    receipt = smartmaint(home, "quarantine", "replay", entry["id"], "--source", "line")
    assert (receipt["rows_landed"], receipt["released"], receipt["refused"]) == (1, 1, [])
    assert current(home)["25 00:00"] == 4.0
    [sha] = [sha for sha, note in Inbox(root=str(home)).archived(source="line").items() if note["name"] == "c.csv"]
    assert sha.startswith(entry["id"])


def test_an_importer_that_fails_in_a_way_nobody_foresaw_costs_its_file_only(tmp_path, monkeypatch):
    home, folder = tmp_path / "home", tmp_path / "files"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(HEAD + f"pump-{name},temperature_c,2025-10-25T00:00:00Z,4\n")
    read = long_table._dialect

    def fails(name: str, line: str) -> Dialect:
        return read(name, line if name == "b.csv" else str(1 / 0))

    with monkeypatch.context() as broken:
        broken.setattr(long_table, "_dialect", fails)
        receipt = smartmaint(home, "import", "readings", str(folder), "--source", "line", status=1)
    assert (receipt["rows_landed"], receipt["files_quarantined"]) == (1, 1)
    assert receipt["refused"][0]["code"] == "unreadable"
    assert (
        "a.csv: the importer readings failed on it: ZeroDivisionError: division by zero"
        in receipt["refused"][0]["message"]
    )
    assert smartmaint(home, "quarantine", "replay", "--all")["rows_landed"] == 1


def test_a_file_that_cannot_be_had_waits_and_is_told_while_the_others_land(tmp_path):
    home = tmp_path / "home"
    land(home, "zero.csv", "2025-10-24T00:00:00Z,0")
    locked = home / "landing" / "line" / "locked.csv"
    locked.symlink_to("/proc/self/mem")  # opens, and cannot be read
    receipt = land(home, "a.csv", "2025-10-25T00:00:00Z,1")
    assert receipt["left"] == []
    while time.time() - locked.stat().st_ctime < 2 * SETTLED_S:  # it counts as written when it is first looked at
        time.sleep(SETTLED_S)
    done = smartmaint(home, "run", "--source", "line", "--select", "readings")
    assert done["failures"] == []
    assert "line/locked.csv: Input/output error; it stays where it is" in [entry["message"] for entry in done["left"]]
    assert locked.is_symlink()
    assert smartmaint(home, "quarantine", "list")["entries"] == []


@pytest.mark.parametrize(
    ("words", "told", "status"),
    [
        (("show", "ab"), "nothing in quarantine begins with 'ab'", 1),
        (("replay", "ab"), "nothing in quarantine begins with 'ab'", 1),
        (("replay",), "name one ID, or --all", 2),
        (("replay", "ab", "--all"), "name one ID, or --all", 2),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, words, told, status):
    assert told in smartmaint(tmp_path / "home", "quarantine", *words, status=status)["error"]


def test_an_id_that_several_begin_with_is_no_id():
    entries = [Refused(f"quarantine/line/2026-01-05/{sha}", {"sha256": sha}) for sha in ("abc1", "abc2", "d")]
    assert find(entries, "ABC2").facts["sha256"] == "abc2"
    for sha, told in (("abc", "2 entries begin with"), ("e", "nothing in quarantine"), ("", "nothing in quarantine")):
        with pytest.raises(CommandError, match=told):
            find(entries, sha)
