"""A language model behind the openai SDK: one question, one answer of a given shape.

`POST /responses` first; servers that lack it are asked by `POST /chat/completions`. The SDK's retries are off: a retry
inside it is paid for without being counted, and it would multiply with those of the stage, which alone knows whether
the run is still wanted. The SDK is imported at the first question, because the web process only asks for prices.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from pipelines.domain.errors import NotConfigured
from pipelines.net import guarded_client
from pipelines.ports import trace
from pipelines.settings import Settings
from pipelines.writers.prices import Price, Usage, most_tokens, price_of, retirement
from pipelines.writers.replies import Reply, from_completion, from_response, names_in
from pipelines.writers.troubles import NO_SUCH_ROUTE, away, error_for

READ_TIMEOUT_S = 180.0
"""Fifty scenes with some thinking take a minute or two; the run's lease is renewed meanwhile."""
EFFORT = "low"
_VENDOR = "openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `limit` bounds the tokens of the answer, thinking included."""

    instructions: str
    text: str
    shape: type[BaseModel]
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply and what it cost."""

    reply: Reply
    cost_micro: int


def _tokens(usage: Usage) -> dict[str, trace.Value]:
    return {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
    }


class LanguageModel:
    """The model of `OPENAI_MODEL` at `OPENAI_BASE_URL`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = settings.openai_model
        self._chat_only = False
        self._thinks = True

    @property
    def price(self) -> Price:
        """What its tokens cost."""
        return price_of(self.name)

    def ask(self, question: Question) -> Answer | None:
        """The answer, or None when the server understands neither way of asking.

        Raises Refused, RateLimited, Unavailable, NotConfigured or OutOfCredit, with what a failed answer cost.
        """
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self.name,
        }
        with trace.span(f"chat {self.name}", about, kind="client") as span:
            reply = None if self._chat_only else self._understood(self._respond, question)
            reply = reply or self._understood(self._complete, question)
            if reply is not None and reply.usage is not None:
                span.tell(_tokens(reply.usage))
        if reply is not None and reply.failure is not None:
            reply.failure.cost_micro = self.price.cost_micro(reply.usage) if reply.usage else 0
            raise reply.failure
        return Answer(reply=reply, cost_micro=self._cost(question, reply)) if reply else None

    def check(self) -> str:
        """Ask the server which models it has, which is free. Raises NotConfigured, OutOfCredit, RateLimited or
        Unavailable.
        """
        import openai

        ends = retirement(self.name, self._settings.openai_base_url)
        if ends is not None and ends <= datetime.now(UTC).date():
            raise NotConfigured(f"{self.name} was switched off by OpenAI on {ends} (change OPENAI_MODEL)")
        try:
            listed = names_in(self._client.models.with_raw_response.list().http_response.json())
        except openai.APIStatusError as error:
            # Nothing is listed by a server that does not know the question; other troubles are raised.
            translated = error_for(error.status_code, _error_object(error.body), error.response.headers)
            if translated is not None:
                raise translated from error
            listed = frozenset()
        except openai.APIConnectionError as error:
            raise away(error) from error
        except ValueError:
            listed = frozenset()
        if listed and self.name not in listed:
            raise NotConfigured(f"{self._settings.openai_base_url} does not have {self.name} (check OPENAI_MODEL)")
        proof = "answers and has it" if listed else "answers, but does not list its models"
        told = f"; OpenAI switches it off on {ends}" if ends else ""
        return f"{self.name}: {self._settings.openai_base_url} {proof}{told}."

    def _cost(self, question: Question, reply: Reply) -> int:
        asked = most_tokens(question.instructions) + most_tokens(question.text)
        return self.price.cost_micro(reply.usage or Usage(input=asked, output=most_tokens(reply.text)))

    def _understood(self, way: Callable[[Question], Reply | None], question: Question) -> Reply | None:
        import openai

        try:
            return way(question)
        except openai.APIStatusError as error:
            if self._thinks and _about_reasoning(error):
                self._thinks = False
                return self._understood(way, question)
            translated = error_for(error.status_code, _error_object(error.body), error.response.headers)
            if translated is not None:
                raise translated from error
            self._chat_only = self._chat_only or (error.status_code in NO_SUCH_ROUTE and way == self._respond)
        except openai.APIConnectionError as error:
            raise away(error) from error
        except ValueError:
            # A page of HTML, for example: whatever it is, it is no answer of this protocol.
            return None
        return None

    def _respond(self, question: Question) -> Reply | None:
        optional: dict[str, Any] = {"reasoning": {"effort": EFFORT}} if self._thinks else {}
        raw = self._client.responses.with_raw_response.parse(
            model=self.name,
            instructions=question.instructions,
            input=question.text,
            text_format=question.shape,
            max_output_tokens=question.limit,
            store=False,
            **optional,
        )
        return from_response(raw.http_response.json())

    def _complete(self, question: Question) -> Reply | None:
        """Nothing optional here: servers without /responses are often strict about fields they do not know."""
        raw = self._client.chat.completions.with_raw_response.parse(
            model=self.name,
            messages=[
                {"role": "system", "content": question.instructions},
                {"role": "user", "content": question.text},
            ],
            response_format=question.shape,
            max_completion_tokens=question.limit,
        )
        return from_completion(raw.http_response.json())

    @functools.cached_property
    def _client(self) -> Any:
        return client_of(self._settings, READ_TIMEOUT_S)


def client_of(settings: Settings, timeout_s: float) -> Any:
    """An openai client that never retries and cannot be led to inside addresses."""
    import openai

    key = settings.openai_api_key
    return openai.OpenAI(
        api_key=key.get_secret_value() if key else "",
        base_url=settings.openai_base_url,
        max_retries=0,
        timeout=timeout_s,
        # The SDK is written for httpx2 and takes httpx as well; ours refuses to be led to inside addresses.
        http_client=guarded_client(settings.trusted_origins.get(_VENDOR, ()), timeout_s),  # type: ignore[arg-type]
    )


def _error_object(body: Any) -> dict[str, Any]:
    """The SDK hands over the inner `error` object where there is one, else the whole body."""
    found = body.get("error", body) if isinstance(body, dict) else {}
    return found if isinstance(found, dict) else {"message": found}


def _about_reasoning(error: Any) -> bool:
    """Models that do not think refuse to be told how hard."""
    found = _error_object(error.body)
    return error.status_code == 400 and "reasoning" in f"{found.get('param')} {found.get('message')}"  # noqa: PLR2004 — HTTP
