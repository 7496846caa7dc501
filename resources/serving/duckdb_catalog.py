"""The catalog: a DuckDB file of views over the lake's current files, for people who ask in SQL."""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

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

    def rebuild(self, tables: Sequence[str]) -> None:
        """Write the views anew beside the old ones and put them in their place in one step.

        One process at a time: of two, the one that looked at the lake first could otherwise publish last, and readers
        would see rows go.
        """
        import duckdb

        lake = Lake(root=self.lake_root)
        with self._alone():
            part = self._cleared_part()
            published = [*self._published(), datetime.now(UTC)]  # before the lake is looked at
            with duckdb.connect(str(part)) as connection:
                connection.execute(
                    "SET TimeZone = 'UTC'; CREATE SCHEMA bi; CREATE TABLE published (moment TIMESTAMPTZ)"
                )
                connection.execute("INSERT INTO published SELECT unnest(?)", [published])
                for table in tables:
                    connection.execute(f'CREATE VIEW bi."{table}" AS {_view(table, lake)}')
            part.replace(self.path)

    def read_since(self, now: datetime) -> datetime | None:
        """When the oldest catalog that somebody may still read by was published; None where there is none.

        Files of the lake that were current then must stay. A catalog is read until it is replaced, and by queries under
        way for `LONGEST_QUERY` longer.
        """
        if not Path(self.path).exists():
            return None
        published = self._published()
        if not published:  # of an older version, or broken
            return datetime.fromtimestamp(Path(self.path).stat().st_mtime, UTC)
        return max((at for at in published if at <= now - LONGEST_QUERY), default=published[0])

    def files(self) -> dict[str, set[str]]:
        """The lake's files that each view lists.

        Raises:
            QueryError: The catalog is missing or broken.
        """
        answer = self.query("SELECT view_name, sql FROM duckdb_views() WHERE schema_name = 'bi'")
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

    def _published(self) -> list[datetime]:
        """Moments at which catalogs were published, oldest first: that of an hour ago, and all since."""
        import duckdb

        if not Path(self.path).exists():
            return []
        try:
            with duckdb.connect(config={"allow_unsigned_extensions": "false"}) as connection:
                connection.execute(f"ATTACH '{_quoted(self.path)}' AS catalog (READ_ONLY)")
                connection.execute("SET TimeZone = 'UTC'")
                rows = connection.execute("SELECT epoch_us(moment) FROM catalog.published ORDER BY moment").fetchall()
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
                connection.execute(f"SET temp_directory = '{_quoted(self.path)}.tmp'")
                connection.execute(f"ATTACH '{_quoted(self.path)}' AS catalog (READ_ONLY)")
                connection.execute(f"SET allowed_directories = ['{_quoted(self.lake_root)}/']")
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


def _view(table: str, lake: Lake) -> str:
    """The current files, listed one by one: a reader sees one version, whole, until the next rebuild."""
    example = lake.columns(table)
    columns = example.columns
    files = ", ".join(f"'{_quoted(file)}'" for file in [_empty_file(table, example, lake), *lake.files(table)])
    named = ", ".join(f'"{column}"' for column in columns)
    types = ", ".join(f"{name}: {kind}" for name, kind in (("source", "VARCHAR"), ("day", "DATE")) if name in columns)
    options = f"union_by_name = true, hive_partitioning = true, hive_types = {{{types}}}"
    rows = f"SELECT {named} FROM read_parquet([{files}], {options})"
    if table != "readings":
        return rows
    newest = "row_number() OVER (PARTITION BY machine_id, sensor, recorded_at ORDER BY batch_seq DESC) = 1"
    return f"{rows} QUALIFY {newest}"


def _empty_file(table: str, example: pl.DataFrame, lake: Lake) -> str:
    """A file with the table's columns and no rows: a view over no file at all would fail."""
    parts = {"source": "source=none", "day": "day=1970-01-01"}
    folders = [folder for column, folder in parts.items() if column in example.columns]
    empty = example.drop([column for column in parts if column in example.columns])
    path = Path(lake.root, ".columns", table, *folders, "empty.parquet")
    if not path.exists() or pl.read_parquet_schema(path) != empty.schema:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{os.getpid()}.part")
        empty.write_parquet(part)
        part.replace(path)
    return str(path)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
