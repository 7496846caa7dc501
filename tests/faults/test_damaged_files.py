"""Files cut at every sixteenth, empty, under a wrong ending: each is kept with its reason, and the good one lands."""

import json
from pathlib import Path

import polars as pl
import pytest
from faults.invariants import Findings, examine
from faults.story import SLOW, Twins, content, expected, put
from homes import telemetry

from resources.lake import Lake

WHOLE = telemetry(8)
GOOD = telemetry(2).with_columns(machine_id=pl.lit("pump-2"))
PARTS = 16


def csv(frame: pl.DataFrame) -> bytes:
    return frame.with_columns(pl.col("recorded_at").dt.to_string("%FT%TZ")).write_csv().encode()


def parquet(frame: pl.DataFrame, folder: Path) -> bytes:
    path = folder / "whole.parquet"
    frame.write_parquet(path)
    return path.read_bytes()


def cut_everywhere(whole: bytes) -> list[bytes]:
    return [whole[: len(whole) * part // PARTS] for part in range(PARTS)]


@pytest.fixture(params=["parquet", pytest.param("csv", marks=SLOW)])
def damaged(request, tmp_path) -> list[tuple[str, bytes]]:
    """Names and contents of files that are not whole."""
    ending, other = request.param, {"parquet": "csv", "csv": "parquet"}[request.param]
    whole = csv(WHOLE) if ending == "csv" else parquet(WHOLE, tmp_path)
    named = [(f"cut-{part:02}.{ending}", cut) for part, cut in enumerate(cut_everywhere(whole))]
    named += [(f"wrong-ending.{other}", whole), (f"zeros.{ending}", bytes(4096)), (f"no-ending-{ending}", whole)]
    if ending == "parquet":
        named.append(("no-footer.parquet", whole[:-8]))
    return named


def landed_and_examined(home, files, warm, twins: Twins) -> Findings:
    assert warm.smartmaint(home, "import", "readings", str(files), "--source", "line").status == 1  # says so
    assert warm.smartmaint(home, "run").status == 0
    return examine(home, put(*files.iterdir()), twin=twins.of(home))


@pytest.mark.timeout(300)
def test_damaged_files_are_kept_with_their_reason_and_hold_nobody_up(damaged, home, tmp_path, warm, twins, ledger):
    files = tmp_path / "files"
    files.mkdir()
    for name, data in damaged:
        (files / name).write_bytes(data)
    GOOD.write_parquet(files / "good.parquet")
    findings = landed_and_examined(home, files, warm, twins)
    ledger.note("files cut at every 1/16, empty, without footer, under a wrong ending", findings, tries=len(damaged))
    assert findings.breaches == ()
    rows = Lake(root=str(home / "lake")).readings(source="line")
    truth = expected(WHOLE, GOOD)
    assert rows.join(truth, on=["machine_id", "sensor", "recorded_at", "value"], how="anti").is_empty(), "made up"
    assert rows.filter(pl.col("machine_id") == "line.pump-2").height == GOOD.height
    for reason in home.glob("quarantine/line/*/*/reason.json"):
        told = json.loads(reason.read_text())
        assert told["name"] in told["message"] or told["code"] == "rows_refused", told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cut_file_lands_when_it_is_sent_whole(home, tmp_path, warm, twins, ledger):
    whole, file = csv(GOOD), tmp_path / "a.csv"
    file.write_bytes(whole[: len(whole) // 2 + 3])
    assert warm.smartmaint(home, "import", "readings", str(file), "--source", "line").status == 1
    cut = content(file)
    file.write_bytes(whole)
    assert warm.smartmaint(home, "import", "readings", str(file), "--source", "line").status == 0
    assert warm.smartmaint(home, "run").status == 0
    told = put(file, readings=expected(GOOD))
    told.files["line"].add(cut)
    findings = examine(home, told, twin=twins.of(home))
    ledger.note("a file cut short, then sent whole", findings)
    assert findings.breaches == ()
