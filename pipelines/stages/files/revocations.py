"""What was taken back: keys, links, accounts, bases, and rows that were erased.

Each is also a small file in storage, beside the row that says so: a database that is restored from a backup of before
reads them (`recovery.after_restore`), because what was revoked must not work again only because the rows are older.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.domain.errors import ReelgridError
from pipelines.domain.state.open_json import JsonObject
from pipelines.domain.stored_files import REVOKED
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)


class Revoked(StrEnum):
    """What can be taken back."""

    KEY = "key"
    ACCOUNT = "account"
    BASE = "base"
    FILM = "film"
    SHARE = "share"
    WEBHOOK = "webhook"
    """Deleted where no columns are told, else switched off or on."""
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One of them, and the columns that its row has since."""

    what: Revoked
    id: str
    columns: JsonObject = field(default_factory=dict)


def note(services: Services, what: Revoked, id: str, **columns: object) -> None:
    """Keep in storage what a row was just told. Storage that is away does not keep anybody from taking something back:
    the log says what a restored database would not know.
    """
    now = services.clock.now()
    body = json.dumps({"what": what, "id": id, "columns": columns}, sort_keys=True).encode()
    name = f"{_moment(now)}-{what}-{hashlib.sha256(body).hexdigest()[:16]}.json"
    draft = services.work / REVOKED / name
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(body)
        services.media.put_file(draft, f"{REVOKED}/{name}", "application/json")
    except (ReelgridError, OSError) as error:
        logger.error("%s %s was taken back, but a backup of before will know it as good: %s", what, id, error)  # noqa: TRY400
    finally:
        draft.unlink(missing_ok=True)


def noted_since(services: Services, since: float) -> Iterator[Revocation]:
    """All of them since then, in their order. Raises Unavailable."""
    first = f"{REVOKED}/{_moment(since)}"
    for key in sorted(stored.key for stored in services.media.list_prefix(f"{REVOKED}/") if stored.key >= first):
        stored = services.media.stat(key)
        if stored is not None:
            told = json.loads(b"".join(services.media.open_range(key, 0, stored.size)))
            yield Revocation(Revoked(told["what"]), told["id"], told["columns"])


def _moment(at: float) -> str:
    return f"{max(0, int(at * 1000)):015d}"
