"""Inbound webhooks: verified, remembered once, answered fast. A hint, never a truth: the provider is asked again.

Nobody is told more than "no": an unknown, forged or replayed delivery changes nothing.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from pipelines.domain.keys import digest, job_key
from pipelines.domain.records import Generation
from pipelines.ports import Call
from pipelines.security import webhook_signatures
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.generations import callback
from webapp import idempotency
from webapp.access import auth, limits
from webapp.access.rules import Door, Owner, declares
from webapp.api import triggers
from webapp.api.legacy.orders import of_either
from webapp.api.operations import as_response
from webapp.api.orders import ClipOrder, MasterPromptOrder
from webapp.bodies import JSON_LIMIT, WEBHOOK_LIMIT, parse_object, read_bounded, validated
from webapp.context import secret, services
from webapp.errors import HttpProblem, not_here
from webapp.webhooks import networks

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
    networks.must_be_of(address)
    core, raw = services(), read_bounded(WEBHOOK_LIMIT)
    call = Call(header=request.headers.get, raw=raw, json=lambda: parse_object(raw), token=token, now=core.clock.now())
    provider, said = core.providers.callback(address, call)
    if token is not None:
        _belongs(_generation(provider, token), said.job_id)
    callback.receive(core, provider, said.delivery, generation_token=token, job_id=said.job_id, body=said.body)
    return Response('{"received":true}', 200, mimetype="application/json")


@bp.post("/start/<key_id>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def start(key_id: str) -> Response:
    """An order, signed after Standard Webhooks instead of shown a key, with the rights of that key. The id of the
    message is its Idempotency-Key, so that a sender may send it again.
    """
    networks.must_be_of("start")
    raw, message_id = read_bounded(JSON_LIMIT), request.headers.get("webhook-id")
    who, hashes = auth.named(key_id)
    # Of an unknown key it is found out as late, and answered the same.
    known = hashes or ("0" * 64,)
    live = [webhook_signatures.start_secret(key, sha256) for key in secret().all for sha256 in known]
    webhook_signatures.verify_standard_webhook(
        live,
        message_id=message_id,
        timestamp=request.headers.get("webhook-timestamp"),
        signature=request.headers.get("webhook-signature"),
        body=raw,
        now=services().clock.now(),
    )
    if who is None:
        raise webhook_signatures.WrongSignature("no such key")
    if not who.may("trigger"):
        raise HttpProblem(403, "This key lacks the scope 'trigger'. Use a key that has it.")
    g.actor = who
    limits.webhook(who.account_id)
    data = parse_object(raw)
    return idempotency.under(message_id, ("POST", "/api/webhook/start"), data, lambda: _ordered(data))


def _ordered(data: dict[str, Any]) -> Response:
    """One clip where there is a prompt, else a film; in our words or those of earlier systems."""
    g.translated = of_either(data)
    if "prompt" in g.translated.data:
        return as_response(triggers.generate_video(validated(ClipOrder, g.translated.data)))
    return as_response(triggers.process_master_prompt(validated(MasterPromptOrder, g.translated.data)))


@bp.post("/video/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def video(token: str) -> Response:
    """`{videoId, videoUrl, status}` about one generation, whoever makes it: it is asked about sooner. Nothing of it is
    believed, and the address in it is never fetched.
    """
    networks.must_be_of("video")
    data = parse_object(read_bounded(WEBHOOK_LIMIT))
    gen = _generation(None, token)
    with services().store.read() as tx:
        run = tx.runs.get(gen.run_id)
    limits.webhook(run.account_id if run else None)
    _belongs(gen, str(data["videoId"]) if data.get("videoId") else gen.provider_id)
    delivery = digest("video", token, str(data.get("videoId")), str(data.get("status")))[:32]
    callback.receive(services(), gen.provider, delivery, generation_token=token)
    return Response('{"received":true}', 200, mimetype="application/json")


@bp.post("/airtable")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def airtable() -> Response:
    """A ping without data: something changed in the base. Answered with an empty body, as Airtable wants it."""
    networks.must_be_of("airtable")
    raw = read_bounded(WEBHOOK_LIMIT)
    core = services()
    base_id = core.base_tools.webhooks.verify(raw, request.headers.get("X-Airtable-Content-MAC"))
    webhook_push.record_ping(core, base_id, digest(raw.hex())[:32])
    return Response(status=204)


def _generation(provider: str | None, token: str) -> Generation:
    """The generation a token was made for, at this provider or (None) at any. Raises 404."""
    one: dict[str, Any] = {} if provider is None else {"provider": provider}
    with services().store.read() as tx:
        found = tx.generations.find(callback_token=token, limit=1, **one) if len(token) <= 128 else []  # noqa: PLR2004
    if not found:
        raise not_here("callback")
    return found[0]


def _belongs(gen: Generation, job_id: str | None) -> None:
    """A callback about another job than the one we know is not ours. Raises 404."""
    if gen.provider_id is not None and (job_id is None or job_key(job_id) != gen.provider_id):
        raise not_here("callback")
