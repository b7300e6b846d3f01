"""Files: ours, those brought in, and the links to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipelines.domain.state.action_link import ActionLink


class Intake(Protocol):
    """Brings files from outside into our storage, through the guard against inside addresses."""

    def bring(self, url: str, *, of_base: bool = False, account_id: str | None = None) -> str:
        """Download a picture, logo or music file; its storage key, which follows from its content. A key is returned
        as it is. `of_base`: Airtable gave us the address, and its own server may be at an inside one.

        Raises ForbiddenAddress, Expired, BadDelivery or Unavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file in storage; `sha256` is empty when only a listing said so, and `modified_at` 0 when none did."""

    key: str
    sha256: str
    size: int
    modified_at: float = field(default=0.0, compare=False)


class MediaStore(Protocol):
    """Where clips and cuts live. Keys follow from content; putting twice is harmless."""

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """Create-only; already there with the same size is success. Raises Busy when the disk is full."""

    def take_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """As `put_file`, of a file that nobody writes to any more: it need not be copied."""

    def fetch(self, key: str, dest: Path) -> None:
        """Bring a file here. Raises Expired when it is not in storage."""

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Some bytes of a file, in pieces."""

    def local_path(self, key: str) -> Path | None:
        """The file itself, where storage is this machine's disk."""

    def presigned(self, key: str, ttl_s: float) -> str | None:
        """A link that the storage itself serves, or None: then we serve it at `/media/…`."""

    def stat(self, key: str) -> Stored | None:
        """Its size, or None."""

    def delete(self, key: str) -> None:
        """Remove it; not there is success."""

    def list_prefix(self, prefix: str) -> Iterator[Stored]:
        """All files whose key begins so."""

    def check(self) -> None:
        """A round trip with a tiny file. Raises Unavailable or NotConfigured."""


class Links(Protocol):
    """Addresses that others may open. None is made by anybody else."""

    def media(self, key: str, filename: str, ttl_s: float, fetch_id: str | None = None) -> str:
        """A signed link to a file that lives `ttl_s` seconds, absolute, for Airtable, providers and pages. `fetch_id`
        names what it was made for: then it is noted when somebody has fetched the whole file by it.
        """

    def page(self, *, run_id: str) -> str:
        """A signed link to the progress page of one run."""

    def row_page(self, base_id: str, record_id: str, handed_over_at: float) -> str:
        """A signed link to the progress page of one row. It names the base, because rows of a copy have the same ids,
        and when the base last left an account: who could open its rows before cannot any more.
        """

    def action(self, link: ActionLink) -> str:
        """A signed link that asks whether its act is meant, and does it once; it lives for a week."""

    def video(self, token: str) -> str:
        """The permanent link to a cut."""

    def pack(self, token: str) -> str:
        """The permanent link to the page of a pack."""

    def callback(self, provider: str, token: str) -> str | None:
        """Where a provider may call back about one generation; None when it cannot reach us."""
