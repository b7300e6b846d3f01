"""An identity provider: its description, its keys, and tokens for whoever asks (`/idp`).

`POST /idp/token` takes `{sub, scope, audience, seconds, claims, header}` and answers `{access_token}`.
`POST /idp/rotate` makes a new key; the former is published beside it, as real providers do it.
`POST /idp/down {on}` stops the publishing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import flask
from werkzeug.wrappers import Response

PATH = "/idp"
_KEPT = 2
"""Keys that are published at a time."""


class IdentityProvider:
    """Its keys, the newest first."""

    def __init__(self, public_url: Callable[[], str]) -> None:
        self._public_url = public_url
        self._keys: list[tuple[str, Any]] = []
        self.down = False

    @property
    def issuer(self) -> str:
        """What its tokens name as `iss`."""
        return f"{self._public_url()}{PATH}"

    def rotate(self) -> str:
        """Make a key that signs from now on; its id."""
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

        kid = f"key-{time.time_ns()}"
        self._keys = [(kid, generate_private_key(SECP256R1())), *self._keys][:_KEPT]
        return kid

    def published(self) -> list[dict[str, Any]]:
        """The public keys."""
        from jwt.algorithms import ECAlgorithm

        return [
            {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "ES256"}
            for kid, key in self._signing()
        ]

    def token(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """A token that is signed with the newest key."""
        import jwt

        kid, key = self._signing()[0]
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid, **header})

    def _signing(self) -> list[tuple[str, Any]]:
        if not self._keys:
            self.rotate()
        return self._keys


def register(app: flask.Flask, *, public_url: Callable[[], str]) -> None:
    """Mount it on the app."""
    provider = IdentityProvider(public_url)
    app.extensions["sandbox_idp"] = provider
    routes = flask.Blueprint("idp", __name__, url_prefix=PATH)
    routes.add_url_rule(
        "/.well-known/openid-configuration", "openid-configuration", lambda: _about(provider), methods=["GET"]
    )
    routes.add_url_rule("/jwks.json", "jwks", lambda: _keys(provider), methods=["GET"])
    routes.add_url_rule("/token", "token", lambda: _token(provider), methods=["POST"])
    routes.add_url_rule("/rotate", "rotate", lambda: {"kid": provider.rotate()}, methods=["POST"])
    routes.add_url_rule("/down", "down", lambda: _down(provider), methods=["POST"])
    app.register_blueprint(routes)


def _about(provider: IdentityProvider) -> Response:
    if provider.down:
        return Response("away", 503)
    about = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/jwks.json"}
    return Response(json.dumps(about), mimetype="application/json")


def _keys(provider: IdentityProvider) -> Response:
    return Response(json.dumps({"keys": provider.published()}), mimetype="application/json")


def _down(provider: IdentityProvider) -> dict[str, bool]:
    provider.down = bool((flask.request.get_json(silent=True) or {}).get("on"))
    return {"down": provider.down}


def _token(provider: IdentityProvider) -> dict[str, str]:
    asked = flask.request.get_json(silent=True) or {}
    now = int(time.time())
    claims = {
        "iss": provider.issuer,
        "sub": asked.get("sub", "somebody"),
        "aud": asked.get("audience", ""),
        "scope": asked.get("scope", ""),
        "iat": now,
        "exp": now + int(asked.get("seconds", 600)),
        **(asked.get("claims") or {}),
    }
    return {"access_token": provider.token(claims, asked.get("header") or {}), "token_type": "Bearer"}
