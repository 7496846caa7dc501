"""Any table by its mapping: every column has a purpose, and what cannot be meant lands nowhere."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from unit.importers.written import Dialect, write

from pipelines.importers import text
from pipelines.importers.formats import read_file
from pipelines.importers.guess import draft
from pipelines.importers.mapping import MappingError, parse_mapping
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.importers.units import UnitError
from pipelines.register import Source

AT = datetime(2026, 1, 5, 6, tzinfo=UTC)
WIDE = """
time = "when"
machine = { column = "unit" }
ignore = ["note"]
[sensors]
"oil temp" = { sensor = "oil_c", unit = "degF" }
speed = "speed_rpm"
[labels]
state = { kind = "status" }
"""
HEAD = ("when", "unit", "oil temp", "speed", "state", "note")
LINES = [
    ("2026-01-05T06:00:00Z", "a", "212", "1500", "ok", "x"),
    ("2026-01-05T06:01:00Z", "b", "32", "", "ok", ""),
    ("2026-01-05T06:02:00Z", "a", "50", "1510", "ok", "y"),
    ("2026-01-05T06:03:00Z", "a", "hot", "1520", "hot", "y"),
]
LONG = """
time = { column = "t", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
machine = "press"
long = { sensor = "tag", value = "reading", unit = "uom" }
[sensors]
T1 = { sensor = "oil_c" }
P1 = { sensor = "oil_bar" }
"""


def read(path: Path, mapping: str, zone: str = "UTC") -> Parsed:
    return joined(read_file(path, Source("x", "table", zone=zone, table=tomllib.loads(mapping))))


def test_a_wide_table_gives_a_reading_a_cell_in_the_units_of_the_names(tmp_path):
    parsed = read(write(tmp_path, "a.csv", [HEAD, *LINES]), WIDE)
    found = parsed.readings.sort("batch_row", "sensor").select("machine_id", "sensor", "recorded_at", "value").rows()
    minutes = [AT + timedelta(minutes=minute) for minute in range(4)]
    assert found == [
        ("x.a", "oil_c", minutes[0], 100.0),
        ("x.a", "speed_rpm", minutes[0], 1500.0),
        ("x.b", "oil_c", minutes[1], 0.0),
        ("x.a", "oil_c", minutes[2], 10.0),
        ("x.a", "speed_rpm", minutes[2], 1510.0),
        ("x.a", "speed_rpm", minutes[3], 1520.0),
    ]
    assert parsed.broken.rows() == [(3, "oil temp", "hot", "value: not a number")]


@pytest.mark.parametrize("size", [40, 1 << 20])
def test_runs_of_a_condition_are_told_machine_by_machine(tmp_path, monkeypatch, size):
    monkeypatch.setattr(text, "PIECE", size)
    labels = read(write(tmp_path, "a.csv", [HEAD, *LINES]), WIDE).labels.sort("batch_row")
    assert labels.select("machine_id", "label", "started_at", "ended_at", "batch_row").rows() == [
        ("x.a", "ok", AT, AT + timedelta(minutes=2), 0),
        ("x.b", "ok", AT + timedelta(minutes=1), AT + timedelta(minutes=1), 1),
        ("x.a", "hot", AT + timedelta(minutes=3), AT + timedelta(minutes=3), 3),
    ]


def test_parquet_of_the_same_rows_is_read_alike(tmp_path):
    lines = LINES[:3]
    csv = read(write(tmp_path, "a.csv", [HEAD, *lines]), WIDE)
    frame = pl.DataFrame([[cell or None for cell in line] for line in lines], schema=list(HEAD), orient="row")
    frame.with_columns(
        pl.col("when").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
        pl.col("oil temp", "speed").cast(pl.Float64),
    ).write_parquet(tmp_path / "a.parquet")
    parquet = read(tmp_path / "a.parquet", WIDE)
    assert parquet.readings.equals(csv.readings)
    assert parquet.labels.equals(csv.labels)


def test_a_long_table_takes_the_unit_of_each_row(tmp_path):
    rows = [
        ("t", "tag", "reading", "uom"),
        ("05.01.2026 07:00", "T1", "77,0", "degF"),
        ("05.01.2026 07:00", "P1", "2,5", "bar"),
        ("05.01.2026 07:01", "P1", "250,0", "kPa"),
        ("05.01.2026 07:02", "P1", "1,0", "degF"),
        ("05.01.2026 07:03", "X9", "1,0", "bar"),
        ("soon", "T1", "1,0", "degC"),
    ]
    parsed = read(write(tmp_path, "a.csv", rows, Dialect(";")), LONG)
    assert parsed.readings.select("machine_id", "sensor", "recorded_at", "value").rows() == [
        ("x.press", "oil_c", AT, 25.0),
        ("x.press", "oil_bar", AT, 2.5),
        ("x.press", "oil_bar", AT + timedelta(minutes=1), 2.5),
    ]
    assert parsed.broken.sort("batch_row").select("batch_row", "column", "found").rows() == [
        (3, "tag", "P1"),
        (4, "tag", "X9"),
        (5, "t", "soon"),
    ]


def test_a_sensor_that_the_mapping_of_a_long_table_does_not_list_is_told(tmp_path):
    mapping = 'time = "t"\nmachine = "m"\nlong = { sensor = "tag", value = "v" }\n'
    rows = [("t", "tag", "v"), ("2026-01-05T06:00:00Z", "T1", "1"), ("2026-01-05T06:00:00Z", "X9", "2")]
    path = write(tmp_path, "a.csv", rows)
    listed = read(path, mapping + 'sensors = { T1 = "oil_c" }')
    assert listed.readings["sensor"].to_list() == ["oil_c"]
    assert listed.broken.rows() == [(1, "tag", "X9", "sensor 'X9' is not in the mapping")]
    assert read(path, mapping).readings["sensor"].to_list() == ["T1", "X9"]


FLAGS = """
time = "t"
machine = "m"
[labels]
TWF = { kind = "fault", as = "flags" }
"Over strain" = { kind = "fault", as = "flags", label = "osf" }
"""


def flagged(*cells: tuple[str, str]) -> list[tuple[str, ...]]:
    rows = [(f"2026-01-05T06:{minute:02d}:00Z", *flags) for minute, flags in enumerate(cells)]
    return [("t", "TWF", "Over strain"), *rows]


@pytest.mark.parametrize(("false", "true"), [("0", "1"), ("0.0", "1.0"), ("false", "TRUE"), ("", " 1 ")])
def test_flags_of_one_kind_are_labels_of_their_own_while_they_are_true(tmp_path, monkeypatch, false, true):
    monkeypatch.setattr(text, "PIECE", 60)
    rows = flagged((false, true), (true, true), (true, false), (false, false), (true, true))
    labels = read(write(tmp_path, "a.csv", rows), FLAGS).labels.sort("label", "started_at")
    minutes = [AT + timedelta(minutes=minute) for minute in range(5)]
    assert labels.select("kind", "label", "started_at", "ended_at").rows() == [
        ("fault", "TWF", minutes[1], minutes[2]),
        ("fault", "TWF", minutes[4], minutes[4]),
        ("fault", "osf", minutes[0], minutes[1]),
        ("fault", "osf", minutes[4], minutes[4]),
    ]


@pytest.mark.parametrize("cast", [pl.Boolean, pl.Int8, pl.Float64])
def test_flags_of_parquet_are_read_whatever_their_type(tmp_path, cast):
    frame = pl.DataFrame({"t": [AT, AT + timedelta(minutes=1)], "TWF": [0, 1], "Over strain": [1, 0]})
    frame.with_columns(pl.col("TWF", "Over strain").cast(cast)).write_parquet(tmp_path / "a.parquet")
    assert sorted(read(tmp_path / "a.parquet", FLAGS).labels["label"]) == ["TWF", "osf"]


def test_a_flag_that_is_neither_true_nor_false_is_told(tmp_path):
    parsed = read(write(tmp_path, "a.csv", flagged(("1", "0"), ("2", "0"), ("1", "0"))), FLAGS)
    assert parsed.broken.rows() == [(1, "TWF", "2", "TWF: expected 0 or 1, false or true")]
    assert parsed.labels["started_at"].to_list() == [AT, AT + timedelta(minutes=2)]


@pytest.mark.parametrize(
    ("time", "zone", "at"),
    [("2026-01-05", "UTC", datetime(2026, 1, 5, tzinfo=UTC)), ("2026-07-05", "Europe/Berlin", datetime(2026, 7, 4, 22, tzinfo=UTC))],
)  # fmt: skip
def test_a_plain_date_is_its_midnight_in_the_zone(tmp_path, time, zone, at):
    mapping = 'time = "t"\nmachine = "m"\nsensors = { v = "v" }'
    path = write(tmp_path, "a.csv", [("t", "v"), (time, "1.5")])
    assert read(path, mapping, zone).readings["recorded_at"].to_list() == [at]
    frame = pl.DataFrame({"t": [time], "v": [1.5]}).with_columns(pl.col("t").str.to_date())
    frame.write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", mapping, zone).readings["recorded_at"].to_list() == [at]


def test_a_time_is_no_value_of_a_sensor(tmp_path):
    frame = pl.DataFrame({"t": [AT], "v": [AT], "w": [AT.date()]})
    frame.write_parquet(tmp_path / "a.parquet")
    parsed = read(tmp_path / "a.parquet", 'time = "t"\nmachine = "m"\nsensors = { v = "v", w = "w" }')
    assert parsed.readings.is_empty()
    assert parsed.broken["column"].to_list() == ["v", "w"]


def test_a_draft_knows_a_plain_date(tmp_path):
    assert 'time = { column = "day" }' in drafted(tmp_path, [("day", "v"), ("2026-01-05", "1.5")])
    pl.DataFrame({"day": [AT.date()], "v": [1.5]}).write_parquet(tmp_path / "a.parquet")
    assert 'time = { column = "day" }' in draft(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("first", "rows", "is_dropped"), [(0, 30, True), (1, 30, True), (1, 2, False), (1, 9, False), (20, 30, False)]
)
def test_a_draft_leaves_out_what_counts_many_rows_from_their_first(tmp_path, first, rows, is_dropped):
    lines = [(f"2026-01-05T06:{row:02d}:00Z", str(first + row)) for row in range(rows)]
    told = drafted(tmp_path, [("t", "level"), *lines])
    assert ("counts the rows" in told) == is_dropped
    assert ("[sensors]" in told) != is_dropped


def test_a_draft_of_words_and_flags_can_be_imported_as_it_is(tmp_path):
    rows = [("t", "v", "status", "class", "fault A", "fault_b"), ("2026-01-05T06:00:00Z", "1.5", "ok", "x", "1", "1")]
    told = drafted(tmp_path, rows)
    assert sorted(read(tmp_path / "line 7.csv", told).labels.select("kind", "label").rows()) == [
        ("class_status", "x"),
        ("fault", "fault_a"),
        ("fault", "fault_b"),
        ("status", "ok"),
    ]


def test_a_table_with_two_columns_of_one_name_cannot_be_drafted(tmp_path):
    with pytest.raises(FileError, match="two columns have the same name"):
        drafted(tmp_path, [("t", "v", "v"), ("2026-01-05T06:00:00Z", "1", "2")])


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ([*HEAD[:-1], "remark"], r"missing \['note'\], surplus \['remark'\]"),
        (HEAD[:-1], r"expected 6 columns, found 5: missing \['note'\]"),
        ([*HEAD, "further"], r"surplus \['further'\]"),
        ([*HEAD, "note"], "expected 6 columns, found 7"),
    ],
)
def test_a_column_without_a_purpose_or_a_purpose_without_its_column_is_told(tmp_path, head, told):
    with pytest.raises(FileError, match=told):
        read(write(tmp_path, "a.csv", [head]), WIDE)


def test_a_source_without_a_mapping_is_told_what_to_do(tmp_path):
    with pytest.raises(FileError, match=r"expected \[sources.x.table\] in the register: `--guess` drafts it"):
        next(read_file(write(tmp_path, "a.csv", [HEAD]), Source("x", "table")))


def test_rows_without_a_clock_are_timed_by_their_order_whatever_the_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIECE", 3)
    mapping = 'time = { start = 2026-01-05T06:00:00Z, step = "1m" }\nmachine = { names = ["a", "b"], rows = 2 }\nsensors = { v = "v" }'
    parsed = read(write(tmp_path, "a.csv", [("v",), *((str(row),) for row in range(5))]), mapping)
    assert parsed.readings.select("machine_id", "recorded_at").rows() == [
        (machine, AT + timedelta(minutes=minute)) for minute, machine in enumerate(["x.a", "x.a", "x.b", "x.b", None])
    ]


def test_a_machine_may_be_named_by_several_columns(tmp_path):
    mapping = 'time = "t"\nmachine = { column = ["c", "b"], prefix = "Bearing" }\nsensors = { v = "v" }'
    parsed = read(write(tmp_path, "a.csv", [("t", "c", "b", "v"), ("2026-01-05T06:00:00Z", "1", "2", "7")]), mapping)
    assert parsed.readings["machine_id"].to_list() == ["x.Bearing1_2"]


MINIMAL = {"time": "t", "machine": "m", "sensors": {"v": "v"}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": 1}, "table: unknown colour; known are"),
        ({"time": None}, "time: found None; expected the name of a column"),
        ({"time": {"start": AT, "step": "soon"}}, "time.step: found 'soon'; expected such as"),
        ({"time": {"start": AT.replace(tzinfo=None), "step": "1m"}}, "time.start: .* expected a time with a zone"),
        ({"time": {"column": "t", "zone": "Mars"}}, "time.zone: found 'Mars'; expected an IANA name"),
        ({"machine": "a b"}, "machine: found 'a b'; expected a name that matches"),
        ({"machine": {"names": ["a"], "rows": 0}}, "machine: found .*; expected a name"),
        ({"sensors": {}}, "neither sensors nor long nor labels"),
        ({"sensors": {"v": {"sensor": "a b"}}}, "sensors.v: sensor is 'a b'"),
        ({"sensors": {"v": "x", "w": "x"}}, "'x' is the name of two columns"),
        ({"long": {"sensor": "s"}}, "long: found .*; expected"),
        ({"labels": {"s": {"kind": "status", "as": "spans"}}}, "labels.s: as is 'spans'; expected"),
        ({"labels": {"s": {}}}, "labels.s: kind is None"),
        ({"labels": {"a": {"kind": "x"}, "b": {"kind": "x"}}}, "'a' and 'b' are both of kind 'x'.* as = \"flags\""),
        ({"labels": {"a": {"kind": "x"}, "b": {"kind": "x", "as": "flags"}}}, "'a' and 'b' are both of kind 'x'"),
        (
            {"labels": {n: {"kind": "x", "as": "flags", "label": "y"} for n in "ab"}},
            "'a' and 'b' are both of kind 'x' .* label 'y'",
        ),
        ({"labels": {"a b": {"kind": "x", "as": "flags"}}}, "labels.a b: label is 'a b'; expected a name"),
        ({"labels": {"a": {"kind": "x", "label": "y"}}}, 'labels.a: label goes with as = "flags"'),
        ({"ignore": "note"}, "ignore: found 'note'; expected a list"),
        ({"ignore": ["v"]}, "column 'v' is named for two purposes"),
        ({"decimal": ";"}, "decimal: found ';'"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_told_by_its_key(change: dict[str, Any], told):
    assert parse_mapping(MINIMAL).columns == ("t", "v")
    with pytest.raises(MappingError, match=told):
        parse_mapping(MINIMAL | change)


def test_a_unit_that_cannot_be_meant_stops_the_import_before_anything_lands(tmp_path):
    mapping = WIDE.replace("degF", "bar")
    with pytest.raises(UnitError, match=r"sensors.oil temp: sensor 'oil_c' is in degC, and 'bar' cannot be converted"):
        read(write(tmp_path, "a.csv", [HEAD, *LINES]), mapping)


def drafted(tmp_path: Path, rows: list[tuple[str, ...]], **dialect: Any) -> str:
    return draft(write(tmp_path, "line 7.csv", rows, Dialect(**dialect)))


def test_a_draft_can_be_imported_as_it_is_where_nothing_is_in_doubt(tmp_path):
    rows = [("time", "machine", "Oil [degF]", "row"), *((f"2026-01-05T06:{row:02d}:00Z", "ab"[row % 2], "212,5", str(row + 1)) for row in range(10))]  # fmt: skip
    told = drafted(tmp_path, rows, separator=";")
    parsed = read(tmp_path / "line 7.csv", told)
    assert parsed.readings.select("machine_id", "sensor").rows() == [("x.a", "oil_c"), ("x.b", "oil_c")] * 5
    assert '"row",  # counts the rows' in told
    assert "becomes degC" not in told.splitlines()[0]


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (["05/01/2026 06:00:00", "06/01/2026 06:00:00"], "no row tells the day from the month"),
        (["soon", "later"], "No column holds a time"),
    ],
)
def test_what_cannot_be_told_is_said_and_the_draft_is_refused_until_it_is_filled_in(tmp_path, times, told):
    found = drafted(tmp_path, [("t", "v"), *((time, "1.5") for time in times)])
    assert told in found
    with pytest.raises(MappingError, match="time: found None"):
        parse_mapping(tomllib.loads(found))


@pytest.mark.parametrize(
    ("time", "form"),
    [
        ("25/01/2026 06:00:00", "%d/%m/%Y %H:%M:%S"),
        ("01/25/2026 06:00", "%m/%d/%Y %H:%M"),
        ("05.01.2026 06:00", "%d.%m.%Y %H:%M"),
        ("2026.01.05.06.00.00", "%Y.%m.%d.%H.%M.%S"),
    ],
)
def test_a_form_of_time_that_the_rows_tell_is_drafted(tmp_path, time, form):
    assert f'format = "{form}"' in drafted(tmp_path, [("t", "v"), (time, "1.5"), (time, "1.7")])


def test_a_draft_says_what_a_person_must_check(tmp_path):
    rows = [("start", "end", "v", "status"), *(("2026-01-05 06:00:00", "2026-01-05 07:00:00", "1.5", "ok"),) * 3]
    told = drafted(tmp_path, rows)
    assert 'Several columns hold times: "start" comes first, then "end"' in told
    assert "Its times name no zone" in told
    assert "No column names a machine" in told
    assert "Known truth goes to the labels" in told


def test_a_long_table_is_drafted_as_one(tmp_path):
    rows = [("timestamp", "device", "tag", "value", "unit"), ("2026-01-05T06:00:00Z", "p1", "t_c", "212", "degF")]
    told = drafted(tmp_path, rows)
    assert read(tmp_path / "line 7.csv", told).readings.select("machine_id", "sensor", "value").rows() == [
        ("x.p1", "t_c", 100.0)
    ]


ORDER = 'time = { start = 2004-01-01T00:00:00Z, step = "10s" }\nmachine = "rig"\n'
INTERVALS = """
time = "start"
machine = "pump"
ignore = ["rows"]
labels = { machine_status = { kind = "status", until = "end" } }
"""
BLOCKS = """
time = "Timestamp"
machine = { names = ["bearing-1", "bearing-2", "bearing-3", "bearing-4"], rows = 984 }
ignore = ["fault"]
"""
DERIVED = [
    ("nab", "data/realKnownCause/machine_temperature_system_failure.csv", 'time = "timestamp"\nmachine = "press"', [], 22_695),
    ("kaggle_pump", "derived_machine_status_intervals.csv", INTERVALS, None, 22),
    ("kaggle_pump", "derived_null_counts.csv", ORDER, ["column"], 54),
    ("nasa_ims", "derived/2nd_test_resmaple_10minutes.csv", 'time = { column = "Datetime", format = "%Y.%m.%d.%H.%M.%S" }\nmachine = "rig"', [""], 984),
    ("nasa_ims", "derived/Test2.csv", BLOCKS, ["fault"], 3_936),
    ("nasa_ims", "derived/test2_raw.csv", 'time = "timestamp"\nmachine = "rig"', ["file_index", "filename"], 984),
    ("nasa_ims", "derived/test2_spectral.csv", ORDER, ["file_index"], 984),
    ("mimii", "derived/fan_6dB_id00_features_normal_0001_0600.csv", ORDER, ["label", "id", "clip_fk"], 600),
    ("mimii", "manifest.csv", ORDER, ["path", "dataset", "snr", "machine", "machine_id", "label", "channel", "source_repository", "source_file"], 16),
    ("xjtu_sy", "metadata_third_party/metainfo.csv", ORDER, ["OperatingCondition", "BearingID", "FaultComponent"], 15),
    *(
        ("femto_pronostia", f"derived/Bearing{name}_acc_statistics.csv", ORDER, ["file", "index", "hour", "minute", "second", "fraction", "rows", "columns", "separator"], files)
        for name, files in {"1_1": 2_803, "1_2": 871, "2_1": 911, "2_2": 797, "3_1": 515, "3_2": 1_637}.items()
    ),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "name", "mapping", "ignore", "rows"), DERIVED, ids=lambda value: str(value)[:40])
def test_the_derived_tables_import_with_every_column_named(data_dir, folder, name, mapping, ignore, rows):
    path = data_dir(folder) / name
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline().rstrip("\r\n").split(",")
    table = tomllib.loads(mapping)
    if ignore is not None:
        timed = table["time"] if isinstance(table["time"], str) else table["time"].get("column")
        sensors = [column for column in head if column not in (timed, *ignore)]
        table |= {"ignore": ignore, "sensors": {column: f"s{place}" for place, column in enumerate(sensors)}}
    parsed = joined(read_file(path, Source("x", "table", table=table)))
    assert (parsed.rows, parsed.broken.height) == (rows, 0)
    assert parsed.readings.height == rows * len(table.get("sensors", {})) or name.startswith("mimii")


def test_the_repeated_hour_of_the_nab_series_is_twelve_corrections_of_one_clock(data_dir):
    """Its naive clock goes back an hour: of the twelve times that stand there twice the later row wins when it lands."""
    mapping = 'time = "timestamp"\nmachine = "press"\nsensors = { value = { sensor = "temperature_c", unit = "degF" } }'
    readings = read(data_dir("nab") / "data/realKnownCause/machine_temperature_system_failure.csv", mapping).readings
    assert readings.height - readings["recorded_at"].n_unique() == 12
    twice = readings.filter(pl.col("recorded_at").is_duplicated())["recorded_at"]
    assert (twice.min(), twice.max()) == (datetime(2014, 1, 7, 2, tzinfo=UTC), datetime(2014, 1, 7, 2, 55, tzinfo=UTC))


@pytest.mark.parametrize("name", ["value", "sensor", "recorded_at", "machine_id", "at", "quality"])
def test_a_sensor_may_be_called_like_a_column_of_ours(tmp_path, name):
    (tmp_path / "t.csv").write_text(f"when,{name}\n2026-01-05T00:00:00Z,1.5\n")
    table = {"time": {"column": "when"}, "machine": "m", "sensors": {name: {"sensor": name}}}
    (piece,) = read_file(tmp_path / "t.csv", Source("line", "table", table=table))
    assert piece.readings.select("machine_id", "sensor", "value").rows() == [("line.m", name, 1.5)]


def test_a_column_called_like_our_count_of_rows_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("when,batch_row\n2026-01-05T00:00:00Z,7\n")
    table = {"time": {"column": "when"}, "machine": "m", "sensors": {"batch_row": {"sensor": "b"}}}
    with pytest.raises(FileError, match="is called batch_row"):
        list(read_file(tmp_path / "t.csv", Source("line", "table", table=table)))
