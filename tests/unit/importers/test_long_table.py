"""The long layout: what can be read is read, a broken cell is told, and no guess is made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pipelines.importers.formats import IMPORTERS, read_file
from pipelines.importers.parsed import BROKEN, KNOWN, READ, FileError, Parsed, joined
from pipelines.register import Source

HEAD = "machine_id,sensor,recorded_at,value\n"
LABELS = "machine_id,kind,label,started_at,ended_at\n"
AT = datetime(2026, 1, 5, tzinfo=UTC)
ROW = "pump-1,vibration_mm_s,2026-01-05T00:00:00Z,2.5\n"
CELLS = {"machine_id": ["pump-1"], "sensor": ["vibration_mm_s"], "recorded_at": [AT], "value": [2.5]}
KNOWN_CELLS = {"machine_id": ["pump-1"], "kind": ["fault"], "label": ["wear"], "started_at": [AT], "ended_at": [AT]}
READING = ("plant.pump-1", "vibration_mm_s", AT, 2.5, "good", 0)

Read = Callable[[str | bytes], Parsed]


def parsed_from(path: Path, zone: str = "UTC") -> Parsed:
    return joined(read_file(path, Source("plant", zone=zone)))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: str | bytes) -> Parsed:
        path = tmp_path / "monday.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return parsed_from(path)

    return write_and_read


@pytest.fixture
def read_parquet(tmp_path: Path) -> Callable[[pl.DataFrame], Parsed]:
    def write_and_read(frame: pl.DataFrame) -> Parsed:
        frame.write_parquet(tmp_path / "monday.parquet")
        return parsed_from(tmp_path / "monday.parquet")

    return write_and_read


def test_csv_and_parquet_of_the_same_rows_are_read_alike(read, read_parquet):
    from_csv, from_parquet = read(HEAD + ROW), read_parquet(pl.DataFrame(CELLS))
    assert from_csv.readings.rows() == from_parquet.readings.rows() == [READING]
    assert from_csv.readings.schema == from_parquet.readings.schema == READ
    assert from_csv.rows == from_parquet.rows == 1


@pytest.mark.parametrize(
    "content",
    [
        HEAD.replace("\n", "\r\n") + ROW.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + (HEAD + ROW).encode(),
        "value,recorded_at,sensor,machine_id\n2.5,2026-01-05T00:00:00Z,vibration_mm_s,pump-1\n",
        HEAD + ROW.replace("pump-1", "plant.pump-1"),
        HEAD + ROW.replace("vibration_mm_s", '"vibration_mm_s"'),
    ],
    ids=["CRLF", "byte order mark", "other order", "name with its source", "quotes"],
)
def test_what_says_the_same_is_read_the_same(read, content):
    assert read(content).readings.rows() == [READING]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-05T06:00:00Z", 6.0),
        ("2026-01-05T06:00:00z", 6.0),
        ("2026-01-05 06:00:00", 6.0),
        ("2026-01-05T06:00", 6.0),
        ("2026-01-05T06:00:00.250Z", 6.0 + 0.25 / 3600),
        ("2026-01-05T06:00:00+01:00", 5.0),
        ("2026-01-05 06:00:00+01:00", 5.0),
        ("2026-01-05T06:00:00-05:30", 11.5),
        ("2026-01-05T00:30:00+01:00", -0.5),
    ],
)
def test_a_time_is_read_as_utc_whatever_zone_it_names(read, text, hour):
    at = read(HEAD + ROW.replace("2026-01-05T00:00:00Z", text)).readings["recorded_at"].item()
    assert (at - AT).total_seconds() / 3600 == pytest.approx(hour)


BERLIN = [
    ("2026-03-29 01:59:59", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
    ("2026-03-29 02:00:00", "recorded_at: never in Europe/Berlin: the clock was put forward over it"),
    ("2026-03-29 02:59:59", "recorded_at: never in Europe/Berlin: the clock was put forward over it"),
    ("2026-03-29 03:00:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("2026-10-25 01:59:59", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
    ("2026-10-25 02:00:00", "recorded_at: twice in Europe/Berlin: the clock was put back over it"),
    ("2026-10-25 02:59:59", "recorded_at: twice in Europe/Berlin: the clock was put back over it"),
    ("2026-10-25 03:00:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "expected"), BERLIN)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_time_without_a_zone_is_of_the_declared_one_or_is_refused_where_that_says_no_moment(
    tmp_path, ending, text, expected
):
    path = tmp_path / f"monday.{ending}"
    frame = pl.DataFrame(CELLS | {"recorded_at": [text]})
    if ending == "csv":
        frame.write_csv(path)
    else:
        frame.with_columns(pl.col("recorded_at").str.to_datetime()).write_parquet(path)
    parsed = parsed_from(path, "Europe/Berlin")
    assert [*parsed.readings["recorded_at"], *parsed.broken["reasons"]] == [expected]


def test_a_time_that_names_its_zone_is_read_the_same_whatever_zone_is_declared(tmp_path):
    rows = (ROW.replace("00:00:00Z", text) for text in ("02:30:00Z", "02:30:00+01:00"))
    (tmp_path / "monday.csv").write_text((HEAD + "".join(rows)).replace("2026-01-05", "2026-03-29"))
    read = [parsed_from(tmp_path / "monday.csv", zone) for zone in ("UTC", "Europe/Berlin")]
    assert read[0].readings.equals(read[1].readings)
    assert [parsed.broken.height for parsed in read] == [0, 0]


@pytest.mark.parametrize(("change", "offsets"), [("2026-03-29T01:00", (1, 2)), ("2026-10-25T01:00", (2, 1))])
@given(st.lists(st.integers(-4 * 3600, 4 * 3600), min_size=1, max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_around_a_change_of_the_clock_a_local_time_is_its_only_moment_or_is_refused(tmp_path, change, offsets, seconds):
    """Of the two offsets those count that hold at the moment they give: one is the time, two or none are refused."""
    change = datetime.fromisoformat(change)  # in UTC
    local = [change + timedelta(seconds=second) for second in seconds]
    pl.DataFrame(
        {"machine_id": "pump-1", "sensor": "v", "recorded_at": [f"{at:%F %T}" for at in local], "value": 1.0}
    ).write_csv(tmp_path / "monday.csv")
    parsed = parsed_from(tmp_path / "monday.csv", "Europe/Berlin")
    read = dict(parsed.readings.select("batch_row", "recorded_at").rows())
    refused = dict(parsed.broken.select("batch_row", "reasons").rows())
    for row, at in enumerate(local):
        before, after = (at - timedelta(hours=offset) for offset in offsets)
        moments = [m for m in (before,) if m < change] + [m for m in (after,) if m >= change]
        event(f"{len(moments)} moments")
        if len(moments) == 1:
            assert read.pop(row) == moments[0].replace(tzinfo=UTC)
        else:
            assert refused.pop(row).startswith("recorded_at: twice" if moments else "recorded_at: never")
    assert not read
    assert not refused


@pytest.mark.parametrize(
    ("cells", "broken"),
    [
        ("pump-1,v,2026-01-05T00:00:00Z,high", (1, "value", "high", "value: not a number")),
        ('pump-1,v,2026-01-05T00:00:00Z,"2,5"', (1, "value", "2,5", "value: not a number")),
        ("pump-1,v,yesterday,2.5", (1, "recorded_at", "yesterday", "recorded_at: not a time")),
        ("pump-1,v,2026-02-30T00:00:00Z,2.5", (1, "recorded_at", "2026-02-30T00:00:00Z", "recorded_at: not a time")),
        ("pump-1,v,05.01.2026 06:00,2.5", (1, "recorded_at", "05.01.2026 06:00", "recorded_at: not a time")),
        ("pump-1,v,,2.5", (1, "recorded_at", "", "recorded_at: missing")),
    ],
)
def test_a_cell_that_is_no_value_is_told_and_the_other_rows_are_read(read, cells, broken):
    parsed = read(f"{HEAD}{ROW}{cells}\n{ROW}")
    assert parsed.broken.rows() == [broken]
    assert parsed.broken.schema == BROKEN
    assert parsed.readings["batch_row"].to_list() == [0, 2]
    assert parsed.rows == 3


def test_an_empty_cell_is_no_reading_and_no_mistake(read):
    parsed = read(HEAD + ROW + "pump-1,vibration_mm_s,2026-01-05T01:00:00Z,\n")
    assert (parsed.rows, parsed.readings.height, parsed.broken.height) == (2, 1, 0)


@pytest.mark.parametrize("name", ["", '""', "plant."])
def test_a_row_without_a_machine_names_none(read, name):
    assert read(HEAD + ROW.replace("pump-1", name)).readings["machine_id"].to_list() == [None]


@pytest.mark.parametrize(
    ("name", "machine"),
    [("pump-1", "plant.pump-1"), ("plant.pump-1", "plant.pump-1"), ("plant2.x", "plant.plant2.x"), ("7", "plant.7")],
)
def test_every_machine_is_named_after_its_source(read, name, machine):
    assert read(HEAD + ROW.replace("pump-1", name)).readings["machine_id"].item() == machine


def test_quality_is_read_where_it_is_sent_and_good_where_it_is_not(read):
    parsed = read(HEAD.replace("value", "value,quality") + ROW.replace("2.5", "2.5,bad") + ROW.replace("2.5", "2.5,"))
    assert parsed.readings["quality"].to_list() == ["bad", "good"]


def test_a_header_alone_holds_no_rows(read):
    parsed = read(HEAD)
    assert (parsed.rows, parsed.readings.schema, parsed.readings.height) == (0, READ, 0)


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("", "empty", "the file is empty"),
        ("\n" + HEAD, "empty", "the file is empty; expected a header line"),
        (
            HEAD.replace(",value", "") + ROW,
            "wrong_columns",
            "expected machine_id, sensor, recorded_at, value[, quality]",
        ),
        (
            HEAD.replace("value", "reading") + ROW,
            "wrong_columns",
            "found ['machine_id', 'sensor', 'recorded_at', 'reading']",
        ),
        (HEAD.replace("value", "value,colour") + ROW, "wrong_columns", "'colour'"),
        (HEAD.replace("value", "value,value") + ROW, "wrong_columns", "'value', 'value'"),
        (HEAD.replace(",", "|"), "wrong_columns", "machine_id|sensor"),
        (b"\xff\xfe" + HEAD.encode(), "not_text", "no UTF-8 text"),
        (HEAD.encode() + b"pump\xff,v,2026-01-05T00:00:00Z,1\n", "not_text", "row 0 holds invalid utf-8"),
        (HEAD + ROW.replace("2.5", "2,5") + ROW, "not_csv", "row 0 has 5 cells, more than the 4 columns"),
        (HEAD + '"pump-1,v,2026-01-05T00:00:00Z,1\n' + ROW, "cut_short", "a quotation mark is never closed"),
        (
            HEAD + ROW + 'pump "1",v,2026-01-05T00:00:00Z,1\n',
            "not_csv",
            "near row 1 a quotation mark stands inside a cell",
        ),
        (HEAD + ROW.replace(",2.5", "") + ROW, "not_csv", "row 0 has 3 cells, fewer than the 4 columns"),
    ],
)
def test_a_file_that_is_not_the_layout_is_refused_with_what_was_found(read, content, code, told):
    with pytest.raises(FileError) as refusal:
        read(content)
    assert refusal.value.code == code
    assert str(refusal.value).startswith("monday.csv: ")
    assert told in str(refusal.value)


@pytest.mark.parametrize("cut", range(1, len(ROW)))
def test_a_file_that_was_cut_in_its_last_line_is_refused_with_place_and_remedy(read, cut):
    with pytest.raises(FileError, match=r"monday.csv: .*last line.*Send the whole file again") as refusal:
        read((HEAD + ROW + ROW)[:-cut])
    assert refusal.value.code == "cut_short"


def test_labels_are_known_truth_and_no_readings(read, read_parquet):
    rows = (
        "pump-1,fault,wear,2026-01-05T00:00:00Z,2026-01-05T00:00:00Z\n"
        "plant.pump-2,failure,wear,2026-01-05T01:00:00+01:00,\n"
    )
    parsed = read(LABELS + rows)
    assert parsed.labels.rows() == [
        ("plant.pump-1", "fault", "wear", AT, AT, 0),
        ("plant.pump-2", "failure", "wear", AT, None, 1),
    ]
    assert parsed.labels.schema == read_parquet(pl.DataFrame(KNOWN_CELLS)).labels.schema == KNOWN
    assert read_parquet(pl.DataFrame(KNOWN_CELLS)).labels.rows() == parsed.labels.rows()[:1]
    assert (parsed.rows, parsed.readings.height, parsed.broken.height) == (2, 0, 0)


def test_labels_that_have_no_end_yet_are_read_from_parquet_too(read_parquet):
    assert read_parquet(pl.DataFrame(KNOWN_CELLS | {"ended_at": [None]})).labels["ended_at"].to_list() == [None]


def test_an_end_that_cannot_be_read_is_not_taken_for_none(read):
    parsed = read(LABELS + "pump-1,fault,wear,2026-01-05T00:00:00Z,soon\n")
    assert parsed.labels.is_empty()
    assert parsed.broken.rows() == [(0, "ended_at", "soon", "ended_at: not a time")]


def test_a_file_with_another_ending_is_refused(tmp_path):
    (tmp_path / "monday.xlsx").write_bytes(b"PK")
    with pytest.raises(FileError, match=r"monday.xlsx: expected a .csv or .parquet file"):
        parsed_from(tmp_path / "monday.xlsx")


def test_an_ending_in_capitals_is_the_same_ending(tmp_path):
    (tmp_path / "MONDAY.CSV").write_text(HEAD + ROW)
    assert parsed_from(tmp_path / "MONDAY.CSV").readings.rows() == [READING]


@pytest.mark.parametrize(
    "cells",
    [
        {"value": pl.Series([2], dtype=pl.Int16)},
        {"value": pl.Series([2.0], dtype=pl.Float32)},
        {"recorded_at": pl.Series([AT]).dt.cast_time_unit("ns")},
        {"recorded_at": pl.Series([AT]).dt.convert_time_zone("Asia/Tokyo")},
        {"recorded_at": [AT.replace(tzinfo=None)]},
        {"machine_id": pl.Series(["pump-1"], dtype=pl.Categorical)},
        {"quality": ["good"]},
        {"quality": pl.Series([None], dtype=pl.Null)},
    ],
    ids=["whole numbers", "short floats", "nanoseconds", "a zone", "no zone", "categories", "quality", "no quality"],
)
def test_parquet_types_that_hold_the_same_are_taken(read_parquet, cells):
    readings = read_parquet(pl.DataFrame(CELLS | cells)).readings
    assert readings.schema == READ
    assert readings.select("machine_id", "recorded_at", "quality").rows() == [("plant.pump-1", AT, "good")]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (CELLS | {"value": ["2.5"]}, "value is String; expected a number"),
        (CELLS | {"value": [True]}, "value is Boolean; expected a number"),
        (CELLS | {"recorded_at": [1767571200]}, "recorded_at is Int64; expected a timestamp"),
        (CELLS | {"recorded_at": ["2026-01-05"]}, "recorded_at is String; expected a timestamp"),
        (CELLS | {"machine_id": [["pump-1"]]}, r"machine_id is List\(String\); expected text"),
        (CELLS | {"sensor": [b"\xff"]}, "sensor is Binary; expected text"),
        (CELLS | {"quality": [["good"]]}, r"quality is List\(String\); expected text"),
        (KNOWN_CELLS | {"started_at": [AT.time()]}, "started_at is Time; expected a timestamp"),
        (KNOWN_CELLS | {"ended_at": ["2026-01-05"]}, "ended_at is String; expected a timestamp"),
        (KNOWN_CELLS | {"label": [{"a": 1}]}, r"label is Struct.*; expected text"),
    ],
)
def test_parquet_of_other_types_is_refused_by_column(read_parquet, cells, told):
    with pytest.raises(FileError, match=f"^monday.parquet: {told}") as refusal:
        read_parquet(pl.DataFrame(cells))
    assert refusal.value.code == "wrong_type"


def test_a_date_of_parquet_is_its_midnight(read_parquet):
    parsed = read_parquet(pl.DataFrame(CELLS | {"recorded_at": [AT.date()]}))
    assert parsed.readings["recorded_at"].to_list() == [AT.replace(hour=0, minute=0, second=0, microsecond=0)]


def test_parquet_with_other_columns_is_refused(read_parquet):
    with pytest.raises(FileError, match=r"expected machine_id, .*; found \['machine_id', 'sensor', 'recorded_at'\]"):
        read_parquet(pl.DataFrame(CELLS).drop("value"))


def test_a_parquet_row_without_a_time_is_told(read_parquet):
    parsed = read_parquet(pl.DataFrame(CELLS | {"recorded_at": pl.Series([None], dtype=pl.Datetime("us", "UTC"))}))
    assert parsed.broken.rows() == [(0, "recorded_at", "", "recorded_at: missing")]


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(FileError, match=r"source plant: no importer 'opc'; known are readings, kaggle-pump"):
        next(read_file(Path("monday.csv"), Source("plant", "opc")))


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    frame = pl.DataFrame({name: cells * 20 for name, cells in CELLS.items()})
    frame.write_parquet(tmp_path / "monday.parquet", compression="uncompressed", statistics=False)
    return tmp_path / "monday.parquet"


def outcome(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    try:
        return f"{parsed_from(path).rows} rows"
    except FileError as error:
        return error.code


def test_a_parquet_file_is_refused_wherever_it_was_cut(parquet):
    whole = parquet.read_bytes()
    assert {outcome(parquet, whole[:length]) for length in range(1, len(whole), 7)} == {"not_parquet"}


def test_a_parquet_file_is_refused_or_read_and_never_a_crash_wherever_it_was_damaged(parquet):
    whole = parquet.read_bytes()
    damaged = [
        whole[:place] + bytes([whole[place] ^ (1 if place % 4 else 128)]) + whole[place + 1 :]
        for place in range(0, len(whole), 2)
    ]
    assert {"not_parquet", "20 rows"} <= {outcome(parquet, content) for content in damaged}


LINES = st.text('pump-1,vZ:T0."\n\r\t ;é\0', max_size=30) | st.just(ROW) | st.just(ROW.replace("2.5", "high"))


@given(st.sampled_from([HEAD, LABELS, ""]), st.lists(LINES, max_size=5))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_a_csv_file_holds_it_is_refused_or_every_row_is_told_apart(read, head, lines):
    try:
        parsed = read(head + "".join(lines))
    except FileError as error:
        event(error.code)
        return
    told = [*parsed.readings["batch_row"], *parsed.labels["batch_row"], *parsed.broken["batch_row"]]
    event(f"read: rows {parsed.rows > 0}, broken {not parsed.broken.is_empty()}")
    assert set(told) <= set(range(parsed.rows))
    assert (parsed.readings.schema, parsed.labels.schema, parsed.broken.schema) == (READ, KNOWN, BROKEN)


def test_every_importer_is_known_by_its_format():
    assert {"readings", "kaggle-pump", "ai4i", "cmapss", "skab", "azure-pdm", "table"} <= set(IMPORTERS)
