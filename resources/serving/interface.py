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


class Serving(Protocol):
    """A database with schema `bi` (`pipelines/contracts/views.py`)."""

    def query(self, sql: str) -> Answer:
        """Answer of one SELECT or EXPLAIN. Nothing can be written.

        Raises:
            QueryError: Another statement or several, a mistake in the SQL, or there is nothing to ask yet.
        """
