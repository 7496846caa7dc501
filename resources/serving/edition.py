"""Edition: what a server can do, asked of the server and never configured."""

from dataclasses import dataclass
from typing import Any

from resources.serving.interface import ServingError

ASKED = """
    SELECT current_setting('server_version_num')::int / 10000,
           (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
           current_setting('timescaledb.license', true)
"""
SEARCHED = """
    SELECT set_config('search_path', coalesce(
        (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'timescaledb'), 'public'), false)
"""
"""Statement that finds Timescale's functions, whatever path the role or the database has by default."""
OLDEST_POSTGRES = 15  # of it and newer, PUBLIC makes nothing in schema public


@dataclass(frozen=True)
class Edition:
    """Attributes:
    postgres: Major version.
    timescale: Version of the extension.
    has_community_features: Continuous aggregates, columnstore and policies: licence `timescale`, not `apache`.
    """

    postgres: int
    timescale: str
    has_community_features: bool

    def __str__(self) -> str:
        licence = "Community" if self.has_community_features else "Apache"
        return f"TimescaleDB {self.timescale} ({licence} edition) on PostgreSQL {self.postgres}"


def edition_of(connection: Any) -> Edition:
    """Edition of the server behind a psycopg connection.

    Raises:
        ServingError: The extension is not there, or the server is too old.
    """
    postgres, timescale, licence = connection.execute(ASKED).fetchone()
    if timescale is None:
        raise ServingError(
            "the database has no extension timescaledb: install TimescaleDB on the server, name it in "
            "shared_preload_libraries, and run `smartmaint serving prepare` as a role that may create extensions"
        )
    if postgres < OLDEST_POSTGRES:
        raise ServingError(f"PostgreSQL {postgres} is too old; expected {OLDEST_POSTGRES} or newer")
    return Edition(postgres, timescale, licence == "timescale")
