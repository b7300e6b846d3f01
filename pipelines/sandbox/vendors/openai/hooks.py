"""OpenAI's webhook endpoints: create, list, get, update, delete, rotate the secret, send a test."""

from __future__ import annotations

import secrets
import ssl
import time
from typing import Any

import flask
import httpx
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.kernel.delivery import TIMEOUT_S, new_secret
from pipelines.sandbox.vendors.kernel.engine import VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import Endpoint
from pipelines.sandbox.vendors.openai.common import VENDOR, json_body
from pipelines.sandbox.vendors.openai.videos import event

EVENTS = ("video.completed", "video.failed")
_ID = "/webhook_endpoints/<endpoint_id>"


def routes(blueprint: flask.Blueprint) -> None:
    """Add the management routes."""
    blueprint.post("/webhook_endpoints")(create_endpoint)
    blueprint.get("/webhook_endpoints")(list_endpoints)
    blueprint.get("/webhook_endpoints/event_types")(event_types)
    blueprint.get(_ID)(retrieve_endpoint)
    blueprint.post(_ID)(update_endpoint)
    blueprint.delete(_ID)(delete_endpoint)
    blueprint.post(f"{_ID}/rotate_secret")(rotate_secret)
    blueprint.post(f"{_ID}/test")(test_endpoint)


def create_endpoint() -> Response:
    """Register an endpoint; the secret is shown here only. A `secret` in the body is taken instead of a new one."""
    body = json_body()
    url = body.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise VendorSays("invalid", "Missing or invalid parameter: 'url'.", param="url")
    endpoint = Endpoint(
        id=f"whe_{secrets.token_hex(12)}",
        vendor=VENDOR,
        name=str(body.get("name") or "endpoint"),
        url=url,
        secret=str(body.get("secret") or body.get("signing_secret") or new_secret()),
        events=[str(kind) for kind in body.get("event_types") or EVENTS],
        created_at=time.time(),
    )
    engine().books.save_endpoint(endpoint)
    return flask.jsonify(_shown(endpoint, secret=True))


def list_endpoints() -> Response:
    """All endpoints on one page."""
    found = [one for one in engine().books.endpoints.values() if one.vendor == VENDOR]
    data = [_shown(one) for one in found]
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": None, "last_id": None}
    return flask.jsonify({"object": "list", "data": data, "has_more": False, **ends})


def event_types() -> Response:
    """What may be subscribed to here."""
    return flask.jsonify({"object": "list", "data": list(EVENTS)})


def retrieve_endpoint(endpoint_id: str) -> Response:
    return flask.jsonify(_shown(_find(endpoint_id)))


def update_endpoint(endpoint_id: str) -> Response:
    endpoint, body = _find(endpoint_id), json_body()
    endpoint.name = str(body.get("name") or endpoint.name)
    endpoint.url = str(body.get("url") or endpoint.url)
    endpoint.events = [str(kind) for kind in body.get("event_types") or endpoint.events]
    engine().books.save_endpoint(endpoint)
    return flask.jsonify(_shown(endpoint))


def delete_endpoint(endpoint_id: str) -> Response:
    engine().books.drop_endpoint(_find(endpoint_id).id)
    return flask.jsonify({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


def rotate_secret(endpoint_id: str) -> Response:
    """A new secret at once."""
    endpoint = _find(endpoint_id)
    endpoint.secret = new_secret()
    engine().books.save_endpoint(endpoint)
    return flask.jsonify(_shown(endpoint, secret=True))


def test_endpoint(endpoint_id: str) -> Response:
    """Send one event now and say what the endpoint answered."""
    endpoint = _find(endpoint_id)
    body = flask.request.get_json(silent=True) or {}
    kind = str(body.get("event_type") or EVENTS[0])
    post = event(endpoint.url, endpoint.secret, kind, "video_test")
    headers = {"Content-Type": "application/json", **post.sign(post.body, int(time.time()))}
    try:
        client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, verify=ssl.create_default_context())
        with client:
            status = client.post(post.url, content=post.body, headers=headers).status_code
    except httpx.HTTPError as problem:
        raise VendorSays("invalid", f"The endpoint could not be reached: {problem}", param="url") from problem
    answer = {"object": "webhook_endpoint.test", "webhook_endpoint_id": endpoint.id, "event_type": kind}
    return flask.jsonify({**answer, "status_code": status, "success": True})


def _find(endpoint_id: str) -> Endpoint:
    endpoint = engine().books.endpoints.get(endpoint_id)
    if endpoint is None or endpoint.vendor != VENDOR:
        raise VendorSays("not_found", f"No webhook endpoint with id '{endpoint_id}'.")
    return endpoint


def _shown(endpoint: Endpoint, *, secret: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.events,
        "created_at": int(endpoint.created_at),
        "signing_secret_hint": f"{endpoint.secret[:9]}…",
    }
    return {**shown, "signing_secret": endpoint.secret, "secret": endpoint.secret} if secret else shown
