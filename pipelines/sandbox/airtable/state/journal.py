"""What outlives the process: a SQLite file of JSON documents, written in the same breath as memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Documents by key. Without a directory nothing is kept and every call is free.

    `synchronous=OFF`: a killed process loses nothing, because the pages are the kernel's by then;
    only a power cut could, and the sandbox holds no data worth an fsync.
    """

    def __init__(self, directory: Path | None) -> None:
        self._db: sqlite3.Connection | None = None
        if directory is None:
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "airtable.db", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS docs (key TEXT PRIMARY KEY, doc TEXT NOT NULL)")

    def write(self, puts: dict[str, Any], deletes: frozenset[str] | set[str] = frozenset()) -> None:
        """Write and remove documents in one transaction."""
        if self._db is None or not (puts or deletes):
            return
        self._db.execute("BEGIN")
        rows = [(key, json.dumps(doc)) for key, doc in puts.items()]
        self._db.executemany("INSERT INTO docs VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc", rows)
        self._db.executemany("DELETE FROM docs WHERE key = ?", [(key,) for key in deletes])
        self._db.execute("COMMIT")

    def read(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Documents whose key starts with the prefix, in order of their keys."""
        if self._db is None:
            return
        query = "SELECT key, doc FROM docs WHERE substr(key, 1, ?) = ? ORDER BY key"
        for key, doc in self._db.execute(query, (len(prefix), prefix)).fetchall():
            yield key, json.loads(doc)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
