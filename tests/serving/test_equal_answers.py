"""What a server tells is what the catalog tells: after the first load, after late data, after a rebuild, after a crash."""

from datetime import timedelta

import polars as pl
import psycopg
import pytest
from homes import START, telemetry
from serving_rows import late

from jobs.rebuild import rebuild
from pipelines.contracts.views import VIEWS
from pipelines.contracts.vocabulary import LANDED
from resources.differences import Shape
from resources.serving import loading
from resources.serving.layout import LAYOUTS

pytestmark = pytest.mark.service
EMPTY = {"outages", "data_quality"}
"""Nothing is silent or stuck in this plant."""


def test_every_view_tells_the_same_rows(served):
    told = {view: served.catalog.query(f"SELECT count(*) FROM {view}").rows[0][0] for view in VIEWS}
    assert {view for view, rows in told.items() if rows == 0} == EMPTY
    assert served.differing() == []


def test_what_is_not_new_is_not_published_again(served):
    assert served.publish() == {}


def test_late_readings_and_corrections_show_in_every_view(served):
    before = served.server.query("SELECT n, max FROM readings_hourly WHERE max < 60 ORDER BY hour LIMIT 1").rows
    served.drop(late(2, value=55.0), "late.parquet")
    corrected = telemetry(1).with_columns(pl.col("value") + 1)
    served.drop(corrected, "corrected.parquet")
    served.materialize()
    assert served.differing() == []
    at = f"hour = timestamptz '{(START + timedelta(hours=2)).isoformat()}' AND sensor = 'temperature_c'"
    assert served.server.query(f"SELECT n, max FROM readings_hourly WHERE source = 'line' AND {at}").rows == [(9, 55.0)]
    assert before


def test_a_run_publishes_what_changed_and_says_how_much(served):
    served.drop(late(150, value=80.0), "more.parquet")
    ran = served.runner.run("micro_batch", source="line", files=[])
    assert ran.failures == []
    told = ran.assets["timescale/readings"]
    assert (told["rows"], told["rows_upserted"], told["rows_deleted"], told["whole_table"]) == (3, 3, 0, False)
    assert told["version_taken"] == served.lake.version("readings")
    assert "timescale/outages" not in ran.assets
    assert served.differing() == []


def test_of_two_versions_of_a_reading_the_later_counts_whichever_is_published_first(served):
    """A row that was refused and comes back has a place in the order of its own batch, below what landed since."""
    layout, rows = LAYOUTS["readings"], served.lake.read("readings", where=pl.col("machine_id") == "line.pump-1")
    newest = rows.filter(pl.col("sensor") == "current_a").sort("recorded_at").tail(1)
    older = newest.with_columns(pl.col("batch_seq") - 1, value=-1.0, batch_id=pl.lit("older"))
    served.lake.append("readings", older, source="line", batches={"older": int(older["batch_seq"].item())})
    served.catalog.rebuild()
    assert set(served.publish()) == {layout.table}
    assert served.differing() == []
    assert served.server.query("SELECT count(*) FROM readings WHERE value = -1").rows == [(0,)]


def test_rows_that_go_from_the_lake_go_from_the_server(served):
    for table, key in (("anomaly_scores", ("machine_id", "recorded_at")), ("forecasts", ("forecast_id",))):
        time = LAYOUTS[table].time
        kept = served.lake.read(table, source="line").sort(time).head(1 if table == "anomaly_scores" else 0)
        taken = served.lake.take(["readings"], source="line", consumer=table, definition="shorter")
        served.lake.replace(table, kept, source="line", taken=taken, shape=Shape(key, time, ()))
    served.catalog.rebuild()
    done = served.publish()
    assert {table: one.is_whole for table, one in done.items()} == {"anomaly_scores": False, "forecasts": False}
    assert done["anomaly_scores"].deleted > 100
    assert served.differing() == []


def test_a_lake_that_was_rebuilt_is_compared_whole(served):
    with psycopg.connect(served.server.url, autocommit=True) as connection:  # rows that nobody can account for
        connection.execute("UPDATE store.readings SET value = value + 1 WHERE sensor = 1")
        connection.execute(
            "INSERT INTO store.readings SELECT recorded_at - interval '9 years', value, landed_at, batch_seq, batch_row, "
            "machine, sensor, quality, batch_id FROM store.readings"
        )
        connection.execute("DELETE FROM store.window_features WHERE recorded_at < '2026-01-06'")
    assert served.differing() != []
    document = rebuild(served.home.root, day=None)
    assert document["failures"] == []
    assert served.differing() == []
    with psycopg.connect(served.server.url, autocommit=True) as connection:
        assert connection.execute(
            "SELECT count(*) FROM store.readings WHERE recorded_at < '2020-01-01'"
        ).fetchone() == (0,)


def test_a_table_that_says_the_same_is_not_written_when_it_is_compared_whole(served):
    with psycopg.connect(served.server.url, autocommit=True) as connection:
        size = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relname LIKE '\\_hyper%%chunk'"
        before = connection.execute(size).fetchone()
        connection.execute("DELETE FROM store.taken")
        done = served.publish()
        assert len(done) == len(LAYOUTS)
        assert {(one.is_whole, one.upserted, one.deleted) for one in done.values()} == {(True, 0, 0)}
        assert connection.execute(size).fetchone() == before


def test_hours_are_right_although_the_process_died_between_commit_and_refresh(served):
    served.drop(late(3, value=59.0), "late.parquet")
    served.materialize(*LANDED)  # published, like all that is materialized
    served.drop(late(5, value=58.0), "later.parquet")
    (served.home.root / "settings.toml").unlink()  # so that nothing is published but by hand
    type(served).__init__(served, served.home.root, served.instance, served.server.url)
    served.materialize(*LANDED)
    with served.server.connected() as connection:
        assert loading.publish(connection, served.lake, LAYOUTS["readings"])  # committed, and no word after it
    served.catalog.rebuild()
    assert served.publish().keys() <= {"machines"}
    assert served.differing() == []
