"""Google's webhooks: static ones, registered and signed by Standard Webhooks, and dynamic ones, named in a request and
signed by a JSON Web Token (RS256) whose key is in `/gemini/.well-known/jwks.json`.

The envelope is `{type, version, timestamp, data}`; a dynamic delivery repeats it in the token's claims and echoes
`user_metadata`. Source: ai.google.dev/gemini-api/docs/webhooks, 2026-07-30.
"""

from __future__ import annotations

import base64
import functools
import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import flask
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.google.gemini_errors import VENDOR
from pipelines.sandbox.vendors.kernel.delivery import Post, Signer, new_secret, standard_webhook
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import Endpoint, Job, Phase

ISSUER = "https://generativelanguage.googleapis.com"
KEY_ID = "sandbox-1"
TOKEN_LIFETIME_S = 300
_EVENTS = {
    Phase.SUCCEEDED: "interaction.completed",
    Phase.FAILED: "interaction.failed",
    Phase.CANCELLED: "interaction.cancelled",
}


def routes(blueprint: flask.Blueprint, version: str) -> None:
    """Add the management of static webhooks."""
    one = f"{version}/webhooks/<endpoint_id>"
    blueprint.post(f"{version}/webhooks")(create_webhook)
    blueprint.get(f"{version}/webhooks")(list_webhooks)
    blueprint.post(f"{one}:ping")(ping_webhook)
    blueprint.post(f"{one}:rotateSigningSecret")(rotate_signing_secret)
    blueprint.get(one)(get_webhook)
    blueprint.patch(one)(update_webhook)
    blueprint.delete(one)(delete_webhook)


def create_webhook(version: str) -> Response:
    """Register a static webhook; `new_signing_secret` is shown here only."""
    del version
    body = _body()
    if not body.get("uri"):
        raise VendorSays("invalid", "uri is required.", param="uri")
    endpoint = Endpoint(
        id=f"webhooks{secrets.token_hex(8)}",
        vendor=VENDOR,
        name=str(body.get("name") or "webhook"),
        url=str(body["uri"]),
        secret=str(body.get("secret") or new_secret()),
        events=[str(kind) for kind in body.get("subscribed_events") or _EVENTS.values()],
        created_at=time.time(),
    )
    engine().books.save_endpoint(endpoint)
    return flask.jsonify({**_shown(endpoint), "new_signing_secret": endpoint.secret})


def list_webhooks(version: str) -> Response:
    del version
    found = [one for one in engine().books.endpoints.values() if one.vendor == VENDOR]
    return flask.jsonify({"webhooks": [_shown(one) for one in found]})


def get_webhook(version: str, endpoint_id: str) -> Response:
    del version
    return flask.jsonify(_shown(_find(endpoint_id)))


def update_webhook(version: str, endpoint_id: str) -> Response:
    del version
    endpoint, body = _find(endpoint_id), _body()
    endpoint.name = str(body.get("name") or endpoint.name)
    endpoint.url = str(body.get("uri") or endpoint.url)
    endpoint.events = [str(kind) for kind in body.get("subscribed_events") or endpoint.events]
    engine().books.save_endpoint(endpoint)
    return flask.jsonify(_shown(endpoint))


def delete_webhook(version: str, endpoint_id: str) -> Response:
    del version
    engine().books.drop_endpoint(_find(endpoint_id).id)
    return flask.jsonify({})


def rotate_signing_secret(version: str, endpoint_id: str) -> Response:
    """A new secret at once, whatever revocation behaviour is asked."""
    del version
    endpoint = _find(endpoint_id)
    endpoint.secret = new_secret()
    engine().books.save_endpoint(endpoint)
    return flask.jsonify({"secret": endpoint.secret})


def ping_webhook(version: str, endpoint_id: str) -> Response:
    """Send an empty event."""
    del version
    endpoint = _find(endpoint_id)
    engine().postman.send(_static(endpoint, _envelope("webhook.ping", {"id": endpoint.id})))
    return flask.jsonify({})


def announce(found: Engine, job: Job, phase: Phase) -> list[Post]:
    """The end of an Interaction: to the request's own URIs if it named any, else to the registered webhooks."""
    kind = _EVENTS.get(phase)
    if kind is None:
        return []
    data: dict[str, Any] = {"id": job.id}
    if phase == Phase.FAILED:
        data |= {"error_code": job.outcome, "error_message": "The interaction failed."}
    config = job.details["webhook_config"]
    if config.get("uris"):
        event = {**_envelope(kind, data), "user_metadata": config.get("user_metadata") or {}}
        body = json.dumps(event).encode()
        return [Post(vendor=VENDOR, url=url, body=body, sign=_dynamic(url, event)) for url in config["uris"]]
    with found.books.lock:
        listening = [one for one in found.books.endpoints.values() if one.vendor == VENDOR and kind in one.events]
    return [_static(endpoint, _envelope(kind, data)) for endpoint in listening]


def key_set() -> dict[str, Any]:
    """The JSON Web Key Set with the one public key."""
    numbers = _private_key().public_key().public_numbers()
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": _number(numbers.n), "e": _number(numbers.e)}
    return {"keys": [key]}


def _envelope(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": kind, "version": "v1", "timestamp": stamp, "data": data}


def _static(endpoint: Endpoint, event: dict[str, Any]) -> Post:
    sign = standard_webhook(f"msg_{secrets.token_hex(12)}", endpoint.secret)
    return Post(vendor=VENDOR, url=endpoint.url, body=json.dumps(event).encode(), sign=sign)


def _dynamic(url: str, event: dict[str, Any]) -> Signer:
    message_id = f"msg_{secrets.token_hex(12)}"

    def sign(_body: bytes, now: int) -> dict[str, str]:
        claims = {"iss": ISSUER, "aud": url, "iat": now, "exp": now + TOKEN_LIFETIME_S, "jti": message_id, **event}
        token = _token(claims)
        return {"webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": token}

    return sign


def _token(claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    signed = ".".join(_url_safe(json.dumps(part).encode()) for part in (header, claims))
    signature = _private_key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_url_safe(signature)}"


@functools.cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _number(value: int) -> str:
    return _url_safe(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _url_safe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _body() -> dict[str, Any]:
    body = flask.request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _find(endpoint_id: str) -> Endpoint:
    endpoint = engine().books.endpoints.get(endpoint_id)
    if endpoint is None or endpoint.vendor != VENDOR:
        raise VendorSays("not_found", f"Webhook {endpoint_id} not found.")
    return endpoint


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(endpoint.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "uri": endpoint.url,
        "subscribed_events": endpoint.events,
        "state": "enabled",
        "create_time": stamp,
        "update_time": stamp,
        "signing_secrets": [{"truncated_secret": f"{endpoint.secret[:9]}…"}],
    }
