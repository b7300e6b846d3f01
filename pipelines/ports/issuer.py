"""Whose tokens act for accounts, beside our own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Issuer(Protocol):
    """An identity provider outside."""

    @property
    def name(self) -> str:
        """What its tokens name as their issuer."""

    def keys(self) -> Mapping[str, Any]:
        """The keys by which its tokens are verified now (a JWKS). Raises Unavailable, NotConfigured or
        ForbiddenAddress.
        """
