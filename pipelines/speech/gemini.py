"""`gemini/<voice>`: the speech models of Gemini through its Interactions, with the key and address of its video models.

Source: ai.google.dev/gemini-api/docs/speech-generation and google-genai 3.3.0, read 2026-11. One POST needs no SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.errors import Ambiguous, ReelgridError, Refused
from pipelines.domain.planning.narration import UNSAID, Line, Said
from pipelines.settings import Settings
from pipelines.speech import answers
from pipelines.speech.catalogue import Chosen

NAME = "gemini"
RATE = 24_000


@dataclass(frozen=True, slots=True)
class Gemini:
    """ports.Speaker."""

    settings: Settings
    chosen: Chosen
    http: httpx.Client

    def say(self, line: Line, dest: Path) -> Said:
        """One interaction that is not kept; its sound comes inside the answer, with what was used for it."""
        voice = {"voice": self.chosen.voice}
        if self.chosen.model.names_language and line.language != UNSAID:
            voice["language"] = line.language
        body = {
            "model": self.chosen.model.model,
            "input": [{"type": "user_input", "content": [{"type": "text", "text": line.text}]}],
            "response_format": {"type": "audio", "mime_type": "audio/wav", "sample_rate": RATE},
            "generation_config": {"speech_config": [voice]},
            "store": False,
        }
        key = self.settings.gemini_api_key
        headers = {"x-goog-api-key": key.get_secret_value() if key else ""}
        url = f"{self.settings.gemini_base_url}/v1beta/interactions"
        with answers.asked(self.http, url, body, headers, "GEMINI_BASE_URL") as answer:
            found = answers.json_of(answer)
            if not answer.is_success:
                raise answers.error_of(answer.status_code, _problem(found), answer.headers)
            sounds = [part for part in _parts(found) if part.get("data") and _is_sound(part)]
            if not sounds:
                raise _without_sound(found, answer)
            answers.write_base64(sounds[-1]["data"], dest)
        usage = found.get("usage")
        text, sound = (_count(usage, f"total_{name}_tokens") for name in ("input", "output"))
        return Said(text_tokens=text, audio_tokens=sound)


@contextmanager
def speaking(settings: Settings, chosen: Chosen) -> Iterator[Gemini]:
    """A client for the lines of one film."""
    with answers.client(settings, NAME) as http:
        yield Gemini(settings, chosen, http)


def _parts(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The contents of all steps but what was asked; `outputs` is how earlier versions name them."""
    for name in ("steps", "outputs"):
        steps = body.get(name)
        for step in steps if isinstance(steps, list) else ():
            if not isinstance(step, dict) or step.get("type") == "user_input":
                continue
            content = step.get("content", step)
            yield from (
                part for part in (content if isinstance(content, list) else [content]) if isinstance(part, dict)
            )


def _is_sound(part: Mapping[str, Any]) -> bool:
    return part.get("type") == "audio" or str(part.get("mime_type") or "").startswith("audio/")


def _without_sound(body: Mapping[str, Any], answer: httpx.Response) -> ReelgridError:
    """An interaction that ended without sound: a text that was stopped cost nothing; of anything else nobody knows."""
    said = _problem(body)
    declined = answers.error_of(httpx.codes.BAD_REQUEST, said, answer.headers) if said.code else None
    if isinstance(declined, Refused):
        return declined
    return Ambiguous(f"the voice server ended as {body.get('status')} without sound: {said.code} {said.message}"[:300])


def _problem(body: Mapping[str, Any]) -> answers.Problem:
    """`{"error": {code, message, status, details}}`; an interaction has a list of them in `errors`."""
    listed = body.get("errors")
    found = listed[0] if isinstance(listed, list) and listed else body.get("error", {})
    error = found if isinstance(found, dict) else {"message": str(found)}
    named = error.get("details")
    details = [one for one in (named if isinstance(named, list) else ()) if isinstance(one, dict)]
    codes = [error.get("code"), error.get("status"), *(one.get("reason") for one in details)]
    waits = [wait for one in details if (wait := _seconds(one.get("retryDelay"))) is not None]
    whole = str(error).lower().replace(" ", "").replace("_", "")
    return answers.Problem(
        code=" ".join(str(code) for code in codes if code).lower(),
        message=str(error.get("message") or body.get("message") or ""),
        # Google says quota both for the minute's and for the account's.
        passing=bool(waits) or "perminute" in whole,
        wait_s=waits[0] if waits else None,
    )


def _count(usage: object, name: str) -> int:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) and found > 0 else 0


def _seconds(said: object) -> float | None:
    """`"12.5s"`."""
    number = str(said or "").removesuffix("s")
    return float(number) if number.replace(".", "", 1).isdecimal() else None
