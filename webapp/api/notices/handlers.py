"""Customers' webhooks: endpoints, what was sent to them, and messages sent again."""

from __future__ import annotations

from typing import Any

from pipelines.domain.customers.notices import Endpoint, Notice
from pipelines.domain.errors import Problem
from pipelines.domain.times import iso
from pipelines.security import sealing, webhook_signatures
from pipelines.stages.notices import endpoints
from pipelines.stages.notices.endpoints import NewEndpoint, Sent
from webapp.access import auth
from webapp.access.rules import Owner
from webapp.api.account.models import NoBody
from webapp.api.notices import addresses, models
from webapp.api.notices.models import EndpointChange, EndpointOrder, NoticeQuery, Recovery, SecretRotation
from webapp.api.operate import page
from webapp.api.operations import Reply, operation
from webapp.api.queries import PageQuery, moment
from webapp.context import actor, secret, services
from webapp.errors import invalid_input

_MANAGES: dict[str, Any] = {"owner": Owner.ACCOUNT, "scope": "manage", "tag": "Webhooks"}
_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422, 429)
_SECRETIVE = frozenset({"airtable", "slack"})
"""Their addresses are the permit by themselves."""


@operation(
    "GET",
    "/api/webhooks",
    summary="List webhooks",
    query=PageQuery,
    answers={200: models.EndpointList},
    problems=(401, 403, 422, 429),
    **_MANAGES,
)
def list_webhooks(query: PageQuery) -> Reply:
    """The addresses that are told when something happens to a run; for the operator those of everybody."""
    with services().store.read() as tx:
        some, next_cursor = page(tx.endpoints.find(order="created_at"), query)
    shown = [models.EndpointView(**view(one)) for one in some]
    return Reply(models.EndpointList(endpoints=shown, next_cursor=next_cursor))


@operation(
    "POST",
    "/api/webhooks",
    summary="Add a webhook",
    bodies=(EndpointOrder,),
    answers={201: models.NewEndpointView},
    problems=_PROBLEMS,
    shows_secret=True,
    **_MANAGES,
)
def create_webhook(body: EndpointOrder) -> Reply:
    """It is told of what happens to the account's runs from now on, signed after Standard Webhooks. The secret is shown
    once. At most ten.
    """
    made = webhook_signatures.new_webhook_secret()
    wanted = NewEndpoint(
        address=addresses.sealed("url", body.url, secretive=body.format in _SECRETIVE),
        sealed_secret=sealing.seal(secret(), made),
        format=body.format,
        events=tuple(dict.fromkeys(body.events)),
        description=body.description,
    )
    return _shown(endpoints.create(services(), wanted), made, 201)


@operation(
    "GET",
    "/api/webhooks/secret",
    summary="The secret of messages to webhook_url",
    answers={200: models.AccountSecret},
    problems=(401, 403, 429),
    **_MANAGES,
)
def webhook_secret() -> Reply:
    """It signs the messages to the `webhook_url` of any order of the account; each webhook has a secret of its own. And
    how a program that signs instead of showing a key orders with the rights of the key that asks.
    """
    newest, *_ = webhook_signatures.account_webhook_secrets(secret(), actor().account_id)
    key_id = actor().key_id
    _, hashes = auth.named(key_id) if key_id else (None, ())
    may = bool(hashes) and actor().may("trigger")
    return Reply(
        models.AccountSecret(
            secret=newest,
            start_url=f"{services().policy.public_url}/api/webhook/start/{key_id}" if may else None,
            start_secret=webhook_signatures.start_secret(secret().newest, hashes[0]) if may else None,
        )
    )


@operation(
    "PATCH",
    "/api/webhooks/{endpoint_id}",
    summary="Change a webhook",
    bodies=(EndpointChange,),
    answers={200: models.EndpointView},
    problems=_PROBLEMS,
    **_MANAGES,
)
def change_webhook(endpoint_id: str, body: EndpointChange) -> Reply:
    """What is given. `enabled: true` switches one on again that was switched off; what it missed is sent by recover."""
    with services().store.read() as tx:
        endpoint = endpoints.found(tx, endpoint_id)
    secretive = endpoint.format in _SECRETIVE
    changed = endpoints.change(
        services(),
        endpoint_id,
        address=None if body.url is None else addresses.sealed("url", body.url, secretive=secretive),
        events=None if body.events is None else tuple(dict.fromkeys(body.events)),
        description=body.description,
        enabled=body.enabled,
    )
    return Reply(models.EndpointView(**view(changed)))


@operation(
    "DELETE",
    "/api/webhooks/{endpoint_id}",
    summary="Delete a webhook",
    answers={200: models.Deleted},
    problems=_PROBLEMS,
    **_MANAGES,
)
def delete_webhook(endpoint_id: str) -> Reply:
    """Nothing more is sent there."""
    endpoints.delete(services(), endpoint_id)
    return Reply(models.Deleted(endpoint_id=endpoint_id, deleted=True))


@operation(
    "POST",
    "/api/webhooks/{endpoint_id}/rotate",
    summary="Put another secret in the place of one",
    bodies=(SecretRotation,),
    answers={200: models.NewEndpointView},
    problems=_PROBLEMS,
    shows_secret=True,
    **_MANAGES,
)
def rotate_webhook(endpoint_id: str, body: SecretRotation) -> Reply:
    """For `hours` messages are signed with both. 409 while two sign already."""
    made = webhook_signatures.new_webhook_secret()
    return _shown(endpoints.rotate(services(), endpoint_id, sealing.seal(secret(), made), body.hours), made)


@operation(
    "POST",
    "/api/webhooks/{endpoint_id}/test",
    summary="Send a test",
    bodies=(NoBody,),
    answers={202: models.NoticeView},
    problems=_PROBLEMS,
    **_MANAGES,
)
def test_webhook(endpoint_id: str, body: NoBody) -> Reply:  # noqa: ARG001 - a body may be sent, and says nothing
    """A message `endpoint.test`, sent and tried again like any other."""
    return Reply(models.NoticeView(**notice_view(Sent(endpoints.test(services(), endpoint_id), ()))), 202)


@operation(
    "POST",
    "/api/webhooks/{endpoint_id}/recover",
    summary="Send again what did not arrive",
    bodies=(Recovery,),
    answers={202: models.Recovered},
    problems=_PROBLEMS,
    **_MANAGES,
)
def recover_webhook(endpoint_id: str, body: Recovery) -> Reply:
    """Every message since a moment that failed, or came while the webhook was off: at most 200 at once, `more` says
    whether to ask again. Each is sent once however often you ask.
    """
    problems: list[Problem] = []
    since = moment("since", body.since, problems)
    if since is None:
        raise invalid_input(problems)
    count, more = endpoints.recover(services(), endpoint_id, since)
    return Reply(models.Recovered(recovered=count, more=more), 202)


@operation(
    "GET",
    "/api/webhooks/{endpoint_id}/notices",
    summary="What was sent to a webhook",
    query=NoticeQuery,
    answers={200: models.NoticeList},
    problems=(401, 403, 404, 422, 429),
    **_MANAGES,
)
def list_notices(endpoint_id: str, query: NoticeQuery) -> Reply:
    """The messages of the last 30 days with every attempt, newest first."""
    statuses = (query.status,) if query.status else ()
    found, cursor = endpoints.notices_of(
        services(), endpoint_id, limit=query.limit, cursor=query.cursor, statuses=statuses
    )
    return Reply(
        models.NoticeList(notices=[models.NoticeView(**notice_view(one)) for one in found], next_cursor=cursor)
    )


@operation(
    "POST",
    "/api/notices/{notice_id}/resend",
    summary="Send a message again",
    bodies=(NoBody,),
    answers={202: models.NoticeView},
    problems=_PROBLEMS,
    **_MANAGES,
)
def resend_notice(notice_id: str, body: NoBody) -> Reply:  # noqa: ARG001 - a body may be sent, and says nothing
    """The same message under the same `webhook-id`, whether it arrived or not."""
    return Reply(models.NoticeView(**notice_view(endpoints.resend(services(), notice_id))), 202)


def view(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as the API and the command line show it."""
    until = endpoint.retired_until
    return {
        "endpoint_id": endpoint.id,
        "url": endpoint.address.shown,
        "format": endpoint.format,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.off is None,
        "disabled_reason": endpoint.off.value if endpoint.off else None,
        "disabled_at": iso(endpoint.off_at),
        "failing_since": iso(endpoint.failing_since),
        "delivered_at": iso(endpoint.delivered_at),
        "old_secret_until": iso(until) if until and until > services().clock.now() else None,
        "created_at": iso(endpoint.created_at),
    }


def notice_view(sent: Sent) -> dict[str, Any]:
    """A message as the API and the command line show it."""
    notice: Notice = sent.notice
    return {
        "notice_id": notice.id,
        "endpoint_id": notice.endpoint_id,
        "run_id": notice.run_id,
        "type": notice.type,
        "status": notice.status.value,
        "created_at": iso(notice.created_at),
        "finished_at": iso(notice.finished_at),
        "next_attempt_at": iso(notice.next_at),
        "attempts": [
            {"at": iso(one.at), "code": one.code, "ms": one.ms, "outcome": one.outcome} for one in sent.attempts
        ],
    }


def _shown(endpoint: Endpoint, made: str, status: int = 200) -> Reply:
    return Reply(models.NewEndpointView(**view(endpoint), secret=made), status)
