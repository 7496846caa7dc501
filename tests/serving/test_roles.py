"""Who may do what on a server: a reader reads the views, a writer publishes, neither does anything else."""

import psycopg
import pytest
import sqlalchemy

from pipelines.contracts.views import VIEWS
from resources.serving import loading, rollup
from resources.serving.interface import QueryError, ServingError
from resources.serving.layout import LAYOUTS, type_of
from resources.serving.schema import HEAD, is_current

pytestmark = pytest.mark.service

FORBIDDEN = [
    "INSERT INTO bi.machines (machine_id) VALUES ('x')",
    "UPDATE bi.readings SET value = 0",
    "DELETE FROM bi.alarms",
    "TRUNCATE store.readings",
    "SELECT * FROM store.readings",
    "SELECT * FROM store.taken",
    "COPY store.readings TO STDOUT",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "CREATE TABLE bi.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE VIEW bi.mine AS SELECT 1",
    "CREATE FUNCTION bi.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE VIEW bi.machines AS SELECT 1 AS machine_id",
    "DROP VIEW bi.machines",
    "ALTER VIEW bi.machines RENAME TO other",
    "COMMENT ON VIEW bi.machines IS 'x'",
    "CREATE ROLE mine",
    "ALTER ROLE bi_reader SUPERUSER",
    "SET ROLE smartmaint_writer",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT drop_chunks('store.readings', older_than => interval '1 day')",
    "SELECT lo_from_bytea(0, 'x')",
    "DROP EXTENSION timescaledb",
    "VACUUM store.readings",
]


REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,  # of a view that cannot be written through, whoever asks
)


@pytest.fixture
def as_reader(standing):
    """A connection of the reader who has turned the read-only setting off, which anyone may."""
    with psycopg.connect(standing.server.url, user="bi_reader", autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("SET ROLE bi_reader")  # one of the servers has one session for all, the owner's
        try:
            yield connection
        finally:
            connection.execute("RESET ROLE")


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_reader_is_refused_everything_but_the_views(as_reader, statement):
    if statement.startswith("SET ROLE") and as_reader.execute("SELECT session_user").fetchone() != ("bi_reader",):
        pytest.skip("who logged in here is the owner")
    with pytest.raises(REFUSED):
        as_reader.execute(statement)


def test_a_reader_of_a_server_that_may_be_closed_makes_no_temporary_table(standing):
    if standing.server.prepare(take_over=True)[1]:
        pytest.skip("this server lets nobody close its database")
    with psycopg.connect(standing.server.url, user="bi_reader", autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMP TABLE mine (a int)")
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TEMP TABLE mine (a int)")
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
        counted = "SELECT count(*) FROM machines"
        assert connection.execute(counted).fetchall() == standing.catalog.query(counted).rows
        assert connection.execute("SHOW TimeZone").fetchone() == ("UTC",)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM alarms", "permission denied|read-only"),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands"),
        ("SET ROLE postgres", "only SELECT and EXPLAIN"),
        ("COMMIT", "."),
        ("SELECT * FROM store.taken", "permission denied"),
        ("SELECT nothing FROM machines", 'column "nothing" does not exist'),
        ("COPY (SELECT 1) TO PROGRAM 'id'", "permission denied"),
        ("WITH gone AS (DELETE FROM alarms RETURNING 1) SELECT * FROM gone", "permission denied|read-only"),
    ],
)
def test_what_is_asked_through_us_only_reads(standing, sql, told):
    with pytest.raises(QueryError, match=told):
        standing.server.query(sql)


def test_a_writer_publishes_once_the_owner_has_prepared(served):
    with served.server.connected() as connection:
        connection.execute("DELETE FROM store.taken")
        connection.execute("UPDATE store.window_features SET mean = 0")
        connection.execute("SET ROLE smartmaint_writer")
        try:
            assert is_current(connection)
            for layout in LAYOUTS.values():
                loading.publish(connection, served.lake, layout)
            rollup.catch_up(connection)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DROP TABLE store.readings")
        finally:
            connection.execute("RESET ROLE")
    assert served.differing() == []


def test_a_view_of_another_version_is_made_anew_and_stays_readable(served):
    with served.server.connected() as connection:
        connection.execute("UPDATE store.views SET version = 'older'")
        connection.execute("DROP VIEW bi.work_orders; CREATE VIEW bi.work_orders AS SELECT 1 AS work_order_id")
    served.publish()
    assert served.differing() == []


def test_a_schema_of_a_later_version_is_left_alone(served):
    with served.server.connected() as connection:
        connection.execute("UPDATE store.schema_version SET version_num = '9999'")
        try:
            with pytest.raises(ServingError, match="of a version that is not known here"):
                served.publish()
        finally:
            connection.execute("UPDATE store.schema_version SET version_num = %s", [HEAD])


@pytest.mark.parametrize("name", VIEWS)
def test_a_tool_that_reflects_finds_every_view_with_types_and_comments(standing, name):
    address = standing.server.url.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    inspector = sqlalchemy.inspect(engine)
    assert set(inspector.get_view_names("bi")) == set(VIEWS)
    view = VIEWS[name]
    assert inspector.get_table_comment(name, schema="bi") == {"text": view.about}
    found = {column["name"]: column for column in inspector.get_columns(name, schema="bi")}
    assert {column: told["comment"] for column, told in found.items()} == {c.name: c.comment for c in view.columns}
    types = {"DOUBLE PRECISION": "double precision", "TIMESTAMP": "timestamptz"}
    told = {
        column: types.get(str(told["type"]), str(told["type"]).lower().removesuffix(' collate "c"'))
        for column, told in found.items()
    }
    assert told == {column.name: type_of(column) for column in view.columns}
