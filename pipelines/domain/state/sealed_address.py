"""An address that may hold a secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAddress:
    """Slack's and Airtable's addresses are secrets themselves, and others hold a token: so each is kept like one."""

    sealed: str = ""
    shown: str = ""
    """As much of it as may be shown."""
    origin: str = ""
    """The server that it leads to."""
