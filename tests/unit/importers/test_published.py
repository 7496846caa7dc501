"""Published data sets in their own formats: on small files of the exact layout, and on the real ones where they are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from unit.importers.written import Dialect, write, zipped

from pipelines.contracts.vocabulary import unit_of
from pipelines.importers import ai4i, azure_pdm, cmapss, skab, text
from pipelines.importers.formats import read_file
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.register import Source

HOUR = timedelta(hours=1)


def read(path: Path, importer: str, zone: str = "UTC") -> Parsed:
    return joined(read_file(path, Source("x", importer, zone=zone)))


def labels(parsed: Parsed) -> list[tuple[object, ...]]:
    return parsed.labels.select("machine_id", "kind", "label", "started_at", "ended_at").rows()


MILL = [
    ("1", "M14860", "M", "298.1", "308.6", "1551", "42.8", "0", "0", "0", "0", "0", "0", "0"),
    ("2", "L47181", "L", "298.2", "308.7", "1408", "46.3", "3", "1", "0", "0", "1", "0", "0"),
]


def test_ai4i_is_one_machine_with_a_product_a_minute_and_its_flags_are_labels(tmp_path):
    parsed = read(write(tmp_path, "ai4i2020.csv", [ai4i.COLUMNS, *MILL]), "ai4i")
    assert {row[1]: row[3] for row in parsed.readings.filter(batch_row=0).rows()} == {
        "air_temperature_c": pytest.approx(24.95, rel=1e-15),
        "process_temperature_c": pytest.approx(35.45, rel=1e-15),
        "speed_rpm": 1551.0,
        "torque_n_m": 42.8,
        "tool_wear_min": 0.0,
        "quality_code": 2.0,
    }
    at = ai4i.EPOCH + timedelta(minutes=1)
    assert set(parsed.readings.filter(batch_row=1)["recorded_at"]) == {at}
    assert labels(parsed) == [("x.mill", "failure", "machine_failure", at, at), ("x.mill", "fault", "PWF", at, at)]


def test_ai4i_as_published_and_as_saved_by_a_spreadsheet_give_the_same_rows(tmp_path):
    decimal = [(*row[:3], *(f"{float(cell):.1f}" for cell in row[3:7]), *row[7:]) for row in MILL]
    published = read(write(tmp_path, "a.csv", [ai4i.COLUMNS, *decimal], Dialect(end="\r\n", mark=True)), "ai4i")
    saved = read(write(tmp_path, "b.csv", [ai4i.COLUMNS, *MILL], Dialect(mark=True)), "ai4i")
    assert published.readings.equals(saved.readings)
    assert published.labels.equals(saved.labels)


@pytest.mark.parametrize(
    ("place", "cell", "told"),
    [
        (0, "0", "UDI: not a number from 1"),
        (2, "X", "Type: expected L, M or H"),
        (3, "warm", "value: not a number"),
        (9, "yes", "TWF: expected 0 or 1"),
    ],
)
def test_an_ai4i_cell_that_is_none_is_told_with_its_column(tmp_path, place, cell, told):
    row = (*MILL[0][:place], cell, *MILL[0][place + 1 :])
    parsed = read(write(tmp_path, "a.csv", [ai4i.COLUMNS, row]), "ai4i")
    assert parsed.broken.rows() == [(0, ai4i.COLUMNS[place], cell, told)]


def test_the_real_ai4i_file_has_the_counts_of_its_readme(data_dir):
    parsed = read(data_dir("ai4i") / "ai4i2020.csv", "ai4i")
    assert (parsed.rows, parsed.readings.height, parsed.broken.height) == (10_000, 60_000, 0)
    counts = dict(parsed.labels.group_by("label").len().rows())
    assert counts == {"machine_failure": 339, "TWF": 46, "HDF": 115, "PWF": 95, "OSF": 98, "RNF": 19}
    codes = parsed.readings.filter(sensor="quality_code").group_by("value").len().sort("value")
    assert codes.rows() == [(1.0, 6_000), (2.0, 2_997), (3.0, 1_003)]


def engine(unit: int, cycle: int) -> str:
    return " ".join([str(unit), str(cycle), *(f"{place + 0.5:.4f}" for place in range(24))]) + "  \n"


def engines(*lives: int) -> bytes:
    return "".join(engine(unit, cycle) for unit, life in enumerate(lives, 1) for cycle in range(1, life + 1)).encode()


def test_a_training_unit_fails_at_its_last_cycle_whatever_the_pieces(tmp_path, monkeypatch):
    (tmp_path / "train_FD001.txt").write_bytes(engines(3, 1, 2))
    whole = read(tmp_path / "train_FD001.txt", "cmapss")
    expected = [(1, 2), (2, 0), (3, 1)]
    assert labels(whole) == [
        (f"x.train_FD001-{unit}", "failure", "end_of_life", cmapss.EPOCH + hours * HOUR, None)
        for unit, hours in expected
    ]
    assert (whole.rows, whole.readings.height) == (6, 6 * 24)
    first = whole.readings.filter(batch_row=0)
    assert dict(first.select("sensor", "value").rows())["w32_lb_s"] == 23.5
    monkeypatch.setattr(text, "PIECE", 300)
    pieces = read(tmp_path / "train_FD001.txt", "cmapss")
    assert labels(pieces) == labels(whole)
    assert pieces.readings.sort("batch_row", "sensor").equals(whole.readings.sort("batch_row", "sensor"))


def test_remaining_life_is_a_label_and_with_its_test_file_the_failure_too(tmp_path):
    members = {"RUL_FD001.txt": b"112 \n98 \n", "test_FD001.txt": engines(2, 3)}
    parsed = read(zipped(tmp_path / "CMAPSSData.zip", members), "cmapss")
    start = cmapss.EPOCH
    assert labels(parsed) == [
        ("x.test_FD001-1", "remaining_life", "112_cycles", start, None),
        ("x.test_FD001-2", "remaining_life", "98_cycles", start, None),
        ("x.test_FD001-1", "failure", "end_of_life", start + (1 + 112) * HOUR, None),
        ("x.test_FD001-2", "failure", "end_of_life", start + (2 + 98) * HOUR, None),
    ]
    alone = tmp_path / "test_FD001.txt"
    alone.write_bytes(members["test_FD001.txt"])
    assert read(alone, "cmapss").labels.is_empty()


@pytest.mark.parametrize(
    ("name", "content", "code", "told"),
    [
        ("engine.txt", engines(1), "wrong_name", "expected a name such as train_FD001.txt"),
        ("train_FD001.txt", b"1 2 3\n", "wrong_columns", "expected 26 columns set apart by blanks, found 3"),
        ("train_FD001.txt", engines(2)[:-20], "cut_short", "cut off in its last line: 24 of 26 cells"),
        ("RUL_FD001.txt", b"112 7\n", "wrong_columns", "expected 1 columns set apart by blanks, found 2"),
    ],
)
def test_another_cmapss_file_is_refused(tmp_path, name, content, code, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=told) as refusal:
        read(tmp_path / name, "cmapss")
    assert refusal.value.code == code


def test_the_real_cmapss_files_have_the_counts_of_their_readme(data_dir):
    folder = data_dir("cmapss")
    train, test, rul = (read(folder / f"{part}_FD001.txt", "cmapss") for part in ("train", "test", "RUL"))
    assert [parsed.rows for parsed in (train, test, rul)] == [20_631, 13_096, 100]
    assert [parsed.broken.height for parsed in (train, test, rul)] == [0, 0, 0]
    assert (train.readings.height, test.readings.height) == (20_631 * 24, 13_096 * 24)
    assert train.readings["machine_id"].n_unique() == test.readings["machine_id"].n_unique() == 100
    assert train.labels["started_at"].max() == cmapss.EPOCH + 361 * HOUR
    assert rul.labels["label"].head(3).to_list() == ["112_cycles", "98_cycles", "69_cycles"]


def rig(second: int, *flags: str) -> tuple[str, ...]:
    return (f"2020-03-09 10:14:{second:02d}", "0.02", "0.04", "1.3", "0.05", "79.3", "26.0", "233.0", "32.0", *flags)


RIG = (*skab.COLUMNS, *skab.LABELS)
BEDS = [rig(at, f"{int(at in (2, 3, 4))}.0", f"{int(at in (2, 5))}.0") for at in range(6)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_an_anomaly_is_one_label_and_never_a_reading(tmp_path, monkeypatch, end, size):
    monkeypatch.setattr(text, "PIECE", size)
    parsed = read(write(tmp_path, "0.csv", [RIG, *BEDS], Dialect(";", end=end)), "skab")
    at = [datetime(2020, 3, 9, 10, 14, second, tzinfo=UTC) for second in range(6)]
    assert sorted(labels(parsed)) == [
        ("x.0", "fault", "anomaly", at[2], at[4]),
        ("x.0", "status", "changepoint", at[2], at[2]),
        ("x.0", "status", "changepoint", at[5], at[5]),
    ]
    assert set(parsed.readings["sensor"]) == {sensor for sensor, _ in skab.SENSORS.values()}
    assert set(parsed.readings.filter(sensor="flow_m3_h")["value"]) == {1.92}


def test_experiments_of_a_folder_are_machines_of_their_own(tmp_path):
    line = "\n".join(";".join(row) for row in [skab.COLUMNS, rig(0)]) + "\n"
    names = ["data/anomaly-free/anomaly-free.csv", "data/valve1/10.csv", "data/valve1/2.csv"]
    parsed = read(zipped(tmp_path / "skab.zip", dict.fromkeys(names, line.encode())), "skab")
    machines = parsed.readings.sort("batch_row")["machine_id"].unique(maintain_order=True)
    assert machines.to_list() == ["x.anomaly-free", "x.valve1-2", "x.valve1-10"]


def test_the_real_skab_files_have_the_counts_of_their_readme(data_dir):
    rows = {
        "anomaly-free/anomaly-free": 9_405,
        "valve1/0": 1_147,
        "valve1/2": 1_075,
        "other/5": 1_155,
        "other/10": 1_327,
    }
    for name, count in rows.items():
        parsed = read(data_dir("skab") / "data" / f"{name}.csv", "skab")
        assert (parsed.rows, parsed.readings.height, parsed.broken.height) == (count, 8 * count, 0)
        assert parsed.labels.filter(label="anomaly").height == int("free" not in name)


PDM = {
    "PdM_errors.csv": ["datetime,machineID,errorID", "2015-01-03 07:00:00,1,error1"],
    "PdM_failures.csv": ["datetime,machineID,failure", "2015-01-05 06:00:00,1,comp4"],
    "PdM_maint.csv": ["datetime,machineID,comp", "2014-06-01 06:00:00,1,comp2"],
    "PdM_machines.csv": ["machineID,model,age", "1,model3,18"],
    "PdM_telemetry.csv": [
        "datetime,machineID,volt,rotate,pressure,vibration",
        "2015-01-01 06:00:00,1,176.217853015625,418.504078221616,113.077935462083,45.0876857639276",
    ],
}


def rows_of(name: str) -> Sequence[Sequence[str]]:
    return [line.split(",") for line in PDM[name]]


@pytest.mark.parametrize("quotes_all", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "event", "at"),
    [
        ("PdM_errors.csv", "error", "error1", datetime(2015, 1, 3, 7, tzinfo=UTC)),
        ("PdM_failures.csv", "failure", "comp4", datetime(2015, 1, 5, 6, tzinfo=UTC)),
        ("PdM_maint.csv", "maintenance", "comp2", datetime(2014, 6, 1, 6, tzinfo=UTC)),
        ("PdM_machines.csv", "commissioned", "model3", datetime(1997, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_happened_to_a_machine_lands_as_an_event_of_its_kind(tmp_path, quotes_all, name, kind, event, at):
    parsed = read(write(tmp_path, name, rows_of(name), Dialect(quotes_all=quotes_all)), "azure-pdm")
    found = parsed.events.select("machine_id", "kind", "event", "occurred_at", "batch_row").rows()
    assert found == [("x.1", kind, event, at, 0)]
    assert (parsed.readings.height, parsed.labels.height, parsed.broken.height) == (0, 0, 0)


def test_telemetry_lands_as_readings_to_the_last_digit(tmp_path):
    parsed = read(write(tmp_path, "PdM_telemetry.csv", rows_of("PdM_telemetry.csv")), "azure-pdm")
    assert parsed.readings.select("machine_id", "sensor", "value").rows() == [
        ("x.1", "volt", 176.217853015625),
        ("x.1", "rotate", 418.504078221616),
        ("x.1", "pressure", 113.077935462083),
        ("x.1", "vibration", 45.0876857639276),
    ]


def test_an_age_that_is_no_whole_years_is_told_and_the_other_machines_land(tmp_path):
    ages = ["3.5", "18.0", " 7 ", "-1", "26", "nan", "old", ""]
    rows = [("machineID", "model", "age"), *((str(number), "m", age) for number, age in enumerate(ages))]
    parsed = read(write(tmp_path, "PdM_machines.csv", rows), "azure-pdm")
    assert parsed.events.select("machine_id", "occurred_at", "note").rows() == [
        ("x.1", datetime(1997, 1, 1, tzinfo=UTC), "age 18 years at the beginning of the published data"),
        ("x.2", datetime(2008, 1, 1, tzinfo=UTC), "age 7 years at the beginning of the published data"),
    ]
    assert set(parsed.broken["reasons"]) == {"age: expected whole years from 0 to 25"}
    assert parsed.broken["found"].to_list() == ["3.5", "-1", "26", "nan", "old", None]


def test_all_files_of_azure_in_one_zip_are_each_known_by_their_header(tmp_path):
    members = {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in PDM.items()}
    parsed = read(zipped(tmp_path / "azure.zip", members), "azure-pdm")
    assert sorted(parsed.events["kind"]) == ["commissioned", "error", "failure", "maintenance"]
    assert (parsed.rows, parsed.readings.height) == (5, 4)


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("PdM_errors.csv", "error", 3_919),
        ("PdM_failures.csv", "failure", 761),
        ("PdM_maint.csv", "maintenance", 3_286),
        ("PdM_machines.csv", "commissioned", 100),
    ],
)
def test_the_real_azure_files_have_the_counts_of_their_readme(data_dir, name, kind, count):
    parsed = read(data_dir("azure_pdm") / name, "azure-pdm")
    assert (parsed.rows, parsed.events.height, parsed.broken.height) == (count, count, 0)
    assert set(parsed.events["kind"]) == {kind}


def test_the_real_pump_files_have_the_counts_of_their_readme(data_dir):
    whole = read(data_dir("kaggle_pump") / "sensor.csv", "kaggle-pump")
    assert (whole.rows, whole.broken.height, whole.labels["label"].to_list()) == (5_760, 0, ["NORMAL"])
    windows = [read(path, "kaggle-pump") for path in sorted((data_dir("kaggle_pump") / "windows").glob("*.csv"))]
    assert [(one.rows, one.labels["label"].to_list()) for one in windows] == [(30, ["NORMAL"]), (30, ["RECOVERING"])]


COLUMNS = {
    "ai4i": ai4i.COLUMNS,
    "skab": RIG,
    "azure-pdm": azure_pdm.TELEMETRY,
}


@pytest.mark.parametrize(("importer", "columns"), COLUMNS.items())
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda names: [*names[:-1], "renamed"], "missing ['{last}'], surplus ['renamed']"),
        (lambda names: names[:-1], "missing ['{last}'], surplus []"),
        (lambda names: [*names, "further"], "missing [], surplus ['further']"),
        (lambda names: [*names[1:], names[0]], "the order differs"),
    ],
    ids=["renamed", "missing", "further", "moved"],
)
def test_other_columns_are_answered_by_the_difference(tmp_path, importer, columns, change, told):
    path = write(tmp_path, "a.csv", [change(list(columns))], Dialect(";"))
    with pytest.raises(FileError) as refusal:
        read(path, importer)
    assert refusal.value.code == "wrong_columns"
    assert told.format(last=columns[-1]) in str(refusal.value)


@pytest.mark.parametrize("sensors", [ai4i.SENSORS, skab.SENSORS])
def test_every_sensor_with_a_unit_states_it(sensors):
    assert [sensor for sensor, _ in sensors.values() if unit_of(sensor) is None] == []


def test_no_label_of_a_public_set_is_a_reading(tmp_path):
    parsed = read(write(tmp_path, "a.csv", [ai4i.COLUMNS, *MILL]), "ai4i")
    known = {label for _, label in ai4i.FLAGS.values()}
    assert parsed.readings.filter(pl.col("sensor").is_in([*known, *ai4i.FLAGS])).is_empty()
