"""The catalog: a DuckDB file of views over the lake's current files, for people who ask in SQL."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from resources.lake import Lake
from resources.serving.interface import Answer, QueryError

COPY = re.compile(r"\bcopy\b", re.IGNORECASE)
LONGEST_QUERY = timedelta(hours=1)
"""As long as this a reader may go on with a catalog that has been replaced."""
FILE = re.compile(r"'((?:[^']|'')+\.parquet)'")


class Catalog(dg.ConfigurableResource["Catalog"]):
    """Schema `bi` of the serving layer, embedded. Readers open, query and close; a rebuild never disturbs them."""

    path: str
    lake_root: str

    def rebuild(self) -> None:
        """Write the views anew beside the old ones and put them in their place in one step.

        One process at a time: of two, the one that looked at the lake first could otherwise publish last, and readers
        would see rows go.
        """
        import duckdb

        from resources.serving.duckdb_views import statements  # the contracts are heavy, and a query needs none

        with self._alone():
            part = self._cleared_part()
            with duckdb.connect(config={"allow_unsigned_extensions": "false"}) as connection:
                published = [*self._published(connection), datetime.now(UTC)]  # before the lake is looked at
                connection.execute(f"ATTACH '{quoted(str(part))}' AS part; USE part; BEGIN")
                connection.execute("CREATE TABLE published (moment TIMESTAMPTZ)")
                connection.execute("INSERT INTO published SELECT unnest(?)", [published])
                for statement in statements(Lake(root=self.lake_root)):
                    connection.execute(statement)
                connection.execute("COMMIT; USE memory; DETACH part")
            part.replace(self.path)

    def read_since(self, now: datetime) -> datetime | None:
        """When the oldest catalog that somebody may still read by was published; None where there is none.

        Files of the lake that were current then must stay. A catalog is read until it is replaced, and by queries under
        way for `LONGEST_QUERY` longer.
        """
        import duckdb

        if not Path(self.path).exists():
            return None
        with duckdb.connect(config={"allow_unsigned_extensions": "false"}) as connection:
            published = self._published(connection)
        if not published:  # of an older version, or broken
            return datetime.fromtimestamp(Path(self.path).stat().st_mtime, UTC)
        return max((at for at in published if at <= now - LONGEST_QUERY), default=published[0])

    def files(self) -> dict[str, set[str]]:
        """The lake's files that the views of each table stand on.

        Raises:
            QueryError: The catalog is missing or broken.
        """
        answer = self.query("SELECT view_name, sql FROM duckdb_views() WHERE schema_name = 'lake'")
        return {name: {file.replace("''", "'") for file in FILE.findall(sql)} for name, sql in answer.rows}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = os.open(Path(self.path).with_name(".catalog.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # freed with the process, however it ends
            yield
        finally:
            os.close(lock)

    def _cleared_part(self) -> Path:
        """Where to write; what a rebuild that was killed left is removed: whoever holds the lock is the only one."""
        path = Path(self.path)
        for left in path.parent.glob(f"{path.name}.*.part*"):
            left.unlink()
        return Path(f"{self.path}.{os.getpid()}.part")

    def _published(self, connection: Any) -> list[datetime]:
        """Moments at which catalogs were published, oldest first: that of an hour ago, and all since."""
        import duckdb

        if not Path(self.path).exists():
            return []
        try:
            connection.execute(f"ATTACH '{quoted(self.path)}' AS old (READ_ONLY)")
            rows = connection.execute("SELECT epoch_us(moment) FROM old.published ORDER BY moment").fetchall()
            connection.execute("DETACH old")
        except duckdb.Error:
            return []
        moments = [datetime.fromtimestamp(us / 1e6, UTC) for (us,) in rows]
        old = [at for at in moments if at <= datetime.now(UTC) - LONGEST_QUERY]
        return [*old[-1:], *moments[len(old) :]]

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN; nothing can be written, and only the lake's files can be read.

        Raises:
            QueryError: Another statement or several, a mistake in the SQL, a file elsewhere, or no catalog yet.
        """
        import duckdb

        if not Path(self.path).exists():
            raise QueryError("nothing is materialized yet: run `smartmaint demo`, or `import` and `run`, first")
        try:
            _refuse_all_but_reading(duckdb.extract_statements(sql.encode().decode()))
            # attached to an instance of its own: one that connected to the file would be shared with every other
            # reader of this process, who find its configuration locked and, after a rebuild, its old file
            with duckdb.connect(config={"allow_unsigned_extensions": "false"}) as connection:
                connection.execute(f"SET temp_directory = '{quoted(self.path)}.tmp'")
                connection.execute(f"ATTACH '{quoted(self.path)}' AS catalog (READ_ONLY)")
                connection.execute(f"SET allowed_directories = ['{quoted(self.lake_root)}/']")
                connection.execute("SET enable_external_access = false")
                connection.execute("SET TimeZone = 'UTC'; USE catalog.bi; SET lock_configuration = true")
                answer = connection.execute(sql)
                return Answer([column[0] for column in answer.description or []], answer.fetchall())
        except (duckdb.Error, OverflowError, UnicodeError) as error:  # a value or a text that Python cannot hold
            raise QueryError(str(error)) from None


def _refuse_all_but_reading(statements: list[Any]) -> None:
    if len(statements) != 1:
        raise QueryError(f"expected one statement, found {len(statements)}")
    kind = statements[0].type.name
    if kind not in ("SELECT", "EXPLAIN"):
        raise QueryError(f"only SELECT and EXPLAIN are answered, found {kind}")
    # COPY hides in both: WITH x AS (COPY ...) SELECT, EXPLAIN ANALYZE COPY; and what may be read may be written
    if COPY.search(statements[0].query):
        raise QueryError("only SELECT and EXPLAIN are answered, found the word COPY")


def quoted(text: str) -> str:
    return text.replace("'", "''")
