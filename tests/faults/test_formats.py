"""Senders change their files: whole numbers become decimals, columns come and go, types differ."""

from collections.abc import Callable

import polars as pl
import pytest
from faults.invariants import examine
from faults.story import content, expected, put
from homes import telemetry

WHOLE_NUMBERS = telemetry(3).with_columns(pl.col("value").round().cast(pl.Int64))
DECIMALS = telemetry(6).tail(54)
Change = Callable[[pl.DataFrame], pl.DataFrame]

WIDENED: dict[str, Change] = {
    "whole numbers become decimals": lambda rows: rows,
    "decimals of half the width": lambda rows: rows.with_columns(pl.col("value").cast(pl.Float32).cast(pl.Float64)),
    "a column of quality comes": lambda rows: rows.with_columns(quality=pl.lit("good")),
    "machines become a category": lambda rows: rows.with_columns(pl.col("machine_id").cast(pl.Categorical)),
    "columns in another order": lambda rows: rows.select("value", "recorded_at", "sensor", "machine_id"),
}
REFUSED: dict[str, tuple[Change, str]] = {
    "a surplus column": (lambda rows: rows.with_columns(note=pl.lit("x")), "found ['machine_id'"),
    "a missing column": (lambda rows: rows.drop("sensor"), "expected machine_id, sensor"),
    "a renamed column": (lambda rows: rows.rename({"value": "wert"}), "'wert'"),
    "values become text": (lambda rows: rows.with_columns(pl.lit("high").alias("value")), "expected a number"),
    "times lose their zone": (
        lambda rows: rows.with_columns(pl.col("recorded_at").dt.replace_time_zone(None)),
        "expected a timestamp",
    ),
}


@pytest.mark.timeout(300)
def test_files_of_changed_shape_land_together_or_are_refused_naming_the_difference(home, warm, twins, ledger, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    WHOLE_NUMBERS.write_parquet(folder / "0.parquet")
    landed = [WHOLE_NUMBERS.with_columns(pl.col("value").cast(pl.Float64))]
    for place, change in enumerate(WIDENED.values(), start=1):
        rows = change(DECIMALS.with_columns(machine_id=pl.lit(f"pump-{place}")))
        rows.write_parquet(folder / f"{place}.parquet")
        landed.append(rows.select(pl.col(WHOLE_NUMBERS.columns)).cast({"value": pl.Float64, "machine_id": pl.String}))
    names = {}
    for name, (change, told) in REFUSED.items():
        path = folder / f"{name}.parquet"
        change(DECIMALS).write_parquet(path)
        names[content(path)] = told
    assert warm.smartmaint(home, "import", "readings", str(folder), "--source", "line").status == 1
    assert warm.smartmaint(home, "run").status == 0
    findings = examine(home, put(*folder.iterdir(), readings=expected(*landed)), twin=twins.of(home))
    ledger.note("formats widened, narrowed, retyped, renamed", findings, tries=len(WIDENED) + len(REFUSED))
    assert findings.breaches == ()
    for batch, told in names.items():
        (reason,) = home.glob(f"quarantine/line/*/{batch}/reason.json")
        assert told in reason.read_text(), reason.read_text()
