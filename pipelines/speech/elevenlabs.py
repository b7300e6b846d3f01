"""`elevenlabs/<voice>`: ElevenLabs, which tells when each letter is said.

Source: elevenlabs 2.78.0, `POST /v1/text-to-speech/{voice_id}/with-timestamps`, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.footage import Word
from pipelines.domain.planning.narration import UNSAID, Line, Said
from pipelines.settings import Settings
from pipelines.speech import answers
from pipelines.speech.catalogue import Chosen

NAME = "elevenlabs"
FORMAT = "mp3_44100_128"
"""WAV is only for its dearer plans."""


@dataclass(frozen=True, slots=True)
class ElevenLabs:
    """ports.Speaker."""

    settings: Settings
    chosen: Chosen
    http: httpx.Client

    def say(self, line: Line, dest: Path) -> Said:
        """One POST; the sound comes inside the answer, with the time of each letter."""
        body = {"text": line.text, "model_id": self.chosen.model.model}
        if self.chosen.model.names_language and line.language != UNSAID:
            body["language_code"] = line.language.partition("-")[0]
        key = self.settings.elevenlabs_api_key
        headers = {"xi-api-key": key.get_secret_value() if key else ""}
        url = f"{self.settings.elevenlabs_base_url}/v1/text-to-speech/{self.chosen.voice}/with-timestamps"
        with answers.asked(self.http, f"{url}?output_format={FORMAT}", body, headers, "ELEVENLABS_BASE_URL") as answer:
            found = answers.json_of(answer)
            if not answer.is_success:
                raise answers.error_of(answer.status_code, _problem(found), answer.headers)
            answers.write_base64(found.get("audio_base64"), dest)
        return Said(words=words_of(line.text, found.get("alignment")))


@contextmanager
def speaking(settings: Settings, chosen: Chosen) -> Iterator[ElevenLabs]:
    """A client for the lines of one film."""
    with answers.client(settings, NAME) as http:
        yield ElevenLabs(settings, chosen, http)


def words_of(text: str, alignment: object) -> tuple[Word, ...]:
    """When each word of the text is said; nothing where the answer does not fit the text, so that it is estimated."""
    found = alignment if isinstance(alignment, dict) else {}
    letters, starts, ends = (
        found.get(name) for name in ("characters", "character_start_times_seconds", "character_end_times_seconds")
    )
    if not (isinstance(letters, list) and isinstance(starts, list) and isinstance(ends, list)):
        return ()
    times = [*starts, *ends]
    numbers = all(isinstance(time, int | float) for time in times)
    if "".join(map(str, letters)) != text or not len(letters) == len(starts) == len(ends) == len(text) or not numbers:
        return ()
    words: list[Word] = []
    place = 0
    for written in text.split():
        begin = text.index(written, place)
        place = begin + len(written)
        words.append(Word(text=written, start=float(starts[begin]), end=float(ends[place - 1])))
    in_order = all(0 <= one.start <= one.end for one in words) and all(a.start <= b.start for a, b in pairwise(words))
    return tuple(words) if in_order else ()


def _problem(body: Mapping[str, Any]) -> answers.Problem:
    """`{"detail": {status, message}}`, newer `{type, code, message}`; a list of them for a field that is wrong."""
    found = body.get("detail", body)
    first = found[0] if isinstance(found, list) and found else found
    detail = first if isinstance(first, dict) else {"message": str(first)}
    code = " ".join(str(detail.get(name) or "") for name in ("status", "code", "type")).lower()
    return answers.Problem(code, str(detail.get("message") or detail.get("msg") or ""))
