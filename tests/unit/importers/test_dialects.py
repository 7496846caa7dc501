"""The same data in every dialect gives the same rows, whatever the pieces; what leaves a doubt is refused."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit.importers.written import Dialect, number, write, zipped

from pipelines.importers import text
from pipelines.importers.formats import read_file
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.register import Source

HEAD = ("machine_id", "sensor", "recorded_at", "value")
WORDS = st.text('ab ;,\t"\n é', max_size=6)
VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(float)
ROWS = st.lists(st.tuples(WORDS, WORDS, st.integers(0, 10**6), VALUES), max_size=12)
DIALECTS = st.builds(
    Dialect,
    separator=st.sampled_from(",;\t"),
    decimal=st.just("."),
    quotes_all=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    packed=st.sampled_from(["", "gz", "zip"]),
)
FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def read(path: Path, importer: str = "readings") -> Parsed:
    return joined(read_file(path, Source("plant", importer)))


def told(parsed: Parsed) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], int]:
    return parsed.readings.sort("batch_row").rows(), parsed.broken.sort("batch_row").rows(), parsed.rows


def stamp(second: int) -> str:
    return f"2026-01-{5 + second // 86400:02d}T{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


@given(ROWS, DIALECTS, st.booleans())
@settings(max_examples=100, suppress_health_check=FIXTURE)
def test_the_same_data_in_every_dialect_gives_the_same_rows(tmp_path, rows, dialect, comma):
    if comma and dialect.separator != ",":
        dialect = dialect._replace(decimal=",")
    plain, other = (
        [HEAD, *((machine, sensor, stamp(at), number(value, d)) for machine, sensor, at, value in rows)]
        for d in (Dialect(), dialect)
    )
    expected = read(write(tmp_path, "plain.csv", plain))
    values = [row[3] for row in expected.readings.rows()]
    assert values == [value for *_, value in rows if value is not None]
    try:
        found = read(write(tmp_path, "other.csv", other, dialect))
    except FileError as error:  # with tabs every comma may part thousands
        event(error.code)
        assert (error.code, dialect.separator) == ("mixed_decimals", "\t")
        return
    event(f"{dialect.separator!r} {dialect.decimal}")
    assert told(found) == told(expected)


@given(ROWS, st.integers(1, 300), st.booleans())
@settings(max_examples=80, suppress_health_check=FIXTURE)
def test_pieces_of_any_size_hold_together_what_the_whole_does(tmp_path, rows, size, quotes_all):
    lines = [HEAD, *((machine, sensor, stamp(at), number(value, Dialect())) for machine, sensor, at, value in rows)]
    path = write(tmp_path, "monday.csv", lines, Dialect(quotes_all=quotes_all))
    whole = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE", size)
        pieces = list(read_file(path, Source("plant")))
    event(f"{min(len(pieces), 5)} pieces")
    assert told(joined(pieces)) == told(whole)


TIMES = [
    "2026-01-05T06:00:00Z",
    "2026-01-05 06:00:00",
    "2026-01-05T06:00:00.25Z",
    "2026-01-05T06:00",
    "2026-01-05T06:00:00+01:00",
    "2026-01-05",
]


@given(st.lists(st.sampled_from([*TIMES, "", "soon", "2026-02-30T00:00:00Z"]), min_size=1, max_size=8))
@settings(max_examples=80, suppress_health_check=FIXTURE)
def test_a_time_is_read_the_same_whatever_stands_above_it(tmp_path, times):
    """A whole column is read in the form of its first cell at once: no other cell may gain or lose by that."""
    together = read(write(tmp_path, "a.csv", [HEAD, *(("p", "v", time, "1") for time in times)]))
    alone = [read(write(tmp_path, "b.csv", [HEAD, ("p", "v", time, "1")])) for time in times]
    assert together.readings["recorded_at"].to_list() == [at for one in alone for at in one.readings["recorded_at"]]
    assert sorted(together.broken["reasons"]) == sorted(why for one in alone for why in one.broken["reasons"])


@pytest.mark.parametrize(
    ("cells", "values", "refused"),
    [
        (["1,5", "2"], [1.5, 2.0], []),
        (["1,5", "1.234,5"], [1.5], ["1.234,5"]),
        (["1,5", "1,234,567"], [1.5], ["1,234,567"]),
        (["1,234"], [1.234], []),
        (["-1,5e-3"], [-0.0015], []),
        (["1.5"], [1.5], []),
        ([" 1,5 "], [1.5], []),
        (["inf,5"], [], ["inf,5"]),
    ],
)
def test_a_decimal_comma_is_read_behind_semicolons_and_what_could_part_thousands_is_told(
    tmp_path, cells, values, refused
):
    rows = [HEAD, *(("p", "v", stamp(at), text) for at, text in enumerate(cells))]
    parsed = read(write(tmp_path, "a.csv", rows, Dialect(separator=";")))
    assert parsed.readings["value"].to_list() == values
    assert parsed.broken.select("found", "reasons").rows() == [(found, "value: not a number") for found in refused]


@pytest.mark.parametrize(
    ("separator", "cells", "message"),
    [
        (";", ["1,5", "2.5"], r"numbers with a comma \(1,5\) and with a point \(2.5\)"),
        ("\t", ["1,5", "2.5"], "which is the decimal sign"),
        ("\t", ["1,234", "22,500"], "does the comma of 1,234 part decimals or thousands"),
    ],
)
def test_a_file_whose_decimal_sign_cannot_be_told_is_refused(tmp_path, separator, cells, message):
    rows = [HEAD, *(("p", "v", stamp(at), text) for at, text in enumerate(cells))]
    with pytest.raises(FileError, match=message) as refusal:
        read(write(tmp_path, "a.csv", rows, Dialect(separator=separator)))
    assert refusal.value.code == "mixed_decimals"


@pytest.mark.parametrize("cells", [["1.5"] * 40 + ["2,5"] * 40, ["2,5"] * 40 + ["1.5"] * 40])
def test_a_decimal_sign_that_changes_far_down_is_told(tmp_path, monkeypatch, cells):
    monkeypatch.setattr(text, "PIECE", 1)  # a row each
    rows = [HEAD, *(("p", "v", stamp(at), cell) for at, cell in enumerate(cells))]
    with pytest.raises(FileError, match=r"numbers with a comma \(2,5\) and with a point \(1.5\)"):
        read(write(tmp_path, "a.csv", rows, Dialect(separator=";")))


def test_a_comma_behind_commas_is_no_decimal_sign(tmp_path):
    parsed = read(write(tmp_path, "a.csv", [HEAD, ("p", "v", stamp(0), "1,5")]))
    assert parsed.broken["found"].to_list() == ["1,5"]


def table(*values: str) -> bytes:
    return "".join(",".join(row) + "\n" for row in [HEAD, *(("p", "v", stamp(0), value) for value in values)]).encode()


def test_the_files_of_a_zip_count_on_in_natural_order(tmp_path):
    parsed = read(zipped(tmp_path / "a.zip", {"10.csv": table("10", "11"), "2.csv": table("2", "3")}))
    assert parsed.readings.select("batch_row", "value").rows() == [(0, 2.0), (1, 3.0), (2, 10.0), (3, 11.0)]


def test_a_bad_file_of_a_zip_is_told_and_the_others_land(tmp_path):
    members = {"1.csv": table("1"), "2.csv": table("2")[:-1], "3.csv": table("3", "x"), "readme.pdf": b"%PDF"}
    parsed = read(zipped(tmp_path / "a.zip", members))
    assert parsed.readings.select("batch_row", "value").rows() == [(0, 1.0), (2, 3.0)]
    assert parsed.broken.select("batch_row", "column", "found").rows() == [
        (1, "file", "2.csv"),
        (3, "value", "x"),
        (4, "file", "readme.pdf"),
    ]
    assert parsed.broken["reasons"][0].startswith("2.csv: the last line has no line end")
    assert parsed.rows == 5


def test_a_zip_of_which_nothing_can_be_read_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"a.csv: the last line has no line end"):
        read(zipped(tmp_path / "a.zip", {"a.csv": table("1")[:-1]}))


def damaged(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[-20] ^= 0xFF
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-30])
    return path


@pytest.mark.parametrize("harm", [damaged, cut])
def test_a_damaged_gzip_stream_is_refused_before_its_first_piece(tmp_path, monkeypatch, harm: Callable[[Path], Path]):
    monkeypatch.setattr(text, "PIECE", 1000)
    rows = [HEAD, *(("p", "v", stamp(at), f"{at * 0.37}") for at in range(500))]
    pieces = read_file(harm(write(tmp_path, "a.csv", rows, Dialect(packed="gz"))), Source("plant"))
    with pytest.raises(FileError) as refusal:
        next(pieces)
    assert refusal.value.code == "damaged"


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (b"p,v,2026-01-05T00:00:00Z\n", "not_csv", "row 400 has 3 cells, fewer than the 4 columns"),
        (b"p,v,2026-01-05T00:00:00Z,1,2\n", "not_csv", "row 400 has 5 cells, more than the 4 columns"),
        (b"p\xff,v,2026-01-05T00:00:00Z,1\n", "not_text", "row 400 holds invalid utf-8"),
        (b'5" pi"pe,v,2026-01-05T00:00:00Z,1\n', "not_csv", "near row 400 a quotation mark stands inside a cell"),
    ],
)
def test_what_is_wrong_far_down_refuses_the_file_before_its_first_piece(tmp_path, monkeypatch, row, code, message):
    monkeypatch.setattr(text, "PIECE", 2000)
    lines = table(*(f"{value}" for value in range(400))) + row + table("1").partition(b"\n")[2]
    (tmp_path / "a.csv").write_bytes(lines)
    with pytest.raises(FileError, match=message) as refusal:
        next(read_file(tmp_path / "a.csv", Source("plant")))
    assert refusal.value.code == code


def test_empty_lines_hold_nothing(tmp_path):
    (tmp_path / "a.csv").write_bytes(table("1") + b"\n" + table("2").partition(b"\n")[2] + b"\r\n\n")
    assert read(tmp_path / "a.csv").readings["value"].to_list() == [1.0, 2.0]


def test_a_row_that_never_ends_is_refused_without_holding_the_file_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LONGEST_LINE", 500)
    monkeypatch.setattr(text, "PIECE", 200)
    (tmp_path / "a.csv").write_bytes(table("1") + b'"' + table(*["2"] * 200))
    with pytest.raises(FileError, match=r"a row of more than .* or a quotation mark that is never closed"):
        next(read_file(tmp_path / "a.csv", Source("plant")))


def test_parquet_in_pieces_is_the_whole(tmp_path, monkeypatch):
    frame = pl.DataFrame({"machine_id": "p", "sensor": "v", "recorded_at": pl.datetime_range(pl.datetime(2026, 1, 5), pl.datetime(2026, 1, 6), "1h", eager=True), "value": [float(n) for n in range(25)]})  # fmt: skip
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=7)
    whole = read(tmp_path / "a.parquet")
    monkeypatch.setattr("pipelines.importers.parquet.VALUES", 12)
    pieces = list(read_file(tmp_path / "a.parquet", Source("plant")))
    assert len(pieces) > 8
    assert_frame_equal(joined(pieces).readings, whole.readings)
