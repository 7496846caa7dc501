"""What every serving database answers to."""

from typing import Any, NamedTuple, Protocol

from pipelines.failures import StatedError


class ServingError(StatedError):
    """A database cannot be reached, prepared or written to; the message says why and what to do, never a password."""


class QueryError(StatedError):
    """The query is not allowed or not right, or the database cannot be asked; the message says which."""


class Answer(NamedTuple):
    """Rows of one query. Times are in UTC; lists and structs are Python lists and dicts."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Published(NamedTuple):
    """What was done for one table.

    Attributes:
        version: Of the lake's table, taken now.
        is_whole: The whole table was compared, for want of a note that the change feed reaches back to.
        rows: Rows that were copied or compared.
        upserted: Rows that came or say something else.
        deleted: Rows that went.
    """

    table: str
    version: int
    is_whole: bool
    rows: int
    upserted: int
    deleted: int
    seconds: float


class Serving(Protocol):
    """A database with schema `bi` (`pipelines/contracts/views.py`)."""

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN. Nothing can be written.

        Raises:
            QueryError: Another statement or several, a mistake in the SQL, or there is nothing to ask yet.
        """
