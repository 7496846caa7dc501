"""Dagster's event log on SQLite, with connections that stay open: half of the time a short run spends in Dagster."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import QueuePool

MOST = 8
"""Databases kept open: the index and the newest runs."""


class PooledSqliteEventLog(SqliteEventLogStorage):
    """Dagster's own storage, file for file, but for how it connects.

    It makes an engine for every statement, so each is compiled anew (some 700 for a run of a dozen steps), and closes
    the last connection each time, which makes SQLite fold its write-ahead log. Here engines are kept.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)
        # Dagster makes its tables where there is no file: one that a killed process left half-made would stay so
        if not self.has_table("alembic_version"):
            self._initdb(self._engine(INDEX_SHARD_NAME), for_index_shard=True)
            self.reindex_events()
            self.reindex_assets()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        engine = self._engine(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine)  # copes with others that do the same
            self._initialized_dbs.add(shard)
        # The lock is not held meanwhile, as Dagster holds it: what logs inside would wait for a handler of the log that
        # waits for the lock. Each thread has a connection of its own, and SQLite lets one write at a time.
        with engine.connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        with self._db_lock:
            if shard not in self._engines:
                while len(self._engines) >= MOST:
                    self._engines.popitem(last=False)[1].dispose()  # a connection in use stays whole
                self._engines[shard] = create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=QueuePool,
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
                )
            self._engines.move_to_end(shard)
            return self._engines[shard]
