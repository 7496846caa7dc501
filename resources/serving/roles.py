"""Roles of a server: who owns the schema, who writes rows, who reads the views. None gets a password here."""

from typing import Any

from resources.serving.rollup import is_aggregate

READER, WRITER = "bi_reader", "smartmaint_writer"
READERS_AT_ONCE = 20
SETTINGS = (
    f"ALTER ROLE {READER} LOGIN CONNECTION LIMIT {READERS_AT_ONCE}",
    f"ALTER ROLE {READER} SET default_transaction_read_only = on",
    f"ALTER ROLE {READER} SET statement_timeout = '60s'",
    f"ALTER ROLE {READER} SET idle_in_transaction_session_timeout = '5min'",
    f"ALTER ROLE {READER} SET search_path = bi, public",
    f"ALTER ROLE {READER} SET TimeZone = 'UTC'",
    f"ALTER ROLE {WRITER} LOGIN",
)
GRANTS = (
    "GRANT USAGE ON SCHEMA bi TO {reader}, {writer}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA bi TO {reader}, {writer}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA bi GRANT SELECT ON TABLES TO {reader}, {writer}",
    "GRANT {reader} TO {writer}",  # who publishes may ask too
    "GRANT USAGE ON SCHEMA store TO {writer}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA store GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {writer}",
)
ON_THE_DATABASE = (  # so that a reader makes no temporary tables; only the database's owner may do this
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {reader}, {writer}",
    "GRANT TEMPORARY ON DATABASE {database} TO {writer}",
)
BACK_DOORS = ("lo_create", "lo_creat", "lo_from_bytea", "lo_put", "lo_import", "add_job")
"""Functions that write for whoever may run them, once a reader has turned its read-only setting off."""


def make_roles(connection: Any) -> list[str]:
    """Make reader and writer, and grant each what it needs; again changes nothing, and goes on where it was cut short.

    Args:
        connection: Of the schema's owner, who may make roles, in autocommit.

    Returns:
        What could not be done for want of rights, one line each.
    """
    for role in (READER, WRITER):
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
            connection.execute(f"CREATE ROLE {role}")
    for statement in SETTINGS:
        connection.execute(statement)
    for statement in GRANTS:
        _granted(connection, statement)
    # one by one: the continuous aggregate is no table, and Timescale refuses a grant on it to its own owner
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'store'::regnamespace AND relkind = 'r'"
    for (table,) in connection.execute(tables).fetchall():
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON store.{table} TO {WRITER}")
    if is_aggregate(connection) and not _owns_rollup(connection):  # only its owner may refresh it
        connection.execute(f"GRANT {WRITER} TO current_user")  # who owns the views must still read it
        connection.execute(f"GRANT CREATE ON SCHEMA store TO {WRITER}")  # to be given an object in it
        connection.execute(f"ALTER MATERIALIZED VIEW store.readings_hourly OWNER TO {WRITER}")
        connection.execute(f"REVOKE CREATE ON SCHEMA store FROM {WRITER}")
    return [*_close_database(connection), *_close_back_doors(connection)]


def _owns_rollup(connection: Any) -> bool:
    asked = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'store.readings_hourly'::regclass"
    return bool(connection.execute(asked).fetchone()[0] == WRITER)


def _granted(connection: Any, statement: str) -> None:
    from psycopg import sql

    (database,) = connection.execute("SELECT current_database()").fetchone()
    names = {"reader": READER, "writer": WRITER, "database": database}
    told = {name: sql.Identifier(value) for name, value in names.items()}
    connection.execute(sql.SQL(statement).format(**told))


def _close_database(connection: Any) -> list[str]:
    import psycopg

    try:
        for statement in ON_THE_DATABASE:
            _granted(connection, statement)
    except psycopg.Error as error:
        told = " ".join(str(error).split())
        return [f"the database could not be closed to other roles, and readers may make temporary tables: {told}"]
    return []


def _close_back_doors(connection: Any) -> list[str]:
    import psycopg

    asked = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY(%s)"
    left = []
    for (function,) in connection.execute(asked, [list(BACK_DOORS)]).fetchall():
        try:
            connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        except psycopg.errors.InsufficientPrivilege:
            left.append(f"only a superuser may take {function} from PUBLIC; a reader could fill the disk with it")
    return left
