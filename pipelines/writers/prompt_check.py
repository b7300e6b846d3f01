"""What the operator does not want to be filmed: a list of words, and a server of OpenAI's `/moderations`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

import httpx
from typing_extensions import override

from pipelines.domain.errors import ForbiddenAddress, Unavailable
from pipelines.net.guard import guarded_client
from pipelines.ports import PromptCheck
from pipelines.settings import Origin, Settings
from pipelines.writers.moderation import MODEL, flagged_categories

TIMEOUT_S = 10.0
LONGEST = 20_000
"""Characters of one text that are asked about; the rest goes into another."""


class OperatorsCheck(PromptCheck):
    """The words first, which cost nothing; then the server, if there is one."""

    def __init__(self, words: Collection[str], url: str | None, key: str | None, trusted: Collection[Origin]) -> None:
        found = sorted({_plain(word) for word in words if word.strip()}, key=len, reverse=True)
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, found))})(?!\w)") if found else None
        self._url, self._key, self._trusted = url, key, trusted

    @override
    def listed(self, texts: Sequence[str]) -> str | None:
        """ports.PromptCheck."""
        for text in texts:
            if self._words is not None and (word := self._words.search(_plain(text))):
                return f"“{word.group()}”"
        return None

    @override
    def objection(self, texts: Sequence[str]) -> str | None:
        """ports.PromptCheck."""
        return self.listed(texts) or ", ".join(self._flagged(texts)) or None

    def _flagged(self, texts: Sequence[str]) -> list[str]:
        """What the server says of any of them. Raises Unavailable for whatever is no answer."""
        if self._url is None or not texts:
            return []
        parts = [text[start : start + LONGEST] for text in texts for start in range(0, len(text), LONGEST)]
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            with guarded_client(self._trusted, TIMEOUT_S) as client:
                body = {"model": MODEL, "input": parts}
                answer = client.post(f"{self._url.rstrip('/')}/moderations", json=body, headers=headers)
            answer.raise_for_status()
            # Every text must have been answered.
            told = [one for _, one in zip(parts, answer.json()["results"], strict=True)]
            found = [name for one in told for name in flagged_categories({"results": [one]})]
            flagged = any(one["flagged"] for one in told)
        except (httpx.HTTPError, ForbiddenAddress, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the moderation server: {type(error).__name__}") from error
        return list(dict.fromkeys(found)) or (["its content"] if flagged else [])


def build_prompt_check(settings: Settings) -> PromptCheck | None:
    """What MODERATION_WORDS and MODERATION_BASE_URL set up; None where the operator checks nothing."""
    words = read_words(settings.moderation_words) if settings.moderation_words else []
    if not words and settings.moderation_base_url is None:
        return None
    key = settings.moderation_api_key
    trusted = settings.trusted_origins["moderation"]
    return OperatorsCheck(words, settings.moderation_base_url, key.get_secret_value() if key else None, trusted)


def read_words(path: Path) -> list[str]:
    """A word or phrase a line; what begins with # is for whoever reads the file."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
