"""TimescaleDB as the serving database: the lake's tables published to a server, for many readers and BI tools."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from resources.lake import Lake
from resources.serving.interface import Answer, Published, QueryError, ServingError
from resources.serving.roles import READER
from resources.settings_file import SettingsFileError, section

SCHEMES = ("postgresql", "postgres")
PUBLISHING = 0x5AA2_7A12  # of two that publish, one waits
WAITING_S = 60
HOW: dict[str, Any] = {"autocommit": True, "connect_timeout": 5, "application_name": "smartmaint"}


def serving_url(settings: Path, from_environment: str) -> str:
    """Where results are published to: what the environment says, else `[serving] url` of `settings.toml`; or nothing.

    Raises:
        SettingsFileError: The file cannot be read, or names another key or kind of database.
    """
    told = section(settings, "serving")
    if strangers := sorted(set(told) - {"url", "keep_days"}):
        raise SettingsFileError(f"{settings}: serving.{strangers[0]} is not known; known are url, keep_days")
    url = from_environment or told.get("url", "")
    if url and (not isinstance(url, str) or urlsplit(url).scheme not in SCHEMES):
        where = "SMARTMAINT_SERVING_URL" if from_environment else f"{settings}: serving.url"
        raise SettingsFileError(f"{where} is no PostgreSQL address; expected postgresql://user@host:port/database")
    return str(url)


class TimescaleServing(dg.ConfigurableResource["TimescaleServing"]):
    """Schema `bi` on a server, and the tables behind it."""

    url: str

    @property
    def place(self) -> str:
        """Host, port and database: what may be told of the address."""
        parts = urlsplit(self.url)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

    def publish(self, lake: Lake, tables: Sequence[str]) -> "list[Published]":
        """Bring tables up to date on the server; those that changed, in their order.

        Raises:
            ServingError: The server is away or full, another run publishes for long, or the schema is not ours to
                change. What was published before stays, and the next call catches up.
        """
        from resources.serving.layout import LAYOUTS
        from resources.serving.loading import publish
        from resources.serving.rollup import catch_up

        with self._ready() as connection, _alone(connection):
            catch_up(connection)
            done = [publish(connection, lake, LAYOUTS[table]) for table in tables]
            catch_up(connection)
        return [each for each in done if each is not None]

    def prepare(self) -> tuple[str, list[str]]:
        """Make or update schema, views and roles.

        Returns:
            The server's edition, and what could not be done for want of rights.

        Raises:
            ServingError: As `publish`.
        """
        from resources.serving.edition import edition_of
        from resources.serving.roles import make_roles
        from resources.serving.schema import prepare

        prepare(self.url)
        with self.connected() as connection:
            return str(edition_of(connection)), make_roles(connection)

    def status(self, lake: Lake) -> tuple[str, list[dict[str, Any]]]:
        """The server's edition, and of each table which version of the lake's it has taken.

        Raises:
            ServingError: The server is away, or not prepared yet.
        """
        from pipelines.contracts.vocabulary import SERVED
        from resources.serving.edition import edition_of
        from resources.serving.schema import is_current

        with self.connected() as connection:
            edition = str(edition_of(connection))
            if not is_current(connection):
                raise ServingError(f"{self.place}: not prepared for this version; run `smartmaint serving prepare`")
            asked = "SELECT table_name, table_id, version, taken_at FROM store.taken"
            taken = {row[0]: row[1:] for row in connection.execute(asked)}
        told = []
        for table in SERVED:
            table_id, version, taken_at = taken.get(table, (None, None, None))
            now = lake.changes(table, None)
            told.append(
                {
                    "table": table,
                    "lake_version": now.version,
                    "taken_version": version,
                    "taken_at": taken_at,
                    "is_current": (table_id, version) == (now.table_id, now.version),
                }
            )
        return edition, told

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN, asked in the role `bi_reader`: it sees schema `bi` and writes nothing.

        Raises:
            QueryError: Another statement or several, a mistake in the SQL, or the role is not there.
            ServingError: The server is away.
        """
        import psycopg

        with self.connected() as connection:
            try:
                with connection.transaction():
                    connection.execute(
                        f"SET TRANSACTION READ ONLY; SET LOCAL search_path = bi; SET LOCAL ROLE {READER}"
                    )
                    cursor = connection.execute(sql, prepare=True)  # prepared: one statement, and no other
                    if cursor.description is None:
                        raise QueryError("only SELECT and EXPLAIN are answered")
                    rows = [tuple(map(_plain, row)) for row in cursor.fetchall()]
            except psycopg.errors.InvalidParameterValue as error:  # no such role
                raise QueryError(f"{_line(error)}; run `smartmaint serving prepare` first") from None
            except psycopg.Error as error:
                raise QueryError(_line(error)) from None
        return Answer([column.name for column in cursor.description], rows)

    @contextmanager
    def _ready(self) -> Iterator[Any]:
        """A connection to a server whose schema and views are those of this version; made so where they are not."""
        from resources.serving.schema import is_current, prepare

        with self.connected() as connection:
            if is_current(connection):
                yield connection
                return
        prepare(self.url)
        with self.connected() as connection:
            yield connection

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection in autocommit, in UTC.

        Raises:
            ServingError: Whatever the server says, without the address's password.
        """
        import psycopg

        try:
            with psycopg.connect(self.url, **HOW) as connection:
                connection.execute(f"SET TimeZone = 'UTC'; SET lock_timeout = '{WAITING_S}s'")
                yield connection
        except psycopg.errors.LockNotAvailable:
            raise ServingError(f"{self.place}: another run has been publishing for {WAITING_S} s") from None
        except psycopg.Error as error:
            raise ServingError(f"{self.place}: {_line(error)}") from error


@contextmanager
def _alone(connection: Any) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(%s)", [PUBLISHING])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [PUBLISHING])


def _plain(value: Any) -> Any:
    """A sum or mean of whole numbers is a decimal here and a number elsewhere."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)


def _line(error: Exception) -> str:
    """What the server says, in one line."""
    return " ".join(str(error).split())
