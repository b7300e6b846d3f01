"""What an issuer of tokens publishes: who it is, and the keys that it names there (OpenID Connect Discovery)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from pipelines.domain.errors import NotConfigured, Unavailable
from pipelines.domain.state.open_json import JsonObject
from pipelines.net.guard import guarded_client
from pipelines.net.http_errors import translate_http
from pipelines.net.total import total_time
from pipelines.settings import Origin

DISCOVERY = "/.well-known/openid-configuration"
MAX_BYTES = 256 * 1024
TOTAL_S = 4.0
"""The pump has other things to do."""


@dataclass(frozen=True, slots=True)
class PublishedIssuer:
    """ports.Issuer. Only its own origin may be inside; keys that it has elsewhere are outside, and behind TLS."""

    name: str

    def keys(self) -> JsonObject:
        """Its JWKS. Raises Unavailable, NotConfigured or ForbiddenAddress."""
        own = Origin.of(self.name)
        with total_time(TOTAL_S), guarded_client({own}, TOTAL_S) as client:
            about = _document(client, self.name.rstrip("/") + DISCOVERY)
            if about.get("issuer") != self.name:
                raise NotConfigured(
                    f"{self.name} calls itself {str(about.get('issuer'))[:100]}: set JWT_ISSUER to that"
                )
            address = str(about.get("jwks_uri"))
            if not address.startswith("https://") and Origin.of(address) != own:
                raise NotConfigured(f"the keys of {self.name} are not behind https")
            keys = _document(client, address)
        if not isinstance(keys.get("keys"), list):
            raise Unavailable(f"{self.name} publishes no keys")
        return {"keys": keys["keys"]}


def _document(client: httpx.Client, address: str) -> Mapping[str, Any]:
    try:
        with client.stream("GET", address, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise translate_http(answer, vendor="the issuer of tokens")
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unavailable("the issuer of tokens sends too much")
        found = json.loads(body)
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise translate_http(error, vendor="the issuer of tokens") from error
    if not isinstance(found, dict):
        raise Unavailable("the issuer of tokens sends no JSON object")
    return found
