"""Addresses that customers give for their webhooks: looked at here as text, and where they lead at each attempt."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipelines.domain.errors import Problem
from pipelines.domain.orders.public_addresses import why_not
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.security import sealing
from pipelines.settings import Origin
from webapp.context import secret, settings
from webapp.errors import invalid_input

MAX_ADDRESS = 2048


def sealed(name: str, url: str, *, secretive: bool = False) -> SealedAddress:
    """The address as it is kept; `secretive`: where its path is a secret too. Raises 422, naming the field."""
    why = refusal(url)
    if why is not None:
        raise invalid_input([Problem(name, why)])
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = "/…" if secretive else parts.path
    shown = f"{origin}{path}{'?…' if parts.query and not secretive else ''}"
    return SealedAddress(sealed=sealing.seal(secret(), url), shown=shown, origin=origin)


def refusal(url: str) -> str | None:
    """What is wrong with an address, as a sentence that continues a field's name; None where nothing is to be seen."""
    if _trusted(url):
        return None
    why = why_not(url)
    return None if why is None else f"{why}."


def _trusted(url: str) -> bool:
    """Whether it leads to one of the operator's own servers."""
    try:
        return "@" not in urlsplit(url).netloc and Origin.of(url) in settings().trusted_origins["webhooks"]
    except ValueError:
        return False
