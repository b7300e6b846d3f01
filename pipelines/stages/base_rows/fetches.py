"""Whether Airtable has fetched the files it was given links to, as our own server saw it: that costs no call.

A link that is given to Airtable is signed for one cell. When its file was sent from the first byte to the last, the
file has arrived; where nothing was seen, the cell is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.domain.keys import digest
from pipelines.domain.records import Event
from pipelines.ports import Store, Tx

ENTITY, NAME = "file", "fetched"


def fetch_id_of(entry_id: str, url: str) -> str:
    """The id of the expected fetch of one file (`store:<key>#<mark>`) by one row."""
    return digest("giving", entry_id, url)[:32]


def note(store: Store, fetch_id: str, now: float) -> None:
    """The file was sent as a whole."""
    with store.write() as tx:
        if not tx.events.find(entity=ENTITY, entity_id=fetch_id, after={"at": now - _AGAIN_S}, limit=1):
            tx.events.add(Event(at=now, entity=ENTITY, entity_id=fetch_id, run_id=None, name=NAME))


_AGAIN_S = 60.0
"""Who fetches a link over and over writes no more than this often."""


def all_seen(tx: Tx, fetch_ids: Iterable[str], since: float) -> bool:
    """Whether each of them was fetched, not before `since`."""
    late = {"at": since - 1e-3}
    return all(tx.events.find(entity=ENTITY, entity_id=fetch_id, after=late, limit=1) for fetch_id in fetch_ids)
