"""The Kaggle pump: one exact layout, known truth apart from readings, and every difference told."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.importers.formats import read_file
from pipelines.importers.kaggle_pump import COLUMNS, SENSORS
from pipelines.importers.parsed import BROKEN, KNOWN, READ, FileError, Parsed, joined
from pipelines.register import Source

START = datetime(2018, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEAD = ",timestamp," + ",".join(f"sensor_{number:02d}" for number in range(52)) + ",machine_status"

Read = Callable[[str | bytes], Parsed]


def line(number: int, status: str = "NORMAL", **cells: str) -> str:
    values = [cells.get(name, f"{2 + number}.5") for name in SENSORS]
    return ",".join([str(number), f"{START + number * MINUTE:%Y-%m-%d %H:%M:%S}", *values, status])


def content(lines: Sequence[str], *, head: str = HEAD, end: str = "\n") -> str:
    return "".join(text + end for text in [head, *lines])


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(text: str | bytes) -> Parsed:
        (tmp_path / "sensor.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        return joined(read_file(tmp_path / "sensor.csv", Source("pump", "kaggle-pump")))

    return write_and_read


def test_the_layout_is_an_unnamed_number_a_time_52_sensors_and_the_status():
    assert ",".join(COLUMNS) == HEAD
    assert len(COLUMNS) == 55


def test_every_filled_cell_is_one_reading_of_its_sensor_in_utc(read):
    parsed = read(content([line(0), line(1, sensor_07="-1e-3")]))
    assert parsed.readings.schema == READ
    assert parsed.rows == 2
    assert parsed.readings.height == 2 * 52
    found = {(row["sensor"], row["batch_row"]): row for row in parsed.readings.to_dicts()}
    assert found["sensor_07", 1] == {
        "machine_id": "pump.pump",
        "sensor": "sensor_07",
        "recorded_at": START + MINUTE,
        "value": -0.001,
        "quality": "good",
        "batch_row": 1,
    }
    assert found["sensor_07", 0]["value"] == 2.5
    assert found["sensor_51", 0]["recorded_at"] == START


def test_an_empty_cell_is_no_reading(read):
    parsed = read(content([line(0, sensor_15=""), line(1, sensor_15="", sensor_50="")]))
    assert parsed.readings.height == 2 * 52 - 3
    assert "sensor_15" not in parsed.readings["sensor"]
    assert parsed.broken.is_empty()


def test_line_ends_of_windows_change_nothing(read):
    lines = [line(0), line(1, "BROKEN")]
    unix, windows = read(content(lines)), read(content(lines, end="\r\n"))
    assert windows.readings.equals(unix.readings)
    assert windows.labels.equals(unix.labels)


def test_each_unbroken_run_of_a_status_is_one_label(read):
    statuses = ["NORMAL", "NORMAL", "BROKEN", "RECOVERING", "RECOVERING", "NORMAL"]
    labels = read(content([line(number, status) for number, status in enumerate(statuses)])).labels
    assert labels.select(sorted(KNOWN.names())).schema == {name: KNOWN[name] for name in sorted(KNOWN.names())}
    assert labels.select("machine_id", "kind", "label", "started_at", "ended_at", "batch_row").rows() == [
        ("pump.pump", "status", "NORMAL", START, START + MINUTE, 0),
        ("pump.pump", "status", "BROKEN", START + 2 * MINUTE, START + 2 * MINUTE, 2),
        ("pump.pump", "status", "RECOVERING", START + 3 * MINUTE, START + 4 * MINUTE, 3),
        ("pump.pump", "status", "NORMAL", START + 5 * MINUTE, START + 5 * MINUTE, 5),
    ]


def test_known_truth_never_becomes_a_reading(read):
    readings = read(content([line(0, "BROKEN")])).readings
    assert set(readings["sensor"]) == set(SENSORS)


def test_a_cell_that_is_no_number_is_told_with_its_row_and_column(read):
    parsed = read(content([line(0), line(1, sensor_03="n/a")]))
    assert parsed.broken.rows() == [(1, "sensor_03", "n/a", "value: not a number")]
    assert parsed.broken.schema == BROKEN
    assert parsed.readings.height == 2 * 52 - 1


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (HEAD.replace("sensor_07", "sensor_7"), "missing ['sensor_07'], surplus ['sensor_7']"),
        (HEAD.replace(",sensor_07", ""), "expected 55 columns, found 54: missing ['sensor_07'], surplus []"),
        (HEAD + ",note", "expected 55 columns, found 56: missing [], surplus ['note']"),
        (HEAD.replace("sensor_07,sensor_08", "sensor_08,sensor_07"), "the order differs"),
        (HEAD.replace(",timestamp", "index,timestamp", 1), "missing [''], surplus ['index']"),
        (HEAD.replace(",", "|"), "expected 55 columns, found 1"),
    ],
)
def test_another_header_is_answered_by_the_difference(read, head, told):
    with pytest.raises(FileError) as refusal:
        read(content([line(0)], head=head))
    assert refusal.value.code == "wrong_columns"
    assert told in str(refusal.value)


@pytest.mark.parametrize("cut", range(1, len("," + "NORMAL")))
def test_a_cut_in_the_last_status_shows(read, cut):
    with pytest.raises(
        FileError, match=r"sensor.csv, row 1: machine_status is .*; expected \('NORMAL', 'BROKEN'"
    ) as told:
        read(content([line(0), line(1)])[: -cut - 1])
    assert told.value.code == "wrong_value"


@pytest.mark.parametrize("cut", [len(",NORMAL"), 40, 150, 280])
def test_a_cut_before_the_last_status_is_refused_with_place_and_remedy(read, cut):
    with pytest.raises(
        FileError, match=r"cut off in its last line: \d+ of 55 cells. Send the whole file again"
    ) as told:
        read(content([line(0), line(1)])[: -cut - 1])
    assert told.value.code == "cut_short"


def test_a_last_line_without_line_end_is_whole(read):
    assert read(content([line(0), line(1)])[:-1]).rows == 2


@pytest.mark.parametrize("status", ["normal", "FAILED", "", "NORMAL "])
def test_a_status_that_is_none_of_the_data_sets_is_refused_with_its_row(read, status):
    with pytest.raises(
        FileError, match=r"^sensor.csv, row 1: machine_status is .*; expected \('NORMAL', 'BROKEN', 'REC"
    ):
        read(content([line(0), line(1, status), line(2)]))


@pytest.mark.parametrize("time", ["", "01/04/2018 00:01", "2018-04-31 00:00:00"])
def test_a_time_that_is_none_is_refused_with_its_row(read, time):
    wrong = line(1).replace("2018-04-01 00:01:00", time)
    with pytest.raises(
        FileError, match=r"^sensor.csv, row 1: timestamp is .*; expected a time such as 2018-04-01 00:00"
    ):
        read(content([line(0), wrong]))


def test_its_clock_is_of_the_declared_zone_and_a_time_that_is_no_moment_there_is_told_with_its_row(tmp_path):
    (tmp_path / "sensor.csv").write_text(
        content([line(0), line(1)])
        .replace("2018-04-01 00:00", "2018-03-25 01:59")
        .replace("2018-04-01 00:01", "2018-03-25 02:01")
    )
    parsed = joined(read_file(tmp_path / "sensor.csv", Source("pump", "kaggle-pump", zone="Europe/Berlin")))
    assert set(parsed.readings["recorded_at"]) == {datetime(2018, 3, 25, 0, 59, tzinfo=UTC)}
    assert parsed.broken.rows() == [
        (1, "timestamp", "2018-03-25 02:01:00", "timestamp: never in Europe/Berlin: the clock was put forward over it")
    ]
    assert parsed.labels.select("label", "started_at", "batch_row").rows() == [
        ("NORMAL", datetime(2018, 3, 25, 0, 59, tzinfo=UTC), 0)
    ]


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_file_is_refused(read, text):
    with pytest.raises(FileError, match="the file is empty") as told:
        read(text)
    assert told.value.code == "empty"


def test_a_header_alone_holds_no_rows(read):
    parsed = read(content([]))
    assert (parsed.rows, parsed.readings.height, parsed.labels.height) == (0, 0, 0)
