"""TimescaleDB as the serving database: the lake's tables published to a server, for many readers and BI tools."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg

from resources.lake import Lake
from resources.serving.edition import SEARCHED
from resources.serving.interface import Answer, Published, QueryError, ServingError
from resources.serving.roles import READER
from resources.settings import from_environment
from resources.settings_file import SettingsFileError, section

SCHEMES = ("postgresql", "postgres")
PUBLISHING = 0x5AA2_7A12  # of two that publish, one waits
WAITING_S = 60
HOW: dict[str, Any] = {  # a server that vanishes without a word is noticed within a minute, not after two hours
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "smartmaint",
}


@dataclass(frozen=True)
class ServingSettings:
    """Section `[serving]` of `settings.toml`.

    Attributes:
        url: Server that results are published to; empty where there is none. A secret.
        keep_days: How long readings and what follows window by window stay on the server; None keeps them for good.
    """

    url: str = ""
    keep_days: float | None = None


def serving_settings(path: Path) -> ServingSettings:
    """What is set now; `SMARTMAINT_SERVING_URL` goes before the file's `url`.

    Raises:
        SettingsFileError: The file cannot be read, or holds another key or kind of value.
    """
    told = section(path, "serving")
    if strangers := sorted(set(told) - {"url", "keep_days"}):
        raise SettingsFileError(f"{path}: serving.{strangers[0]} is not known; known are url, keep_days")
    from_outside = from_environment().serving_url
    url, keep_days = from_outside or told.get("url", ""), told.get("keep_days")
    if url and (not isinstance(url, str) or url.partition("://")[0] not in SCHEMES):
        where = "SMARTMAINT_SERVING_URL" if from_outside else f"{path}: serving.url"
        raise SettingsFileError(f"{where} is no PostgreSQL address; expected postgresql://user@host:port/database")
    if keep_days is not None and (isinstance(keep_days, bool) or not isinstance(keep_days, int | float)):
        raise SettingsFileError(f"{path}: serving.keep_days is {keep_days!r}; expected days")
    if keep_days is not None and not 1 <= keep_days < float("inf"):
        raise SettingsFileError(f"{path}: serving.keep_days is {keep_days!r}; expected days, at least 1")
    return ServingSettings(url, keep_days)


class Server(dg.ConfigurableResource["Server"]):
    """Which home's server; its address is read at use and never part of what Dagster keeps of a resource."""

    home: str

    def settings(self) -> ServingSettings:
        return serving_settings(Path(self.home, "settings.toml"))

    def opened(self) -> "TimescaleServing":
        """The server of the home.

        Raises:
            ServingError: None is set any more.
        """
        url = self.settings().url
        if not url:
            raise ServingError("no server is set any more: restart `smartmaint up` to leave out what is published")
        return TimescaleServing(url, home_id(Path(self.home)))


def home_id(home: Path) -> str:
    """What tells a home from others on a server they might share; made at first use."""
    path = home / "serving.id"
    if not path.exists():
        path.write_text(f"{uuid.uuid4()}\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class TimescaleServing:
    """Schema `bi` on a server, and the tables behind it.

    Attributes:
        url: Its address, with whatever password.
        home_id: Whose results are published.
    """

    url: str
    home_id: str

    @property
    def place(self) -> str:
        """Host, port and database: what may be told of the address."""
        parts = _parts(self.url)
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def publish(self, lake: Lake, tables: Sequence[str]) -> Iterator[Published]:
        """Bring tables up to date on the server, each in a transaction of its own; tells those that changed.

        Raises:
            ServingError: The server is away or full, another run publishes for long, another home publishes there, or
                the schema is not ours to change; where only some tables fail, at the end. What was published before
                stays, and the next call catches up.
        """
        import psycopg

        from resources.serving.layout import LAYOUTS
        from resources.serving.loading import publish
        from resources.serving.rollup import catch_up

        failed = []
        with self._ready() as connection, _alone(connection):
            self._refuse_another_home(connection)
            catch_up(connection)
            for table in tables:
                try:
                    done = publish(connection, lake, LAYOUTS[table])
                    catch_up(connection)
                except psycopg.Error as error:
                    if connection.broken:
                        raise
                    failed.append(f"{table}: {self._line(error)}")
                    continue
                if done is not None:
                    yield done
        if failed:
            raise ServingError(f"{self.place}: {'; '.join(failed)}")

    def prepare(self, *, take_over: bool = False) -> tuple[str, list[str]]:
        """Make or update schema, views and roles.

        Args:
            take_over: Let this home publish where another did: its rows go.

        Returns:
            The server's edition, and what could not be done for want of rights.

        Raises:
            ServingError: As `publish`.
        """
        from resources.serving.edition import edition_of
        from resources.serving.roles import make_roles

        self._prepare_schema()
        with self.connected() as connection:
            if take_over:
                connection.execute("DELETE FROM store.home")
            self._refuse_another_home(connection)
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
            is_current_table = (table_id, version) == (now.table_id, now.version)
            told.append(
                {
                    "table": table,
                    "lake_version": now.version,
                    "taken_version": version,
                    "taken_at": taken_at,
                    "is_current": is_current_table,
                }
            )
        return edition, told

    def drop_before(self, moment: datetime) -> int:
        """Take away readings and what follows window by window, whole chunks of seven days; how many chunks.

        Raises:
            ServingError: As `publish`; only the schema's owner may.
        """
        from resources.serving.retention import drop_before

        with self._ready() as connection, _alone(connection):
            self._refuse_another_home(connection)
            return drop_before(connection, moment)

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN, asked as `bi_reader` and read-only: it sees schema `bi` of what is ours.

        A guard against mistakes: whoever holds the owner's address can ask as the owner in other ways.

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
                raise QueryError(f"{self._line(error)}; run `smartmaint serving prepare` first") from None
            except psycopg.Error as error:
                raise QueryError(self._line(error)) from None
        return Answer([column.name for column in cursor.description], rows)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection in autocommit, in UTC.

        Raises:
            ServingError: Whatever the server says, without the address's password.
        """
        import psycopg

        try:
            with self._connect() as connection:
                connection.autocommit = True
                connection.execute(f"SET TimeZone = 'UTC'; SET lock_timeout = '{WAITING_S}s'; {SEARCHED}")
                yield connection
        except psycopg.errors.LockNotAvailable:
            told = f"waited {WAITING_S} s for another run that publishes, or for who holds a table"
            raise ServingError(f"{self.place}: {told}") from None
        except psycopg.Error as error:
            raise ServingError(f"{self.place}: {self._line(error)}") from None

    def _connect(self) -> Any:
        import psycopg

        _parts(self.url)  # refuses what psycopg would tell parts of the password of
        return psycopg.connect(self.url, **HOW)

    @contextmanager
    def _ready(self) -> Iterator[Any]:
        """A connection to a server whose schema and views are those of this version; made so where they are not."""
        from resources.serving.schema import is_current

        with self.connected() as connection:
            if is_current(connection):
                yield connection
                return
        self._prepare_schema()
        with self.connected() as connection:
            yield connection

    def _prepare_schema(self) -> None:
        import psycopg

        from resources.serving.schema import prepare

        try:
            prepare(self._connect)
        except psycopg.errors.InsufficientPrivilege as error:
            remedy = "run `smartmaint serving prepare` as the owner of the schema"
            raise ServingError(f"{self.place}: {self._line(error)}; {remedy}") from None
        except psycopg.Error as error:
            raise ServingError(f"{self.place}: {self._line(error)}") from None

    def _refuse_another_home(self, connection: Any) -> None:
        """Of two homes on one schema each would take away the other's rows."""
        found = connection.execute("SELECT home_id FROM store.home").fetchone()
        if found is None:
            connection.execute("INSERT INTO store.home VALUES (%s)", [self.home_id])
        elif found[0] != self.home_id:
            raise ServingError(
                f"{self.place}: another home publishes there; give this one a database of its own, or let it replace "
                "the other's rows by `smartmaint serving prepare --take-over`"
            )

    def _line(self, error: Exception) -> str:
        """What the server says, in one line and without the password."""
        password = _parts(self.url).get("password")
        told = " ".join(str(error).split())
        return told.replace(str(password), "***") if password else told


def _parts(url: str) -> dict[str, Any]:
    """Parts of an address.

    Raises:
        ServingError: It has none, or parts of a password stand where host, port or database should.
    """
    import psycopg

    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    if "@" in f"{parts.get('host')}{parts.get('port')}{parts.get('dbname')}":
        told = "cannot be read; what is special in user and password is written as in `%40` for `@`"
        raise ServingError(f"the server's address {told}") from None
    return dict(parts)


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
