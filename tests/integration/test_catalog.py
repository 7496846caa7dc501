"""The catalog: what people ask in SQL is answered from the lake's current files, and nothing can be written."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from pipelines.contracts.enforce import conform, empty
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.views import VIEWS
from resources.differences import Shape
from resources.home import Home
from resources.lake import Lake
from resources.serving import duckdb_catalog as module
from resources.serving import duckdb_views
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import QueryError

START = datetime(2026, 1, 5, tzinfo=UTC)


class Published:
    """A home with its lake and its catalog."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.prepare()
        self.lake = Lake(root=str(self.home.lake))
        self.catalog = Catalog(path=str(self.home.catalog), lake_root=str(self.home.lake))
        self.catalog.rebuild()

    def land(
        self,
        *values: float | None,
        source: str = "a-1",
        batch: str = "b1",
        day: int = 0,
        every: timedelta = timedelta(hours=1),
        quality: str = "good",
    ) -> None:
        """Readings of one sensor, one after the other; None: no reading there."""
        seq = self.lake.next_seq("readings", source=source)
        frame = pl.DataFrame(
            {
                "source": source,
                "machine_id": f"{source}.m",
                "sensor": "temperature_c",
                "recorded_at": [START + timedelta(days=day) + every * number for number in range(len(values))],
                "value": values,
                "quality": quality,
                "landed_at": START,
                "batch_id": batch,
                "batch_seq": seq,
                "batch_row": range(len(values)),
            },
            schema_overrides={"landed_at": pl.Datetime("us", "UTC"), "batch_row": pl.Int64, "batch_seq": pl.Int64},
        )
        frame = frame.drop_nulls("value")
        rows = conform(frame.cast({"recorded_at": pl.Datetime("us", "UTC")}), CONTRACTS["readings"])
        self.lake.append("readings", rows, source=source, batches={batch: seq})

    def rows(self, sql: str) -> list[tuple]:
        return self.catalog.query(sql).rows


@pytest.fixture
def published(tmp_path) -> Published:
    return Published(tmp_path / "home")


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory) -> Published:
    """Nobody writes here: the tests that share it are refused or find nothing."""
    return Published(tmp_path_factory.mktemp("catalog") / "home")


def files_below(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if path.is_file()}


# --- answers


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_that_is_described_answers_on_an_empty_home(empty_home, view):
    answer = empty_home.catalog.query(f"SELECT * FROM {view}")
    assert answer.columns == [column.name for column in VIEWS[view].columns]
    assert answer.rows == []


def test_no_other_view_is_seen(empty_home):
    seen = empty_home.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'bi'")
    assert {name for (name,) in seen} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_column_has_the_type_of_its_description(empty_home, view):
    answer = empty_home.rows(f"SELECT column_name, column_type FROM (DESCRIBE {view})")
    example = pl.DataFrame(schema={column.name: column.dtype for column in VIEWS[view].columns})  # noqa: F841 see below
    assert answer == duckdb.sql("SELECT column_name, column_type FROM (DESCRIBE example)").fetchall()


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_and_column_says_what_it_means(empty_home, view):
    [(about,)] = empty_home.rows(
        f"SELECT comment FROM duckdb_views() WHERE schema_name = 'bi' AND view_name = '{view}'"
    )
    told = dict(
        empty_home.rows(
            f"SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'bi' AND table_name = '{view}'"
        )
    )
    assert about == VIEWS[view].about
    assert told == {column.name: column.comment for column in VIEWS[view].columns}


def test_known_truth_has_no_view(empty_home):
    with pytest.raises(QueryError, match="labels does not exist"):
        empty_home.catalog.query("SELECT * FROM labels")


def test_a_view_has_the_types_of_the_table_also_before_its_first_row(empty_home):
    found = dict(empty_home.rows("SELECT column_name, column_type FROM (DESCRIBE readings)"))
    assert found == {
        "source": "VARCHAR", "day": "DATE", "machine_id": "VARCHAR", "sensor": "VARCHAR",
        "recorded_at": "TIMESTAMP WITH TIME ZONE", "value": "DOUBLE", "quality": "VARCHAR",
        "landed_at": "TIMESTAMP WITH TIME ZONE", "batch_id": "VARCHAR", "batch_seq": "BIGINT", "batch_row": "BIGINT",
    }  # fmt: skip


def test_rows_are_seen_after_the_next_rebuild_with_source_and_day_of_their_types(published):
    published.land(1.5, 2.5, source="a-1")
    published.land(3.5, source="b2", batch="b2", day=1)
    assert published.rows("SELECT * FROM readings") == []
    published.catalog.rebuild()
    assert published.rows("SELECT source, day, value FROM readings ORDER BY value") == [
        ("a-1", date(2026, 1, 5), 1.5),
        ("a-1", date(2026, 1, 5), 2.5),
        ("b2", date(2026, 1, 6), 3.5),
    ]


def test_times_are_answered_in_utc_wherever_the_reader_is(published, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    published.land(1.0)
    published.catalog.rebuild()
    [(at, text)] = published.rows("SELECT recorded_at, recorded_at::VARCHAR FROM readings")
    assert (at, at.utcoffset(), text) == (START, timedelta(0), "2026-01-05 00:00:00+00")


def test_of_a_corrected_reading_the_newest_version_alone_is_seen(published):
    published.land(1.0, 2.0, 3.0, batch="b1")
    published.land(9.0, batch="b2")
    published.catalog.rebuild()
    assert published.lake.count("readings") == 4
    assert published.rows("SELECT value FROM readings ORDER BY recorded_at") == [(9.0,), (2.0,), (3.0,)]


def test_of_a_corrected_event_the_newest_version_alone_is_seen(published):
    told = {"source": "a-1", "machine_id": "a-1.m", "kind": "failure", "event": "seal", "occurred_at": START}
    for seq, note in ((64, "leaks"), (128, "replaced")):
        landed = {"ended_at": None, "landed_at": START, "batch_id": note, "batch_seq": seq, "batch_row": 0}
        frame = pl.DataFrame(
            [{**told, "note": note, **landed}], schema_overrides={"ended_at": pl.Datetime("us", "UTC")}
        )
        rows = conform(frame, CONTRACTS["events"])
        published.lake.append("events", rows, source="a-1", batches={note: seq})
    published.catalog.rebuild()
    assert published.rows("SELECT note, batch_seq FROM events") == [("replaced", 128)]


def test_a_view_shows_one_version_whole_while_the_lake_moves_on(published):
    published.land(1.0)
    published.catalog.rebuild()
    published.land(2.0, 3.0, batch="b2")
    assert published.rows("SELECT count(*) FROM readings") == [(1,)]


def test_a_table_without_source_days_is_served_too(published):
    row = {"source": "a-1", "machine_id": "a-1.m", "machine_class": "pump", "site": "north", "criticality": "high"}
    frame = pl.concat([empty(CONTRACTS["machines"]), pl.DataFrame([row])], how="diagonal").with_columns(
        nominal_limits=pl.lit([]), failure_modes=pl.lit([]), register_version=pl.lit("v1")
    )
    rows = frame.cast(dict(empty(CONTRACTS["machines"]).schema))
    taken = published.lake.take(["readings"], source="a-1", consumer="machines")
    published.lake.replace("machines", rows, source="a-1", taken=taken, shape=Shape(("machine_id",), None, ()))
    published.catalog.rebuild()
    assert published.rows("SELECT source, machine_class, len(failure_modes) FROM bi.machines") == [("a-1", "pump", 0)]


def test_a_column_that_the_description_got_later_is_null_in_rows_of_older_files(published):
    published.land(1.5)
    delta = DeltaTable(published.lake.uri("readings"))
    [file] = delta.file_uris()
    pl.read_parquet(file).drop("quality").write_parquet(file)
    published.catalog.rebuild()
    assert published.rows("SELECT value, quality FROM readings") == [(1.5, None)]


def test_a_column_that_the_table_alone_has_is_not_seen(published):
    """A view has the same columns in every database, and nobody has said what this one means."""
    published.land(1.5)
    delta = DeltaTable(published.lake.uri("readings"))
    delta.alter.add_columns([Field("sender", PrimitiveType("string"), nullable=True)])
    published.catalog.rebuild()
    assert published.catalog.query("SELECT * FROM readings").columns == list(CONTRACTS["readings"].columns)


# --- views made of readings


def test_an_hour_of_a_sensor_counts_the_current_readings_that_are_not_bad(published):
    published.land(1.0, 5.0, 3.0, every=timedelta(minutes=20))
    published.land(2.0, batch="b2")  # corrects the first
    published.land(None, None, 9.0, every=timedelta(minutes=20), batch="b3", quality="bad")  # corrects the last
    published.land(None, None, None, 7.0, every=timedelta(minutes=20), batch="b4")
    published.catalog.rebuild()
    assert published.rows("SELECT * EXCLUDE std FROM readings_hourly ORDER BY hour") == [
        ("a-1", "a-1.m", "temperature_c", START, 2, 3.5, 2.0, 5.0, 5.0),
        ("a-1", "a-1.m", "temperature_c", START + timedelta(hours=1), 1, 7.0, 7.0, 7.0, 7.0),
    ]
    assert published.rows("SELECT round(std, 6) FROM readings_hourly ORDER BY hour") == [(2.12132,), (None,)]


def test_hours_are_those_of_utc_whatever_zone_a_client_has(published):
    published.land(1.0)
    published.catalog.rebuild()
    with duckdb.connect(published.catalog.path, read_only=True) as client:
        client.execute("SET TimeZone = 'Asia/Kolkata'")  # half an hour off
        [(hour,)] = client.execute("SELECT hour FROM bi.readings_hourly").fetchall()
    assert hour == START


def test_the_latest_reading_is_the_newest_moment_in_its_current_version_whatever_its_quality(published):
    published.land(1.0, 2.0)
    published.land(None, 4.0, batch="b2", quality="bad")  # corrects the newest
    published.land(8.0, batch="b3")  # landed last, measured before
    published.catalog.rebuild()
    assert published.rows("SELECT * FROM latest_reading") == [
        ("a-1", "a-1.m", "temperature_c", START + timedelta(hours=1), 4.0, "bad", START)
    ]


@pytest.mark.parametrize("place", ["my plant", "Anlage Öl", "it's $home", "a#b{c}"])
def test_a_catalog_may_lie_in_a_folder_of_any_language(tmp_path, place):
    published = Published(tmp_path / place)
    published.land(1.0)
    published.catalog.rebuild()
    assert published.rows("SELECT value FROM readings") == [(1.0,)]


@pytest.mark.parametrize(
    "sql",
    ["EXPLAIN SELECT * FROM readings", "FROM readings", "SHOW TABLES", "DESCRIBE readings", "SELECT 1;", "VALUES (1)"],
)
def test_whatever_only_reads_is_answered(empty_home, sql):
    empty_home.catalog.query(sql)


# --- refusals


FORBIDDEN = [
    ("COPY (SELECT 1) TO '{home}/x.csv'", "found COPY"),
    ("COPY readings TO '{lake}/x.parquet'", "found COPY"),
    ("EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/x.parquet'", "found the word COPY"),
    ("EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{lake}/x.parquet'", "found the word COPY"),
    ("WITH x AS (COPY (SELECT 1) TO '{lake}/x.csv') SELECT 1", "found the word COPY"),
    ("with x as (\n  cOpY/**/(select 1) to '{lake}/x.csv') from x", "found the word COPY"),
    ("SELECT * FROM query('WITH x AS (CO' || 'PY (SELECT 1) TO ''{lake}/x.csv'') SELECT 1')", "top level"),
    ("ATTACH '{home}/other.db'", "found ATTACH"),
    ("DETACH catalog", "found DETACH"),
    ("SELECT 1; SELECT 2", "expected one statement, found 2"),
    ("SELECT 1; DROP SCHEMA bi", "expected one statement, found 2"),
    ("", "expected one statement, found 0"),
    ("-- nothing", "expected one statement, found 0"),
    ("SELECT * FROM read_csv('{other}')", "disabled by configuration"),
    ("SELECT * FROM read_text('{other}')", "disabled by configuration"),
    ("SELECT * FROM read_blob('{other}')", "disabled by configuration"),
    ("SELECT * FROM '{other}'", "disabled by configuration"),
    ("SELECT * FROM read_text('{lake}/../home.json')", "disabled by configuration"),
    ("SELECT * FROM glob('{home}/*')", "disabled by configuration"),
    ("SELECT * FROM read_csv('https://example.org/x.csv')", "disabled by configuration"),
    ("SET threads = 1", "found SET"),
    ("RESET threads", "found SET"),
    ("EXPLAIN ANALYZE SET enable_external_access = true", "locked"),
    ("USE memory", "found SET"),
    ("PRAGMA table_info('readings')", "found PRAGMA"),
    ("CREATE TABLE x (a INT)", "found CREATE"),
    ("CREATE TEMP TABLE x AS SELECT 1", "found CREATE"),
    ("DROP VIEW bi.readings", "found DROP"),
    ("INSERT INTO bi.readings SELECT * FROM bi.readings", "found INSERT"),
    ("DELETE FROM bi.readings", "found DELETE"),
    ("EXPLAIN ANALYZE CREATE TABLE x (a INT)", "read-only"),
    ("INSTALL httpfs", "found LOAD"),
    ("LOAD httpfs", "found LOAD"),
    ("EXPORT DATABASE '{home}/all'", "found EXPORT"),
    ("IMPORT DATABASE '{home}/all'", "found PRAGMA"),
    ("CALL duckdb_settings()", "found CALL"),
    ("CHECKPOINT", "found CALL"),
    ("BEGIN", "found TRANSACTION"),
    ("PREPARE x AS SELECT 1", "found PREPARE"),
]


@pytest.mark.parametrize(("sql", "told"), FORBIDDEN)
def test_what_is_no_single_reading_of_the_lake_is_refused_and_leaves_no_trace(empty_home, tmp_path, sql, told):
    other = tmp_path / "other.csv"
    other.write_text("secret\n1\n")
    home = empty_home.home
    before = files_below(home.root)
    with pytest.raises(QueryError) as refused:
        empty_home.catalog.query(sql.format(home=home.root, lake=home.lake, other=other))
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
    assert files_below(home.root) == before


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM readings", '"nope" not found'),
        ("SELECT * FROM nowhere", "nowhere does not exist"),
        ("SELECT ?", "not provided"),
        ("SELECT INTERVAL '1000000000 days'", "magnitude"),
        ("SELECT '\udcff'", "surrogates"),
    ],
)
def test_a_mistake_is_one_clear_error(empty_home, sql, told):
    with pytest.raises(QueryError, match=told):
        empty_home.catalog.query(sql)


def test_without_a_catalog_the_error_says_what_to_do_first(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    with pytest.raises(QueryError, match="nothing is materialized yet: run `smartmaint demo`"):
        Catalog(path=str(home.catalog), lake_root=str(home.lake)).query("SELECT 1")
    assert not home.catalog.exists()


# --- readers and rebuilds


def test_a_reader_in_mid_query_is_undisturbed_by_a_rebuild_and_the_next_one_sees_the_new_rows(published):
    published.land(1.0)
    published.catalog.rebuild()
    with duckdb.connect(published.catalog.path, read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM bi.readings").fetchall() == [(1,)]
        published.land(2.0, 3.0, batch="b2", day=1)
        published.catalog.rebuild()
        assert reader.execute("SELECT count(*) FROM bi.readings").fetchall() == [(1,)]
        assert published.rows("SELECT count(*) FROM readings") == [(3,)]


def test_a_reader_who_keeps_the_file_open_locks_no_other_out(published):
    with duckdb.connect(published.catalog.path, read_only=True) as other:
        other.execute("SET lock_configuration = true")
        assert published.rows("SELECT count(*) FROM readings") == [(0,)]


def test_readers_beside_rebuilds_see_ever_newer_versions_and_no_error(published):
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.append(published.rows("SELECT count(*) FROM readings")[0][0])
            time.sleep(0.05)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read), pool.submit(published.rows, "SELECT count(*) FROM readings")]
        try:
            for number in range(3):
                published.land(float(number), batch=f"b{number}", day=number)
                published.catalog.rebuild()
        finally:
            over.set()
        for reader in readers:
            reader.result()
    assert seen == sorted(seen)
    assert published.rows("SELECT count(*) FROM readings") == [(3,)]


def test_of_two_rebuilds_at_once_the_one_that_looked_at_the_lake_last_is_seen(published, monkeypatch):
    rivals = []

    def statements(lake: Lake) -> list[str]:
        told = list(original(lake))
        if not rivals:  # the lake was looked at: meanwhile another run lands and rebuilds
            published.land(1.0)
            rivals.append(threading.Thread(target=published.catalog.rebuild))
            rivals[0].start()
            rivals[0].join(timeout=2.0)
        return told

    original = duckdb_views.statements
    monkeypatch.setattr(duckdb_views, "statements", statements)
    published.catalog.rebuild()
    rivals[0].join()
    assert published.rows("SELECT count(*) FROM readings") == [(1,)]


def test_what_was_current_in_the_oldest_catalog_still_read_by_is_known(published):
    first = published.catalog.read_since(datetime.now(UTC))
    published.catalog.rebuild()
    with duckdb.connect() as connection:
        second = max(published.catalog._published(connection))
    assert first is not None
    assert first < second
    assert published.catalog.read_since(datetime.now(UTC)) == first  # its queries may be under way
    later = datetime.now(UTC) + module.LONGEST_QUERY
    assert published.catalog.read_since(later) == second


def test_a_catalog_of_an_older_version_was_published_when_its_file_was_written(published):
    Path(published.catalog.path).unlink()
    assert published.catalog.read_since(datetime.now(UTC)) is None
    with duckdb.connect(published.catalog.path) as connection:
        connection.execute("CREATE SCHEMA bi")
    written = datetime.fromtimestamp(Path(published.catalog.path).stat().st_mtime, UTC)
    assert published.catalog.read_since(datetime.now(UTC)) == written
    published.catalog.rebuild()


def test_a_broken_catalog_is_replaced_by_the_next_rebuild(published):
    Path(published.catalog.path).write_bytes(b"not a database")
    published.catalog.rebuild()
    assert published.rows("SELECT count(*) FROM readings") == [(0,)]


def test_a_rebuild_leaves_nothing_beside_the_catalog(published):
    published.catalog.rebuild()
    assert [path.name for path in published.home.root.glob("catalog.duckdb*")] == ["catalog.duckdb"]


def test_a_rebuild_that_was_killed_is_not_in_the_way_of_the_next(published):
    for name in (f"{os.getpid()}.part", "4000000.part", "4000000.part.wal"):
        Path(f"{published.catalog.path}.{name}").write_bytes(b"half")
    published.catalog.rebuild()
    assert [path.name for path in published.home.root.glob("catalog.duckdb*")] == ["catalog.duckdb"]
    assert published.rows("SELECT count(*) FROM readings") == [(0,)]
