"""Inbound webhooks: verified, remembered once, answered fast. A hint, never a truth: the provider is asked again.

Nobody is told more than "no": an unknown, forged or replayed delivery changes nothing.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, request

from pipelines.domain.keys import digest
from pipelines.domain.records import Generation
from pipelines.security import webhook_signatures
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.generations import callback
from webapp.access.rules import Door, Owner, declares
from webapp.bodies import WEBHOOK_LIMIT, parse_object, read_bounded
from webapp.context import services, settings
from webapp.errors import HttpProblem, not_here

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhook")

_JOB_ID = re.compile(r"[!-~]{1,512}", re.ASCII)
_REFUSED = "This webhook is not accepted."


@bp.post("/openai")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def openai() -> Response:
    """Standard Webhooks: `{type: video.completed | video.failed, data: {id}}`."""
    return _standard("sora", settings().openai_webhook_secrets)


@bp.post("/gemini")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def gemini() -> Response:
    """Standard Webhooks with the static secret: `{type, data: {id}}`."""
    return _standard("omni", settings().gemini_webhook_secrets)


def _standard(provider: str, secrets: tuple[str, ...]) -> Response:
    raw = read_bounded(WEBHOOK_LIMIT)
    headers = request.headers
    if not secrets:
        raise HttpProblem(401, _REFUSED)
    webhook_signatures.verify_standard_webhook(
        secrets,
        message_id=headers.get("webhook-id"),
        timestamp=headers.get("webhook-timestamp"),
        signature=headers.get("webhook-signature"),
        body=raw,
        now=services().clock.now(),
    )
    body = parse_object(raw)
    return _arrived(provider, headers["webhook-id"], body, job_id=_job_id(body))


@bp.post("/kie/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def kie(token: str) -> Response:
    """kie.ai signs the task id but not the body, so only the id is taken from it; the token says whose it is."""
    body = parse_object(read_bounded(WEBHOOK_LIMIT))
    task_id = _task_id(body)
    key = settings().kie_webhook_hmac_key
    headers = request.headers
    timestamp = headers.get("X-Webhook-Timestamp")
    if key is not None:
        webhook_signatures.verify_kie(
            key.get_secret_value(),
            task_id=task_id,
            timestamp=timestamp,
            signature=headers.get("X-Webhook-Signature"),
            now=services().clock.now(),
        )
    _belongs(_generation("kie", token), task_id)
    return _arrived("kie", digest(token, task_id, body)[:32], body, token=token, job_id=task_id)


@bp.post("/openrouter/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def openrouter(token: str) -> Response:
    """`{type: video.generation.*, data: {id, status}}`, signed over the body when a secret is set."""
    raw = read_bounded(WEBHOOK_LIMIT)
    live = settings().openrouter_webhook_secret
    if live is not None:
        webhook_signatures.verify_openrouter(
            [live.get_secret_value()],
            signature=request.headers.get("X-OpenRouter-Signature"),
            body=raw,
            now=services().clock.now(),
        )
    gen = _generation("openrouter", token)
    body = parse_object(raw)
    job_id = _job_id(body)
    _belongs(gen, job_id)
    delivery = request.headers.get("X-OpenRouter-Idempotency-Key") or digest(token, body)[:32]
    return _arrived("openrouter", delivery[:256], body, token=token, job_id=job_id)


@bp.post("/sora/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def sora(token: str) -> Response:
    """A server of the /v1/videos protocol that calls back with the job itself: `{"id": …}`."""
    return _by_token("sora", token)


@bp.post("/omni/<token>")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def omni(token: str) -> Response:
    """The address that an Interaction names for itself: `{type, data: {id}}`. Google signs it with a key that would
    have to be fetched from Google, for which a webhook does not wait; what it says is asked of Google anyway.
    """
    return _by_token("omni", token)


def _by_token(provider: str, token: str) -> Response:
    """The token, which only we and the provider know, is the proof."""
    body = parse_object(read_bounded(WEBHOOK_LIMIT))
    gen = _generation(provider, token)
    job_id = _job_id(body)
    _belongs(gen, job_id)
    return _arrived(provider, digest(token, body)[:32], body, token=token, job_id=job_id)


@bp.post("/airtable")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def airtable() -> Response:
    """A ping without data: something changed in the base. Answered with an empty body, as Airtable wants it."""
    raw = read_bounded(WEBHOOK_LIMIT)
    core = services()
    base_id = core.base_tools.webhooks.verify(raw, request.headers.get("X-Airtable-Content-MAC"))
    webhook_push.record_ping(core, base_id, digest(raw.hex())[:32])
    return Response(status=204)


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


def _job_id(body: dict[str, Any]) -> str | None:
    """`data.id`, else `id`; None for anything that is no id."""
    found = _nested(body, "data", "id") or body.get("id")
    return found if isinstance(found, str) and _JOB_ID.fullmatch(found) else None


def _task_id(body: dict[str, Any]) -> str:
    """Its pages disagree on the field; all that are there must agree. Raises 400."""
    data = body.get("data") if isinstance(body.get("data"), dict) else {}
    named = [source.get(name) for source in (data, body) for name in ("taskId", "task_id")]  # type: ignore[union-attr]
    ids = {value for value in named if value is not None}
    if len(ids) != 1:
        raise HttpProblem(400, _REFUSED)
    (task_id,) = ids
    if not isinstance(task_id, str) or not _JOB_ID.fullmatch(task_id):
        raise HttpProblem(400, _REFUSED)
    return task_id


def _nested(body: dict[str, Any], outer: str, inner: str) -> str:
    part = body.get(outer)
    found = part.get(inner) if isinstance(part, dict) else None
    return found if isinstance(found, str) else ""


def _arrived(
    provider: str, delivery_id: str, body: dict[str, Any], *, token: str | None = None, job_id: str | None = None
) -> Response:
    """Remember and wake; 200 also for a repeat, so that the sender stops."""
    callback.receive(services(), provider, delivery_id, generation_token=token, job_id=job_id, body=body)
    return Response('{"received":true}', 200, mimetype="application/json")
