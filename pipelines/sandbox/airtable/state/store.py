"""The sandbox's whole Airtable: bases, attachments, limits, and the one lock around them."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.background import Background
from pipelines.sandbox.airtable.state.journal import Journal
from pipelines.sandbox.airtable.state.limits import Limits
from pipelines.sandbox.airtable.state.model import Attachment, Base, Field, Json, Record, Table, TableDiff, Webhook

FIRST_BASE = "appReelgridDemo01"


class World:
    """Everything the emulated Airtable knows. Mutations go through `changes.transaction`, which is
    atomic and journaled.

    `public_url` is the sandbox's own origin, without a trailing slash; attachment URLs start with it.
    """

    def __init__(self, *, state: Path | None = None, public_url: str = "") -> None:
        self.public_url = public_url
        self.state = state
        self.lock = threading.RLock()
        self.limits = Limits()
        self.background = Background()
        self.bases: dict[str, Base] = {}
        self.attachments: dict[str, Attachment] = {}
        self.failed_urls: dict[str, list[float]] = {}
        self.journal = Journal(state)
        self._scratch = None if state else tempfile.TemporaryDirectory(prefix="sandbox-airtable-")
        self.files = state / "attachments" if state else Path(self._scratch.name)  # type: ignore[union-attr]
        self.files.mkdir(exist_ok=True)
        self.secret = secrets.token_hex(16)
        self.observers: list[Callable[[Transaction], None]] = []
        """Told of every transaction as it is committed, under the lock."""
        self._load()

    def close(self) -> None:
        """Stop background work and remove scratch files."""
        self.background.close()
        with self.lock:
            self.journal.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def create_base(self, name: str, base_id: str | None = None) -> Base:
        """An empty base."""
        with self.lock:
            base = Base(id=base_id or ids.new_id("app"), name=name, created=ids.now_iso())
            self.bases[base.id] = base
            self.save_base(base)
            return base

    def delete_base(self, base: Base) -> None:
        with self.lock:
            del self.bases[base.id]
            self.journal.write({}, {f"base/{base.id}", *(f"webhook/{hook}" for hook in base.webhooks)})

    def save_base(self, base: Base) -> None:
        self.journal.write({f"base/{base.id}": base.schema()})

    def save_webhook(self, hook: Webhook) -> None:
        doc = asdict(hook) | {"payloads": []}
        self.journal.write({f"webhook/{hook.id}": doc})

    def save_attachment(self, attachment: Attachment) -> None:
        self.journal.write({f"attachment/{attachment.id}": asdict(attachment)})

    def save_limits(self) -> None:
        with self.lock:
            self.journal.write({"limits": self.limits.dump()})

    def base(self, base_id: str) -> Base:
        """A base by id; raises the 404 or 403 that Airtable gives."""
        if not ids.is_id(base_id, "app"):
            raise errors.not_found()
        base = self.bases.get(base_id)
        if base is None:
            raise errors.hidden()
        return base

    def _load(self) -> None:
        for _, doc in self.journal.read("base/"):
            self.bases[doc["id"]] = _base(doc)
        for key, doc in self.journal.read("record/"):
            _, base_id, table_id, _ = key.split("/")
            if (base := self.bases.get(base_id)) and (table := base.table(table_id)):
                table.records[doc["id"]] = Record(**doc)
        for base in self.bases.values():
            for table in base.tables:
                table.records = dict(sorted(table.records.items(), key=lambda item: item[1].number))
        self._load_rest()

    def _load_rest(self) -> None:
        for _, doc in self.journal.read("webhook/"):
            hook = Webhook(**doc)
            hook.payloads = [payload for _, payload in self.journal.read(f"payload/{hook.id}/")]
            self.bases[hook.base_id].webhooks[hook.id] = hook
        for _, doc in self.journal.read("attachment/"):
            self.attachments[doc["id"]] = Attachment(**doc)
        for _, doc in self.journal.read("limits"):
            self.limits.load(doc)
        for _, doc in self.journal.read("secret"):
            self.secret = doc
        self.journal.write({"secret": self.secret})


@dataclass
class Transaction:
    """What one change did to one base, table by table."""

    world: World
    base: Base
    source: str
    diffs: dict[str, TableDiff] = field(default_factory=dict)


def _base(doc: Json) -> Base:
    base = Base(id=doc["id"], name=doc["name"], created=doc["created"], transactions=doc["transactions"])
    for table in doc["tables"]:
        fields = [Field(**f) for f in table["fields"]]
        base.tables.append(Table(**{**table, "fields": fields}))
    return base
