"""The catalog: a DuckDB file of views over the lake's current files, for people who ask in SQL."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from resources.lake import Lake


class QueryError(ValueError):
    """The query is not allowed or not right; the message says which."""


class Answer(NamedTuple):
    columns: list[str]
    rows: list[tuple[Any, ...]]


class Catalog(dg.ConfigurableResource["Catalog"]):
    """Schema `bi` of the serving layer, embedded. Readers open, query and close; a rebuild never disturbs them."""

    path: str
    lake_root: str

    def rebuild(self, tables: Sequence[str]) -> None:
        """Write the views anew beside the old ones and put them in their place in one step."""
        import duckdb

        lake = Lake(root=self.lake_root)
        part = Path(f"{self.path}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        with duckdb.connect(str(part)) as connection:
            connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA bi")
            for table in tables:
                connection.execute(f'CREATE VIEW bi."{table}" AS {_view(table, self._files(lake, table))}')
        part.replace(self.path)

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN; nothing can be written, and only the lake's files can be read.

        Raises:
            QueryError: Another statement or several, a mistake in the SQL, a file elsewhere, or no catalog yet.
        """
        import duckdb

        if not Path(self.path).exists():
            raise QueryError("nothing is materialized yet: run `smartmaint demo`, or `import` and `run`, first")
        try:
            _refuse_all_but_reading(duckdb.extract_statements(sql))
            with duckdb.connect(self.path, read_only=True, config={"allow_unsigned_extensions": "false"}) as connection:
                connection.execute(f"SET allowed_directories = ['{_quoted(self.lake_root)}/']")
                connection.execute("SET enable_external_access = false")
                connection.execute("SET TimeZone = 'UTC'; SET schema = 'bi'; SET lock_configuration = true")
                answer = connection.execute(sql)
                return Answer([column[0] for column in answer.description or []], answer.fetchall())
        except duckdb.Error as error:
            raise QueryError(str(error)) from None

    def _files(self, lake: Lake, table: str) -> list[str]:
        return [self._empty_file(lake, table), *lake.files(table)]

    def _empty_file(self, lake: Lake, table: str) -> str:
        """A file with the table's columns and no rows: a view over no file at all would fail."""
        folder = Path(self.lake_root) / ".columns"
        path = folder / f"{table}.parquet"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            lake.read(table).clear().write_parquet(path)
        return str(path)


def _refuse_all_but_reading(statements: list[Any]) -> None:
    if len(statements) != 1:
        raise QueryError(f"expected one statement, found {len(statements)}")
    kind = statements[0].type.name
    if kind not in ("SELECT", "EXPLAIN"):
        raise QueryError(f"only SELECT and EXPLAIN are answered, found {kind}")


def _view(table: str, files: list[str]) -> str:
    listed = ", ".join(f"'{_quoted(file)}'" for file in files)
    types = "{'source': VARCHAR, 'day': DATE}"
    rows = (
        f"SELECT * FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = true, hive_types = {types})"  # noqa: S608 paths are ours, and quoted
    )
    if table != "readings":
        return rows
    newest = "row_number() OVER (PARTITION BY machine_id, sensor, recorded_at ORDER BY batch_seq DESC) = 1"
    return f"{rows} QUALIFY {newest}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
