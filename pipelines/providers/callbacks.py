"""What vendors' webhooks have in common: whose job they are about, and how they are believed."""

from __future__ import annotations

import re
from typing import Any

from pipelines.domain.keys import digest
from pipelines.ports import Call, Callback
from pipelines.providers.video_object import id_of
from pipelines.security.webhook_signatures import MissingSignature, verify_standard_webhook

_JOB_ID = re.compile(r"[!-~]{1,512}", re.ASCII)


def by_token(call: Call) -> Callback:
    """Nothing but our own token says whose it is. Raises MissingSignature for a call without one."""
    if call.token is None:
        raise MissingSignature("the address carries no token")
    body = call.json()
    # Where nothing stands in the usual places, the job is found as in an answer: `task_id`, `data.task_id`.
    found = job_of(body) or id_of(body)
    return Callback(delivery=digest(call.token, body)[:32], job_id=found if is_job_id(found) else None, body=body)


def standard(secrets: tuple[str, ...], call: Call) -> Callback:
    """Standard Webhooks: `{type, data: {id}}`, signed over the body. Raises BadWebhook."""
    if not secrets:
        raise MissingSignature("no secret is set")
    message = call.header("webhook-id")
    verify_standard_webhook(
        secrets,
        message_id=message,
        timestamp=call.header("webhook-timestamp"),
        signature=call.header("webhook-signature"),
        body=call.raw,
        now=call.now,
    )
    body = call.json()
    return Callback(delivery=message or "", job_id=job_of(body), body=body)


def job_of(body: dict[str, Any]) -> str | None:
    """`data.id`, else `id`; None for anything that is no id."""
    data = body.get("data")
    nested = data.get("id") if isinstance(data, dict) else None
    found = (nested if isinstance(nested, str) else "") or body.get("id")
    return found if is_job_id(found) else None


def is_job_id(found: Any) -> bool:
    """Whether this can be the id of a job."""
    return isinstance(found, str) and _JOB_ID.fullmatch(found) is not None
