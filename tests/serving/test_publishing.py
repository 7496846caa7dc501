"""Publishing where something is in the way: too many hours, an old lake, another home, compressed chunks, a lost server."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import psycopg
import pytest
from alembic.script import ScriptDirectory
from databases import database
from homes import START, Plant, telemetry
from serving_rows import late

from jobs.definitions import build_definitions
from pipelines.contracts.views import VIEWS
from resources import migrations
from resources.lake import Lake
from resources.serving import loading, rollup
from resources.serving.interface import QueryError, ServingError
from resources.serving.layout import BIG, LAYOUTS
from resources.serving.schema import HEAD, is_current, prepare
from resources.serving.timescale import TimescaleServing

pytestmark = pytest.mark.service
MIGRATIONS = Path(migrations.__file__).parent


def test_more_scattered_hours_than_are_refreshed_one_by_one_are_all_right(served):
    scattered = pl.concat([late(2 * hour, value=50.0, n=1) for hour in range(60)])
    block = telemetry(40).with_columns(pl.col("value") + 2)  # a long stretch among them
    served.drop(pl.concat([scattered, block]), "late.parquet")
    served.materialize()
    assert served.differing() == []


def test_readings_that_are_bad_count_in_no_hour(served):
    bad = late(4, value=1_500.0).with_columns(quality=pl.lit("bad"))
    served.drop(bad, "bad.parquet")
    served.materialize()
    assert served.differing() == []
    assert served.server.query("SELECT count(*) FROM readings WHERE quality = 'bad'").rows == [(3,)]
    assert served.server.query("SELECT count(*) FROM readings_hourly WHERE max > 1000").rows == [(0,)]


def test_a_lake_that_was_put_back_from_a_backup_is_compared_whole(served, tmp_path):
    shutil.copytree(served.home.lake, tmp_path / "backup")
    served.drop(late(5, value=51.0), "lost.parquet")
    served.materialize()
    shutil.rmtree(served.home.lake)
    shutil.copytree(tmp_path / "backup", served.home.lake)
    served.drop(late(6, value=52.0), "other.parquet")  # as many commits as were lost
    served.materialize()
    assert served.differing() == []
    assert served.server.query("SELECT count(*) FROM readings WHERE value = 51").rows == [(0,)]


def test_another_home_is_refused_until_it_takes_over(served, tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        other = Plant(tmp_path / "other", instance)
    stranger = TimescaleServing(served.server.url, home_id="another")
    with pytest.raises(ServingError, match="another home publishes there"):
        list(stranger.publish(other.lake, LAYOUTS))
    assert served.differing() == []
    stranger.prepare(take_over=True)
    list(stranger.publish(other.lake, LAYOUTS))
    assert served.server.query("SELECT count(*) FROM readings").rows == [(0,)]


def test_a_view_that_somebody_built_on_ours_outlives_a_new_version(served):
    with served.server.connected() as connection:
        connection.execute("DROP VIEW IF EXISTS public.hot; CREATE VIEW public.hot AS SELECT * FROM bi.readings")
        connection.execute("UPDATE store.views SET version = 'older'")
        try:
            served.publish()
            assert connection.execute("SELECT count(*) > 0 FROM public.hot").fetchone() == (True,)
        finally:
            connection.execute("DROP VIEW public.hot")


def test_old_chunks_are_dropped_and_not_published_again(served):
    served.server.drop_before(START - timedelta(days=365))  # the sound is of 2011
    assert served.server.drop_before(START + timedelta(days=2)) == 0  # a chunk of which some is younger stays whole
    assert served.is_equal(f"SELECT * FROM readings ORDER BY {', '.join(VIEWS['readings'].key)}")
    dropped = served.server.drop_before(START + timedelta(days=60))
    assert dropped >= len([table for table in BIG if table not in ("data_quality", "sound_features")])
    for view in ("readings_hourly", "latest_reading", *BIG):
        assert served.server.query(f"SELECT count(*) FROM {view}").rows == [(0,)], view
    served.drop(late(7, value=53.0), "late.parquet")
    served.materialize()
    with served.server.connected() as connection:
        connection.execute("DELETE FROM store.taken")
    served.publish()
    assert served.server.query("SELECT count(*) FROM readings").rows == [(0,)]
    assert served.server.query("SELECT count(*) FROM alarms").rows == [(1,)]
    with served.server.connected() as connection:  # for the next test on this server
        connection.execute("DELETE FROM store.dropped; DELETE FROM store.taken")


def test_chunks_that_were_moved_into_the_columnstore_take_late_rows_and_corrections(served):
    with served.server.connected() as connection:
        if not connection.execute("SELECT to_regproc('add_columnstore_policy') IS NOT NULL").fetchone()[0]:
            pytest.skip("this edition has no columnstore")
        if connection.execute("SELECT current_setting('timescaledb.license')").fetchone() == ("apache",):
            pytest.skip("this edition has no columnstore")
        chunks = [row[0] for row in connection.execute("SELECT show_chunks('store.readings')::text")]
        for chunk in chunks:
            connection.execute(f"CALL convert_to_columnstore('{chunk}', if_not_columnstore => true)")
        connection.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 10")  # as 100,000 of more
    served.drop(telemetry(30).with_columns(pl.col("value") + 3), "corrected.parquet")
    served.drop(late(8, value=54.0), "late.parquet")
    served.materialize()
    assert served.differing() == []
    with served.server.connected() as connection:
        connection.execute("RESET timescaledb.max_tuples_decompressed_per_dml_transaction")
        for chunk in chunks:
            connection.execute(f"CALL convert_to_rowstore('{chunk}', if_columnstore => true)")


def test_a_run_goes_on_without_its_server_and_the_next_catches_up(served):
    settings = served.home.settings.read_text()
    served.home.settings.write_text('[serving]\nurl = "postgresql://nobody:secret@127.0.0.1:1/x"\n')
    served.drop(late(9, value=56.0), "late.parquet")
    ran = served.runner.run("micro_batch", source="line", files=[])
    assert [told.split(": ")[0] for told in ran.failures] == ["server_takes_rows"]
    assert "the next run catches up" in ran.failures[0]
    assert "secret" not in ran.failures[0]
    assert ran.assets["readings"]["values_landed"] == 3
    assert served.catalog.query("SELECT count(*) FROM readings WHERE value = 56").rows == [(3,)]
    served.home.settings.write_text(settings)
    served.materialize()
    assert served.differing() == []


def test_no_address_is_part_of_what_dagster_keeps(served):
    definitions = build_definitions(served.home)
    kept = dg.serialize_value(definitions.resolve_job_def("micro_batch").get_job_snapshot())
    assert served.server.url not in kept
    assert "timescale" in kept


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://anna:secret@127.0.0.1:1/plant",
        "postgresql://anna:10%secret@127.0.0.1:1/plant",
        "postgresql://anna:Pa#secret@127.0.0.1:1/plant",
        "postgresql://anna:Pa/secret@127.0.0.1:1/plant",
        "postgresql://anna:s@secret@127.0.0.1:1/plant",
        "postgresql://anna:secret@[::1/plant",
        "postgresql://anna:secret@127.0.0.1:1,127.0.0.1:2/plant",
    ],
)
@pytest.mark.parametrize("asked", ["query", "prepare"])
def test_whatever_the_address_no_password_is_told(address, asked):
    server = TimescaleServing(address, home_id="x")
    with pytest.raises((ServingError, QueryError)) as told:
        server.query("SELECT 1") if asked == "query" else server.prepare()
    assert "secret" not in str(told.value)


def test_a_database_of_another_collation_sorts_as_the_catalog_does(served):
    if os.environ["SMARTMAINT_TEST_TIMESCALE"].rpartition("/")[0] not in served.server.url:
        pytest.skip("this server has one database")
    with database() as url:
        name = f"icu_{os.getpid()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'"
            )
        try:
            server = TimescaleServing(f"{url.rpartition('/')[0]}/{name}", home_id="icu")
            server.prepare()
            with server.connected() as connection:
                names = ["a-z", "a.B", "a.b", "a.c", "a_z"]
                for word in reversed(names):
                    connection.execute("INSERT INTO store.machine_names (machine_id, source) VALUES (%s, 'a')", [word])
                    connection.execute("INSERT INTO store.outages VALUES (%s, now(), now(), true, 1, 'r')", [word])
            assert [row[0] for row in server.query("SELECT source FROM outages ORDER BY source").rows] == names
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_every_table_of_the_server_has_the_columns_of_its_layout(served):
    asked = (
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'store' AND table_name = %s"
    )
    names = {"timestamp with time zone": "timestamptz"}
    with served.server.connected() as connection:
        for layout in LAYOUTS.values():
            found = {name: names.get(kind, kind) for name, kind in connection.execute(asked, [layout.table]).fetchall()}
            assert found == {column.name: column.type for column in layout.columns}, layout.table
        assert set(VIEWS) == {
            row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'bi'").fetchall()
        }


def test_every_version_of_the_schema_is_upgraded_to_the_newest(served):
    if os.environ["SMARTMAINT_TEST_TIMESCALE"].rpartition("/")[0] not in served.server.url:
        pytest.skip("this server has one database")
    versions = [revision.revision for revision in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert versions[0] == HEAD
    for version in versions:
        with database() as url:
            server = TimescaleServing(url, home_id="older")
            prepare(lambda url=url: psycopg.connect(url), until=version)
            server.prepare()
            with server.connected() as connection:
                assert is_current(connection)
            list(server.publish(served.lake, LAYOUTS))
            counted = "SELECT count(*) FROM readings"
            assert server.query(counted).rows == served.server.query(counted).rows


FIRST_ROWS = """
    INSERT INTO store.machine_names (machine_id, source) VALUES ('line.gone', 'line');
    INSERT INTO store.window_features
        SELECT now(), 600, 1, 0, null, 0, 0, null, 1, machine, 1, 1, 1 FROM store.machine_names WHERE source = 'line';
    INSERT INTO store.machines
        VALUES ('line', 'line.gone', 'pump', 'x', 'low', null, null, null, null, '[]', '[]', 'older');
    CREATE VIEW bi.window_features AS SELECT machine, mean, std FROM store.window_features;
    CREATE VIEW bi.machines AS SELECT machine_id, site FROM store.machines;
"""


def test_of_a_server_of_the_first_version_only_tables_that_changed_are_taken_anew(unprepared, lived, publishing):
    lake = Lake(root=str(lived / "lake"))
    prepare(lambda: psycopg.connect(unprepared), until="0001")
    with TimescaleServing(unprepared, "x").connected() as connection:
        loading.publish(connection, lake, LAYOUTS["readings"])
        rollup.catch_up(connection)
        connection.execute(FIRST_ROWS)
        for table in ("machines", "window_features"):
            now = lake.changes(table, None)
            noted = [table, now.table_id, now.version]
            connection.execute("INSERT INTO store.taken VALUES (%s, %s, %s, now())", noted)
        readings = "SELECT taken_at FROM store.taken WHERE table_name = 'readings'"
        before = connection.execute(readings).fetchone()
    with publishing(unprepared) as served:
        assert served.differing() == []
        with served.server.connected() as connection:
            assert connection.execute(readings).fetchone() == before


def test_an_upgrade_that_would_take_away_a_view_of_others_changes_nothing(unprepared):
    prepare(lambda: psycopg.connect(unprepared), until="0001")
    server = TimescaleServing(unprepared, "x")
    with server.connected() as connection:
        connection.execute("CREATE VIEW bi.machines AS SELECT machine_id FROM store.machines")
        connection.execute("CREATE OR REPLACE VIEW public.mine AS SELECT * FROM bi.machines")
        with pytest.raises(ServingError, match=r"view mine depends on view bi\.machines"):
            server.prepare()
        assert connection.execute("SELECT version_num FROM store.schema_version").fetchone() == ("0001",)
        connection.execute("DROP VIEW public.mine")
    server.prepare()


def test_of_a_corrected_event_the_newest_version_alone_is_told(served):
    rows = served.lake.read("events").head(1)
    seq = served.lake.next_seq("events", source="floor")
    corrected = rows.with_columns(note=pl.lit("seal"), batch_seq=pl.lit(seq, pl.Int64), batch_id=pl.lit("corrected"))
    counted = served.server.query("SELECT count(*) FROM events").rows
    served.lake.append("events", corrected, source="floor", batches={"corrected": seq})
    served.catalog.rebuild()
    for _ in ("what is new", "all of it"):
        assert "events" in served.publish()
        assert served.differing() == []
        assert served.server.query("SELECT count(*) FROM events").rows == counted
        assert served.server.query("SELECT count(*) FROM events WHERE note = 'seal'").rows == [(1,)]
        with served.server.connected() as connection:
            connection.execute("DELETE FROM store.taken WHERE table_name = 'events'; DELETE FROM store.events")
