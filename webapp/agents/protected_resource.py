"""`GET /.well-known/oauth-protected-resource` (RFC 9728): whose tokens the API and the MCP server take."""

from __future__ import annotations

from flask import Blueprint, Response, json

from webapp.access.auth import ALL, OPERATORS
from webapp.access.rules import Door, Owner, declares
from webapp.context import settings
from webapp.errors import not_here


def register(bp: Blueprint) -> None:
    """The address that RFC 9728 gives it."""
    bp.get("/.well-known/oauth-protected-resource")(protected_resource)


@declares(Door.PUBLIC, Owner.NOBODY)
def protected_resource() -> Response:
    """With JWT_ISSUER only: without one there is nobody whose tokens count. Raises 404."""
    chosen = settings()
    if chosen.jwt_issuer is None:
        raise not_here("address")
    url = chosen.public_url.rstrip("/")
    about = {
        "resource": url,
        "authorization_servers": [chosen.jwt_issuer],
        "scopes_supported": [f"reelgrid:{scope}" for scope in sorted(ALL - OPERATORS)],
        "bearer_methods_supported": ["header"],
        "resource_name": "Reelgrid",
        "resource_documentation": f"{url}/docs",
    }
    return Response(json.dumps(about, indent=1), mimetype="application/json")
