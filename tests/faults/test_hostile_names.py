"""Names made to break something, of files, machines and sensors: each is kept or refused, and none is obeyed."""

import os
import shutil

import polars as pl
import pytest
from faults.invariants import examine
from faults.story import LONG_AGO_S, SLOW, content, expected, put
from homes import telemetry

from resources.lake import Lake
from resources.serving.duckdb_catalog import Catalog

ROWS = telemetry(1)
HOSTILE = (
    "'; DROP TABLE readings; --",
    '"; ATTACH',
    "%s%n%x",
    "$(touch owned)",
    "`touch owned`",
    "=cmd|' -C calc'!A0",
    "<script>alert(1)<script>",
    "[link](javascript:alert(1))",
    "line\nbreak",
    "tab\there",
    "zürich-ポンプ",
    "{{ 7 * 7 }}",
    "a" * 247,
)
FILES = (*HOSTILE, "-rf", "con.parquet.")
"""Of files: what a file system takes."""
UNREAL = (*HOSTILE, "</script>", "../../etc/passwd", "/etc/passwd", "a\x00b", "a" * 300, "", " ", "\u202egnp.exe")
"""Of machines and sensors: what a file may hold."""


def named(place: int, name: str, folder) -> pl.DataFrame:
    """A file of this name with a machine of its own."""
    rows = ROWS.with_columns(machine_id=pl.lit(f"pump-{place}"))
    rows.write_parquet(folder / f"{name}.parquet")
    return rows


@pytest.mark.timeout(300)
def test_files_of_any_name_land_and_no_name_is_obeyed(home, warm, twins, ledger, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    landed = [named(place, name, folder) for place, name in enumerate(FILES)]
    done = warm.smartmaint(home, "import", "readings", str(folder), "--source", "line")
    assert done.status == 0, done.output
    assert warm.smartmaint(home, "run").status == 0
    findings = examine(home, put(*folder.iterdir(), readings=expected(*landed)), twin=twins.of(home))
    ledger.note("hostile names of files, machines, sensors", findings, tries=len(FILES))
    assert findings.breaches == ()
    assert not list(tmp_path.rglob("owned*"))


@pytest.mark.timeout(300)
def test_a_file_whose_name_is_no_text_is_said_and_stays(home, warm, tmp_path):
    folder = home / "landing" / "line"
    folder.mkdir(exist_ok=True)
    ROWS.write_parquet(tmp_path / "good.parquet")
    shutil.copy(tmp_path / "good.parquet", folder / "good.parquet")
    os.utime(folder / "good.parquet", (LONG_AGO_S, LONG_AGO_S))  # nobody writes to it any more
    odd = os.fsencode(folder) + b"/\xff\xfe.parquet"
    shutil.copy(os.fsencode(tmp_path / "good.parquet"), odd)
    done = warm.smartmaint(home, "run")
    assert done.status == 0, done.output
    assert os.path.exists(odd)  # noqa: PTH110 a path of bytes
    assert Lake(root=str(home / "lake")).count("readings") == ROWS.height


@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", ["machine_id", pytest.param("sensor", marks=SLOW)])
def test_rows_of_an_impossible_name_are_refused_and_the_others_land(column, home, warm, twins, ledger, tmp_path):
    bad = [ROWS.with_columns(pl.lit(name).alias(column)) for name in UNREAL]
    file = tmp_path / "mixed.parquet"
    pl.concat([ROWS, *bad]).write_parquet(file)
    done = warm.smartmaint(home, "import", "readings", str(file), "--source", "line")
    assert done.status == 0, done.output
    assert warm.smartmaint(home, "run").status == 0
    findings = examine(home, put(file, readings=expected(ROWS)), twin=twins.of(home))
    ledger.note("hostile names of files, machines, sensors", findings, tries=len(UNREAL))
    assert findings.breaches == ()
    (refused,) = home.glob("quarantine/line/*/*/rows.parquet")
    assert pl.read_parquet(refused)["batch_row"].n_unique() == ROWS.height * len(UNREAL)
    catalog = Catalog(path=str(home / "catalog.duckdb"), lake_root=str(home / "lake"))
    assert catalog.query("select count(*) from readings").rows == [(ROWS.height,)]
    assert content(file) in {path.name for path in home.glob("archive/line/*/*")}
