"""What Alembic runs: the versions, on the connection that `resources/serving/schema.py` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="schema_version",
    version_table_schema="store",
)
with context.begin_transaction():
    context.run_migrations()
