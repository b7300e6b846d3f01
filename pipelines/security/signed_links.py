"""The addresses that the product hands out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from pipelines.domain.state.action_link import ActionLink
from pipelines.ports import Clock
from pipelines.security import links
from pipelines.security.secret_keys import SecretKeys

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SignedLinks:
    """ports.Links on the deployment's public address."""

    base: str
    keys: Callable[[], SecretKeys]
    providers_reach_us: bool
    clock: Clock

    def media(self, key: str, filename: str, ttl_s: float, fetch_id: str | None = None) -> str:
        """A signed link to a file in storage, served by the web process."""
        token = links.sign_media(self.keys(), key, self.clock.now() + ttl_s, fetch_id)
        return f"{self.base}/media/{token}/{quote(filename)}"

    def page(self, *, run_id: str) -> str:
        """A signed link that opens exactly one run."""
        return f"{self.base}/runs/{run_id}?t={links.sign_page(self.keys(), 'run', run_id)}"

    def row_page(self, base_id: str, record_id: str, handed_over_at: float) -> str:
        """A signed link that opens exactly one row, in this base and in no copy of it."""
        token = links.sign_page(self.keys(), "record", links.row_subject(base_id, record_id, handed_over_at))
        return f"{self.base}/r/{record_id}?t={token}"

    def action(self, link: ActionLink) -> str:
        """A signed link that does one act, once, within a week."""
        return f"{self.base}/decide?t={links.sign_action(self.keys(), link, self.clock.now() + 7 * DAY_S)}"

    def video(self, token: str) -> str:
        """The permanent link to a cut."""
        return f"{self.base}/v/{token}"

    def pack(self, token: str) -> str:
        """The permanent link to the page of a pack."""
        return f"{self.base}/v/{token}/pack"

    def callback(self, provider: str, token: str) -> str | None:
        """Where a provider may call back about one generation."""
        return f"{self.base}/api/webhook/{provider}/{token}" if self.providers_reach_us else None
