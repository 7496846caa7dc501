"""The pooled event log is Dagster's own but for its connections: the same files, read and written alike."""

import threading

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from resources.event_log import MOST, PooledSqliteEventLog
from resources.home import Home


@dg.asset
def number() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"n": 1})


def opened(root) -> dg.DagsterInstance:
    Home(root).prepare()
    return dg.DagsterInstance.from_config(str(root))


def test_dagsters_own_storage_reads_what_the_pooled_one_wrote(tmp_path):
    with opened(tmp_path / "home") as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLog)
        run = dg.materialize([number], instance=instance)
    plain = SqliteEventLogStorage(str(tmp_path / "home" / "dagster" / "history" / "runs"))
    stored = plain.get_logs_for_run(run.run_id)
    assert {entry.dagster_event.event_type for entry in stored if entry.dagster_event} >= {
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.RUN_SUCCESS,
    }


def test_no_more_databases_stay_open_than_the_newest(tmp_path):
    with opened(tmp_path / "home") as instance:
        for _ in range(MOST + 3):
            dg.materialize([number], instance=instance)
        storage = instance.event_log_storage
        assert isinstance(storage, PooledSqliteEventLog)
        assert len(storage._engines) == MOST
        assert len(instance.get_runs()) == MOST + 3


def test_threads_share_one_storage(tmp_path):
    with opened(tmp_path / "home") as instance:

        def note(name: str) -> None:
            for number in range(10):
                instance.add_dynamic_partitions("sources", [f"{name}-{number}"])

        threads = [threading.Thread(target=note, args=(f"line-{name}",)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(instance.get_dynamic_partitions("sources")) == 40


def test_an_index_that_a_killed_process_left_half_made_is_made_whole(tmp_path):
    index = tmp_path / "index.db"
    index.touch()  # SQLite makes the file first, and Dagster looks for no more than that
    storage = PooledSqliteEventLog(str(tmp_path))
    storage.add_dynamic_partitions("sources", ["line"])
    assert storage.get_dynamic_partitions("sources") == ["line"]
    storage.dispose()
