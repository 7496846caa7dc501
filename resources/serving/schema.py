"""The schema of a server: brought to the newest version, its views as the code describes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.contracts.views import VIEWS
from resources.serving import server_views
from resources.serving.edition import SEARCHED
from resources.serving.interface import ServingError

HEAD = "0002"
"""Newest version; that of `resources/migrations`."""
LOCK = 0x5AA2_7A11
"""Of two that prepare one database at once, one waits."""


def is_current(connection: Any) -> bool:
    """Whether nothing is to be done."""
    if connection.execute("SELECT to_regclass('store.views')").fetchone()[0] is None:
        return False
    asked = "SELECT (SELECT version_num FROM store.schema_version), (SELECT version FROM store.views)"
    return bool(connection.execute(asked).fetchone() == (HEAD, server_views.version()))


def prepare(connect: Callable[[], Any], *, until: str = "head") -> None:
    """Bring schema and views to what the code knows, all or nothing. Nothing happens where they are.

    Args:
        connect: A psycopg connection of a role that owns the schema, or may make it.
        until: Version of the schema; the views are made of the newest only.

    Raises:
        ServingError: The schema is of a version that the code does not know.
        psycopg.Error: What else the server says.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=connect, poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            server: Any = connection.connection.driver_connection
            server.execute(f"SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock({LOCK})")
            server.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            server.execute(SEARCHED)
            if server.execute("SELECT to_regnamespace('store')").fetchone()[0] is None:
                server.execute("CREATE SCHEMA store")
            config.attributes["connection"] = connection
            command.upgrade(config, until)
            if until == "head":
                _replace_views(server)
    except CommandError as error:
        raise ServingError(
            f"the schema of the server is of a version that is not known here ({error}); update"
        ) from None
    except sqlalchemy.exc.DBAPIError as error:
        raise (error.orig or error) from None


def _replace_views(server: Any) -> None:
    """Views in place, so that what was granted on them stays; one of other columns is made anew."""
    import psycopg

    for view in VIEWS.values():
        try:
            with server.transaction():
                server.execute(f"CREATE OR REPLACE {server_views.definition(view)}")
        except psycopg.errors.InvalidTableDefinition:
            server.execute(f"DROP VIEW bi.{view.name}")
            server.execute(f"CREATE {server_views.definition(view)}")
        for statement in server_views.comments(view):
            server.execute(statement)
    server.execute("DELETE FROM store.views")
    server.execute("INSERT INTO store.views VALUES (%s)", [server_views.version()])
