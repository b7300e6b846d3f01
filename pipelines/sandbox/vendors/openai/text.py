"""OpenAI's text side: Responses and chat completions with structured output, moderations, models.

Words for the text request itself, besides those of `magic` which pass into the scenes: `[[refuse-text]]` the model
declines, `[[truncate-text]]` the answer stops at max_output_tokens, `[[busy-text]]` 429 the first time, `[[fail-text]]`
500 the first time, `[[wrong-text]]` an answer that is not the asked JSON. Of a translation (its `Title` is where such
words may stand): `[[refuse-translation]]` it is declined, `[[wrong-translation]]` it is the text that was to be
translated, `[[lost-translation]]` it is billed, and the connection is dropped the first time; each may name a language,
as `[[refuse-translation:de]]`. Of a spoken line that is to be said shorter: `[[refuse-shortening]]`,
`[[wrong-shortening]]`, `[[lost-shortening]]`.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from dataclasses import dataclass
from typing import Any

import flask
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.engine import LostReply, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import TextUse
from pipelines.sandbox.vendors.openai.common import VENDOR, json_body
from pipelines.sandbox.vendors.openai.models import MODELS
from pipelines.sandbox.vendors.openai.scenes import brief, fill
from pipelines.sandbox.vendors.openai.translating import shortens, translates

# $/M tokens in and out, from the vendor's price list of November 2026.
PRICES = {
    "gpt-6-luna": (0.10, 0.50),
    "gpt-6.1-terra": (1.0, 5.0),
    "gpt-6.1-sol": (2.0, 10.0),
    "gpt-6-sol": (2.0, 10.0),
    "gpt-6-astra": (10.0, 50.0),
    "gpt-5.6-luna": (0.20, 1.20),
    "gpt-5.6-terra": (2.0, 12.0),
}
REFUSAL = "I'm sorry, but I can't help with that."
CHARACTERS_PER_TOKEN = 4
MILLION = 1_000_000
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said. `finish` is stop, length or refusal."""

    text: str
    finish: str
    input_tokens: int
    output_tokens: int


def routes(blueprint: flask.Blueprint) -> None:
    """Add the text routes."""
    blueprint.post("/responses")(respond)
    blueprint.post("/chat/completions")(complete)
    blueprint.post("/moderations")(moderate)
    blueprint.get("/models")(models)


def respond() -> Response:
    """The Responses API, `text.format` of type json_schema or plain text."""
    body = json_body()
    wanted = body.get("text", {}).get("format") or {"type": "text"}
    answer = _answer(
        route="responses",
        model=_model(body),
        instructions=_plain(body.get("instructions")),
        asked=_plain(body.get("input")),
        schema=wanted.get("schema") if wanted.get("type") == "json_schema" else None,
        max_tokens=body.get("max_output_tokens"),
    )
    return flask.jsonify(_response(body, wanted, answer))


def complete() -> Response:
    """Chat completions, `response_format` of type json_schema or plain text."""
    body = json_body()
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise VendorSays("invalid", "Missing required parameter: 'messages'.", param="messages")
    wanted = body.get("response_format") or {"type": "text"}
    system = [one for one in messages if one.get("role") in {"system", "developer"}]
    answer = _answer(
        route="chat/completions",
        model=_model(body),
        instructions=_plain(system),
        asked=_plain([one for one in messages if one not in system]),
        schema=wanted["json_schema"].get("schema") if wanted.get("type") == "json_schema" else None,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
    )
    return flask.jsonify(_completion(body, answer))


def moderate() -> Response:
    """Flags inputs that carry a word which a video model would refuse or flag."""
    body = json_body()
    inputs = body.get("input")
    single = isinstance(inputs, str) or (isinstance(inputs, list) and bool(inputs) and isinstance(inputs[0], dict))
    if not inputs or not isinstance(inputs, str | list):
        raise VendorSays("invalid", "Missing required parameter: 'input'.", param="input")
    texts = [_plain(inputs)] if single else [_plain(one) for one in inputs]
    model = body.get("model", "omni-moderation-latest")
    results = [_moderation(text) for text in texts]
    return flask.jsonify({"id": f"modr-{secrets.token_hex(12)}", "model": model, "results": results})


def models() -> Response:
    """Text and video models."""
    names = [*PRICES, "omni-moderation-latest", *MODELS]
    data = [{"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "sandbox"} for name in names]
    return flask.jsonify({"object": "list", "data": data})


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if model not in PRICES:
        raise VendorSays("model_not_found", f"The model '{model}' does not exist.", param="model")
    return str(model)


def _plain(value: Any) -> str:
    """All text of an input: a string, messages, content parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_plain, value)))
    if isinstance(value, dict):
        return _plain(value.get("text") or value.get("content"))
    return ""


def _answer(
    *, route: str, model: str, instructions: str, asked: str, schema: dict[str, Any] | None, max_tokens: int | None
) -> Answer:
    if not asked.strip():
        raise VendorSays("invalid", "Missing required parameter: 'input'.", param="input")
    said = magic.words(asked)
    _stumble(said, asked)
    request = brief(instructions, asked)
    text = json.dumps(fill(schema, request), ensure_ascii=False) if schema else request.prompt(0)
    finish = "stop"
    if "wrong-text" in said:
        text = "Here are your scenes! 1. A wide shot …"
    declined = translates(asked, "refuse-translation") or shortens(asked, "refuse-shortening")
    if "refuse-text" in said or declined:
        text, finish = REFUSAL, "refusal"
    limit = _tokens(text) // 2 if "truncate-text" in said else max_tokens
    if limit is not None and _tokens(text) > limit:
        text, finish = text[: limit * CHARACTERS_PER_TOKEN], "length"
    answer = Answer(
        text=text, finish=finish, input_tokens=_tokens(instructions + asked), output_tokens=max(1, _tokens(text))
    )
    _charge(route, model, answer)
    lost = translates(asked, "lost-translation") or shortens(asked, "lost-shortening")
    if lost and engine().books.first_time(f"text|lost|{asked}"):
        raise LostReply("lost", "The lines were written; the answer is lost.")
    return answer


def _stumble(said: dict[str, str | None], asked: str) -> None:
    first_time = engine().books.first_time
    if "busy-text" in said and first_time(f"text|busy|{asked}"):
        raise VendorSays("rate_limited", "Rate limit reached for requests.", retry_after=1)
    if "fail-text" in said and first_time(f"text|fail|{asked}"):
        raise VendorSays("server_error", "The server had an error while processing your request.")


def _charge(route: str, model: str, answer: Answer) -> None:
    price_in, price_out = PRICES[model]
    usd = (answer.input_tokens * price_in + answer.output_tokens * price_out) / MILLION
    use = TextUse(
        id=secrets.token_hex(12),
        model=model,
        route=route,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        usd=usd,
        at=time.time(),
    )
    engine().counts.kind(VENDOR, "text")
    engine().books.save_text(use)


def _tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def _response(body: dict[str, Any], wanted: dict[str, Any], answer: Answer) -> dict[str, Any]:
    cut = answer.finish == "length"
    part: dict[str, Any] = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    if answer.finish == "refusal":
        part = {"type": "refusal", "refusal": answer.text}
    status = "incomplete" if cut else "completed"
    message = {
        "type": "message",
        "id": f"msg_{secrets.token_hex(16)}",
        "role": "assistant",
        "status": status,
        "content": [part],
    }
    return {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": [message],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": wanted},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }


def _completion(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    refused = answer.finish == "refusal"
    message = {
        "role": "assistant",
        "content": None if refused else answer.text,
        "refusal": answer.text if refused else None,
    }
    finish = "length" if answer.finish == "length" else "stop"
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }


def _moderation(text: str) -> dict[str, Any]:
    flagged = bool({"refuse", "flag", "refuse-text"} & magic.words(text).keys())
    hit = {"violence"} if flagged else set()
    return {
        "flagged": flagged,
        "categories": {name: name in hit for name in _CATEGORIES},
        "category_scores": {name: 0.97 if name in hit else 0.0001 for name in _CATEGORIES},
        "category_applied_input_types": {name: ["text"] if name in hit else [] for name in _CATEGORIES},
    }
