"""`speech/<voice>`: any server that answers `POST /audio/speech` with sound, as OpenAI's did first.

The key and address of the scene writer are not taken silently. Nobody tells when each word is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.errors import Ambiguous
from pipelines.domain.planning.narration import Line, Said
from pipelines.settings import Settings
from pipelines.speech import answers
from pipelines.speech.catalogue import Chosen

NAME = "speech"


@dataclass(frozen=True, slots=True)
class Server:
    """ports.Speaker on the configured server."""

    settings: Settings
    chosen: Chosen
    http: httpx.Client

    def say(self, line: Line, dest: Path) -> Said:
        """One POST; what comes back is written as it is."""
        body = {
            "model": self.chosen.model.model,
            "input": line.text,
            "voice": self.chosen.voice,
            "response_format": "wav",
        }
        key = self.settings.speech_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        url = f"{self.settings.speech_base_url}/audio/speech"
        with answers.asked(self.http, url, body, headers, "SPEECH_BASE_URL") as answer:
            if not answer.is_success:
                raise answers.error_of(answer.status_code, _problem(answers.json_of(answer)), answer.headers)
            if answer.headers.get("content-type", "").startswith(("application/json", "text/")):
                raise Ambiguous("the voice server answered 200 with words instead of sound")
            with dest.open("wb") as file:
                file.writelines(answers.sound_of(answer))
        return Said()


@contextmanager
def speaking(settings: Settings, chosen: Chosen) -> Iterator[Server]:
    """A client for the lines of one film."""
    with answers.client(settings, NAME) as http:
        yield Server(settings, chosen, http)


def _problem(body: Mapping[str, Any]) -> answers.Problem:
    """`{"error": {code, type, message}}`, or the same without `error`."""
    found = body.get("error", body)
    error = found if isinstance(found, dict) else {"message": found}
    code = " ".join(str(error.get(name) or "") for name in ("code", "type")).lower()
    return answers.Problem(code, str(error.get("message") or ""))
