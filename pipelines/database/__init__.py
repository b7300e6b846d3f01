"""Where runs, money and history are kept. The only room that knows SQLAlchemy."""

from pipelines.database.store import SqlStore

__all__ = ["SqlStore"]
