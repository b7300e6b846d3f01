"""What a language model's server answered, in our words, from the plain JSON.

The SDK's own parsing raises on a truncated answer and loses its usage with it; and gateways leave fields out. Shapes:
openai 3.51.0, Responses and Chat Completions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pipelines.domain.errors import RateLimited, ReelgridError, Refused, Unavailable
from pipelines.writers.prices import Usage
from pipelines.writers.troubles import REFUSED_WORDS, error_for

_FENCE = re.compile(r"\A\s*```(?:json)?\s*|\s*```\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. `usage` is None where the server does not report it; `failure` is raised once it is paid for."""

    text: str = ""
    refusal: str | None = None
    truncated: bool = False
    usage: Usage | None = None
    failure: ReelgridError | None = None

    @property
    def json_text(self) -> str:
        """The text without the code fence that some models put around JSON."""
        return _FENCE.sub("", self.text)


def from_response(body: Any) -> Reply | None:
    """Read the answer of `POST /responses`; None when it is no such answer."""
    if not isinstance(body, Mapping) or not isinstance(body.get("output"), list):
        return None
    usage = _usage(_mapping(body.get("usage")), "input_tokens", "output_tokens", "input_tokens_details")
    if body.get("status") == "failed":
        return Reply(usage=usage, failure=_failed(_mapping(body.get("error"))))
    parts = [part for item in _mappings(body["output"]) for part in _mappings(item.get("content"))]
    text = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text")
    refusals = [str(part.get("refusal") or "refused") for part in parts if part.get("type") == "refusal"]
    reason = _mapping(body.get("incomplete_details")).get("reason")
    if reason == "content_filter":
        refusals.append("content filter")
    return Reply(
        text=text,
        refusal=refusals[0] if refusals else None,
        truncated=body.get("status") == "incomplete" and not refusals,
        usage=usage,
    )


def from_completion(body: Any) -> Reply | None:
    """Read the answer of `POST /chat/completions`; None when it is no such answer."""
    choice = next(_mappings(_mapping(body).get("choices")), None)
    if choice is None:
        return None
    message, finish = _mapping(choice.get("message")), choice.get("finish_reason")
    refusal = message.get("refusal") or ("content filter" if finish == "content_filter" else None)
    return Reply(
        text=str(message.get("content") or ""),
        refusal=str(refusal) if refusal else None,
        truncated=finish == "length" and not refusal,
        usage=_usage(
            _mapping(_mapping(body).get("usage")), "prompt_tokens", "completion_tokens", "prompt_tokens_details"
        ),
    )


def names_in(body: Any) -> frozenset[str]:
    """The models that `GET /models` lists; none for what is no such answer."""
    entries = _mappings(_mapping(body).get("data"))
    return frozenset(str(entry["id"]) for entry in entries if entry.get("id"))


def _failed(error: Mapping[str, Any]) -> RateLimited | Refused | Unavailable:
    """A response that was accepted and then failed carries its error inside an HTTP 200."""
    code = str(error.get("code") or "")
    if code in REFUSED_WORDS:
        return Refused(f"the language model refused: {code}")
    found = error_for(HTTPStatus.TOO_MANY_REQUESTS, error, {}) if code == "rate_limit_exceeded" else None
    return found if isinstance(found, RateLimited) else Unavailable(f"the language model failed: {code or 'no code'}")


def _usage(found: Mapping[str, Any], asked: str, answered: str, details: str) -> Usage | None:
    tokens_in, tokens_out = found.get(asked), found.get(answered)
    if not isinstance(tokens_in, int) or not isinstance(tokens_out, int):
        return None
    cached = _mapping(found.get(details)).get("cached_tokens")
    return Usage(input=tokens_in, output=tokens_out, cached=cached if isinstance(cached, int) else 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())
