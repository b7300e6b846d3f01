"""Inbound webhooks: verified, remembered once, answered fast. A hint, never a truth: the provider is asked again.

Nobody is told more than "no": an unknown, forged or replayed delivery changes nothing.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Response, request

from pipelines.domain.keys import digest
from pipelines.domain.records import Generation
from pipelines.ports import Call
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.generations import callback
from webapp.access.rules import Door, Owner, declares
from webapp.bodies import WEBHOOK_LIMIT, parse_object, read_bounded
from webapp.context import services, settings
from webapp.errors import HttpProblem, not_here

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhook")


@bp.post("/<address>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def of_account(address: str) -> Response:
    """Where a vendor calls for every job of an account."""
    return _called(address, None)


@bp.post("/<address>/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def of_generation(address: str, token: str) -> Response:
    """Where a provider calls about one generation, under the token that was made for it."""
    return _called(address, token)


def _called(address: str, token: str | None) -> Response:
    """Remember and wake; 200 also for a repeat, so that the sender stops. Only the adapter knows what to believe."""
    _from_its_network(address)
    core, raw = services(), read_bounded(WEBHOOK_LIMIT)
    call = Call(header=request.headers.get, raw=raw, json=lambda: parse_object(raw), token=token, now=core.clock.now())
    provider, said = core.providers.callback(address, call)
    if token is not None:
        _belongs(_generation(provider, token), said.job_id)
    callback.receive(core, provider, said.delivery, generation_token=token, job_id=said.job_id, body=said.body)
    return Response('{"received":true}', 200, mimetype="application/json")


@bp.post("/airtable")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def airtable() -> Response:
    """A ping without data: something changed in the base. Answered with an empty body, as Airtable wants it."""
    _from_its_network("airtable")
    raw = read_bounded(WEBHOOK_LIMIT)
    core = services()
    base_id = core.base_tools.webhooks.verify(raw, request.headers.get("X-Airtable-Content-MAC"))
    webhook_push.record_ping(core, base_id, digest(raw.hex())[:32])
    return Response(status=204)


def _from_its_network(sender: str) -> None:
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


def _generation(provider: str, token: str) -> Generation:
    """The generation a token was made for. Raises 404."""
    with services().store.read() as tx:
        found = tx.generations.find(callback_token=token, provider=provider, limit=1) if len(token) <= 128 else []  # noqa: PLR2004
    if not found:
        raise not_here("callback")
    return found[0]


def _belongs(gen: Generation, job_id: str | None) -> None:
    """A callback about another job than the one we know is not ours. Raises 404."""
    if gen.provider_id is not None and job_id != gen.provider_id:
        raise not_here("callback")
