"""The schema of a server: brought to the newest version, its views as the code describes them."""

from pathlib import Path
from typing import Any

from resources.serving import server_views
from resources.serving.interface import ServingError

HEAD = "0001"
"""Newest version; that of `resources/migrations`."""
LOCK = 0x5AA2_7A11
"""Of two that prepare one database at once, one waits."""


def is_current(connection: Any) -> bool:
    """Whether nothing is to be done."""
    if (
        connection.execute("SELECT to_regclass('store.schema_version'), to_regclass('store.views')").fetchone()[1]
        is None
    ):
        return False
    asked = "SELECT (SELECT version_num FROM store.schema_version), (SELECT version FROM store.views)"
    found = connection.execute(asked).fetchone()
    return bool(found == (HEAD, server_views.version()))


def prepare(url: str) -> None:
    """Bring schema and views to what the code knows. Nothing happens where they are.

    Args:
        url: Of a role that owns the schema, or may make it.

    Raises:
        ServingError: The schema is newer than the code, or the role may not change it.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{url.partition('://')[2]}", poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            connection.execute(sqlalchemy.text("CREATE EXTENSION IF NOT EXISTS timescaledb"))
            connection.execute(sqlalchemy.text("CREATE SCHEMA IF NOT EXISTS store"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            for statement in [*server_views.statements(), "DELETE FROM store.views"]:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})  # a unit is %
            noted = sqlalchemy.text("INSERT INTO store.views VALUES (:version)")
            connection.execute(noted, {"version": server_views.version()})
    except CommandError as error:
        raise ServingError(f"the schema of the server is newer than this version knows ({error}); update") from None
    except sqlalchemy.exc.DBAPIError as error:
        raise ServingError(f"the schema could not be prepared: {str(error.orig).strip()}") from None
