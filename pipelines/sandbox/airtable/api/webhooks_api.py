"""The webhooks API: create, list, payloads with a cursor, refresh, switch on and off, delete."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from flask import Blueprint, Response, request

from pipelines.sandbox.airtable.api.gate import body, needs, require_scope
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.model import Base, Json, Webhook
from pipelines.sandbox.airtable.state.store import World
from pipelines.sandbox.airtable.webhooks.pings import expiry, is_expired

MANAGE = "webhook:manage"
MAX_WEBHOOKS = 10
MAX_PAYLOADS = 50
DATA_TYPES = {"tableData", "tableFields", "tableMetadata"}
CHANGE_TYPES = {"add", "remove", "update"}
SOURCES = {"client", "publicApi", "formSubmission", "automation", "system", "sync", "anonymousUser", "unknown"}


def blueprint(world: World) -> Blueprint:
    """`/v0/bases/{base}/webhooks` and below."""
    pages = Blueprint("webhooks", __name__)
    _managing(pages, world)
    _one(pages, world)
    _payloads(pages, world)
    return pages


def _managing(pages: Blueprint, world: World) -> None:
    @pages.get("/v0/bases/<base>/webhooks")
    @needs("webhooks", MANAGE)
    def list_webhooks(base: str) -> Json:
        with world.lock:
            return {"webhooks": [_shown(hook) for hook in world.base(base).webhooks.values()]}

    @pages.post("/v0/bases/<base>/webhooks")
    @needs("webhooks", MANAGE)
    def create_webhook(base: str) -> Json:
        doc = body()
        for scope in _scopes(doc):
            require_scope(scope)
        with world.lock:
            found = world.base(base)
            if len(found.webhooks) >= MAX_WEBHOOKS:
                raise errors.typed(422, "TOO_MANY_WEBHOOKS_IN_BASE", f"A base can have {MAX_WEBHOOKS} webhooks")
            secret = base64.b64encode(secrets.token_bytes(64)).decode()
            specification = _checked(found, doc.get("specification"))
            hook = Webhook(ids.new_id("ach"), found.id, _url(doc), secret, specification, expiry())
            found.webhooks[hook.id] = hook
            world.save_webhook(hook)
        return {"id": hook.id, "macSecretBase64": secret, "expirationTime": hook.expires}


def _scopes(doc: Json) -> set[str]:
    """Reading data or schema by webhook needs the scope that reading them otherwise needs."""
    data_types = _data_types(doc.get("specification"))
    scopes = {"data.records:read"} if "tableData" in data_types else set()
    return scopes | ({"schema.bases:read"} if {"tableFields", "tableMetadata"} & set(data_types) else set())


def _data_types(specification: Any) -> list[str]:
    try:
        data_types = specification["options"]["filters"]["dataTypes"]
    except (TypeError, KeyError):
        raise _invalid("options.filters.dataTypes is required") from None
    _subset("dataTypes", data_types, DATA_TYPES)
    return list(data_types)


def _one(pages: Blueprint, world: World) -> None:
    @pages.delete("/v0/bases/<base>/webhooks/<webhook>")
    @needs("webhooks", MANAGE)
    def delete_webhook(base: str, webhook: str) -> Json:
        with world.lock:
            hook = _find(world, base, webhook)
            del world.base(base).webhooks[webhook]
            gone = {f"payload/{hook.id}/{n:08d}" for n in range(1, len(hook.payloads) + 1)}
            world.journal.write({}, {f"webhook/{webhook}", *gone})
        return {}

    @pages.post("/v0/bases/<base>/webhooks/<webhook>/enableNotifications")
    @needs("webhooks", MANAGE)
    def enable(base: str, webhook: str) -> Response:
        doc = body()
        if not isinstance(doc.get("enable"), bool):
            raise errors.missing_field("enable")
        with world.lock:
            hook = _find(world, base, webhook)
            hook.enabled = doc["enable"]
            world.save_webhook(hook)
        return Response("{}", mimetype="application/json")

    @pages.post("/v0/bases/<base>/webhooks/<webhook>/refresh")
    @needs("webhooks", MANAGE)
    def refresh(base: str, webhook: str) -> Json:
        with world.lock:
            hook = _find(world, base, webhook)
            _extend(world, hook)
            return {"expirationTime": hook.expires}


def _payloads(pages: Blueprint, world: World) -> None:
    @pages.get("/v0/bases/<base>/webhooks/<webhook>/payloads")
    @needs("webhooks", MANAGE)
    def list_payloads(base: str, webhook: str) -> Json:
        with world.lock:
            hook = _find(world, base, webhook)
            cursor = _number(request.args.get("cursor"), 1)
            limit = min(_number(request.args.get("limit"), MAX_PAYLOADS), MAX_PAYLOADS)
            page = hook.payloads[cursor - 1 : cursor - 1 + limit]
            following = cursor + len(page)
            if not is_expired(hook):
                _extend(world, hook)
            return {"payloads": page, "cursor": following, "mightHaveMore": following <= len(hook.payloads)}


def _extend(world: World, hook: Webhook) -> None:
    """Refreshing, and listing payloads, both add seven days; a dead webhook stays dead."""
    if is_expired(hook):
        raise errors.typed(422, "INVALID_HOOK", "The webhook has expired")
    hook.expires = expiry()
    world.save_webhook(hook)


def _find(world: World, base_id: str, webhook_id: str) -> Webhook:
    hook = world.base(base_id).webhooks.get(webhook_id)
    if hook is None:
        raise errors.not_found()
    return hook


def _number(text: str | None, default: int) -> int:
    try:
        number = int(text) if text else default
    except ValueError:
        number = 0
    if number < 1:
        raise errors.invalid_request("cursor and limit are whole numbers from 1")
    return number


def _shown(hook: Webhook) -> Json:
    """A webhook as the list shows it: never with its secret."""
    return {
        "id": hook.id,
        "type": "client",
        "isHookEnabled": True,
        "areNotificationsEnabled": hook.enabled,
        "notificationUrl": hook.url,
        "cursorForNextPayload": len(hook.payloads) + 1,
        "lastSuccessfulNotificationTime": hook.last_success,
        "lastNotificationResult": hook.last_result,
        "expirationTime": hook.expires,
        "specification": hook.specification,
    }


def _url(doc: Json) -> str | None:
    url = doc.get("notificationUrl")
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise errors.typed(422, "INVALID_NOTIFICATION_URL", "notificationUrl must be an http(s) address")
    return url


def _checked(base: Base, specification: Any) -> Json:
    options: Json = specification["options"]
    filters: Json = options["filters"]
    _subset("changeTypes", filters.get("changeTypes") or [], CHANGE_TYPES)
    _subset("fromSources", filters.get("fromSources") or [], SOURCES)
    scope = filters.get("recordChangeScope")
    if scope and not any(scope == t.id or t.view(scope) for t in base.tables):
        raise _invalid(f"recordChangeScope {scope} is no table or view of this base")
    known = {f.id for t in base.tables for f in t.fields}
    if unknown := set(filters.get("watchDataInFieldIds") or []) - known:
        raise _invalid(f"watchDataInFieldIds has unknown fields: {sorted(unknown)}")
    return {"options": options}


def _subset(name: str, given: Any, allowed: set[str]) -> None:
    if not isinstance(given, list) or set(given) - allowed:
        raise _invalid(f"{name} must be a list out of {sorted(allowed)}")


def _invalid(why: str) -> errors.AirtableError:
    return errors.typed(422, "INVALID_WEBHOOK_SPECIFICATION", why)
