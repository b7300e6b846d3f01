"""Alembic's entry point: it is handed an open connection by `database.schema`."""

from alembic import context

from pipelines.database.schema import COMPARED
from pipelines.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    autogenerate_plugins=COMPARED,
)
with context.begin_transaction():
    context.run_migrations()
