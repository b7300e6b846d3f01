"""`GET /llms.txt`: what this is and how to use it, for language models that find the address."""

from __future__ import annotations

from flask import Blueprint, Response

from webapp.access.rules import Door, Owner, declares
from webapp.agents import tools
from webapp.api.openapi import ABOUT
from webapp.api.operations import OPERATIONS
from webapp.context import services

PAYS = (
    "Or pay for one call by x402 (https://www.x402.org): without a key, `POST /api/generate-video` and, with "
    "`master_prompt`, `POST /api/process-master-prompt` answer 402, with terms in the header `PAYMENT-REQUIRED`. Send "
    "it again with `PAYMENT-SIGNATURE` and an `Idempotency-Key` that nobody can guess; the answer's `access_token` is "
    "a key for that run."
)


def register(bp: Blueprint) -> None:
    """The address that they look at."""
    bp.get("/llms.txt")(document)


@declares(Door.PUBLIC, Owner.NOBODY)
def document() -> Response:
    """As https://llmstxt.org describes it."""
    core = services()
    said = text(core.policy.public_url, pays=core.payments.facilitator is not None)
    return Response(said, mimetype="text/plain")


def text(url: str, *, pays: bool = False) -> str:
    """The document of a deployment; `pays`: where single calls can be paid for."""
    offered = tools.offered().items()
    return "\n".join(
        [
            "# Reelgrid",
            "",
            f"> {ABOUT}",
            "",
            "A key is needed: `Authorization: Bearer <key>`. The operator of this service hands keys out.",
            *([PAYS] if pays else []),
            "What spends answers 202 at once; then look at the run. Ask for an estimate first; it is free.",
            "",
            "## Start here",
            "",
            f"- [OpenAPI 3.1]({url}/openapi.json): every route, field and answer",
            f"- [The same for people]({url}/docs)",
            f"- [MCP server]({url}/mcp): Streamable HTTP, with the tools below",
            "",
            "## Tools of the MCP server",
            "",
            *(f"- `{name}`: {entry.summary}. {entry.description}" for name, entry in offered),
            "",
            "## Routes",
            "",
            *(f"- `{entry.method} {entry.path}`: {entry.summary}. Scope `{entry.rule.scope}`." for entry in OPERATIONS),
            "",
        ]
    )
