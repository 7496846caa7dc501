"""Dagster's storages on PostgreSQL, with connections that stay open: three quarters of the time a short run spends.

Dagster opens a connection for every statement, and there are some hundreds of them in a run of a dozen steps.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import set_pg_statement_timeout
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

KEPT, AT_MOST = 1, 20
"""Connections of a process while nothing goes on, and while every thread wants one."""
OLD_S = 600
"""A connection older than this is made anew: firewalls forget those that nobody uses."""


@lru_cache(maxsize=8)
def _engine(address: str, timeout_ms: int = 0) -> Engine:
    """One for the three storages of a process; without a timeout, a statement takes as long as it takes."""
    engine = create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=KEPT,
        max_overflow=AT_MOST - KEPT,
        pool_pre_ping=True,  # the server may have been started anew meanwhile
        pool_recycle=OLD_S,
    )
    if timeout_ms:
        event.listen(engine, "connect", lambda connection, _record: set_pg_statement_timeout(connection, timeout_ms))
    return engine


class _Pooled:
    """What the three have in common: made by Dagster's own class, they go on with our connections."""

    _engine: Engine
    postgres_url: str

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)  # type: ignore[call-arg] # of Dagster's class, which is next
        self._engine = _engine(postgres_url)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(config_value["postgres_url"], inst_data)

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:  # noqa: ARG002 Dagster's
        """Dagster would keep connections here, and show an error for each once the server was started anew."""
        self._engine = _engine(self.postgres_url, statement_timeout)


class PooledRunStorage(_Pooled, PostgresRunStorage):
    """Runs, daemon heartbeats, backfills."""


class PooledEventLog(_Pooled, PostgresEventLogStorage):
    """Events, assets, partitions, slots of pools."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._tables: set[str] = set()
        super().__init__(postgres_url, inst_data)

    def has_table(self, table_name: str) -> bool:
        """Asked a hundred times in a run; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Ticks of sensors and schedules."""
