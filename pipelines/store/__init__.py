"""Where runs, money and history are kept. The only room that knows SQLAlchemy."""

from pipelines.store.sql import SqlStore

__all__ = ["SqlStore"]
