"""Write the migration that leads from the newest revision to the tables as they are: `make migration M="why"`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from pipelines.database import schema
from pipelines.database.engine import make_engine


def main(message: str) -> None:
    """Autogenerate against a fresh SQLite database that holds all earlier revisions."""
    revisions = sorted(path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("0*.py"))
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'fresh.db'}")
        with engine.connect() as connection, schema.configured(connection) as config:
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=f"{len(revisions) + 1:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
