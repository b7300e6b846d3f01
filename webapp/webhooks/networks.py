"""Where webhooks may come from, beside what proves whose they are."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from flask import request

from webapp.context import settings
from webapp.errors import HttpProblem


def must_be_of(sender: str) -> None:
    """Raises 403 for a call from elsewhere than the operator said that the sender calls from."""
    networks = [one.network for one in settings().senders if one.name == sender]
    if not networks:
        return
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        address = None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if address is None or not any((mapped or address) in network for network in networks):
        raise HttpProblem(403, "Webhooks of this sender are not taken from your address.")
