"""Write the migration that leads from the newest revision to the tables as they are: `make migration M="why"`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from pipelines.database.schema import MIGRATIONS
from pipelines.database.store import make_engine


def main(message: str) -> None:
    """Autogenerate against a fresh SQLite database that holds all earlier revisions."""
    revisions = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'fresh.db'}")
        with engine.connect() as connection:
            config.attributes["connection"] = connection.execution_options(write=True)
            command.upgrade(config, "head")
            connection.commit()
            command.revision(config, message, autogenerate=True, rev_id=f"{len(revisions) + 1:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
