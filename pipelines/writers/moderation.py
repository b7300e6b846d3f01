"""The likely culprit of a refusal: asked of OpenAI's free moderation, else guessed from word lists."""

from __future__ import annotations

import base64
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from pipelines.ports import MediaInput, Moderator
from pipelines.settings import Settings
from pipelines.writers.language_model import client_of
from pipelines.writers.softening import subjects_of

logger = logging.getLogger(__name__)

MODEL = "omni-moderation-latest"
"""Free of charge; takes texts and pictures as data: URLs."""
TIMEOUT_S = 30.0
MAX_PICTURE_BYTES = 15 * 1024**2
"""A data: URL may have 20 MiB, and base64 adds a third."""
MAX_CATEGORIES = 3
_CATEGORIES = {
    "violence/graphic": "graphic violence",
    "sexual/minors": "minors in a sexual context",
    "self-harm": "self-harm",
    "harassment/threatening": "threats",
    "hate/threatening": "threatening hate",
    "illicit/violent": "violent crime",
    "illicit": "crime",
}


class WordListModerator(Moderator):
    """Looks at the words of the prompt only: for everybody without a key."""

    @override
    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:
        """The subjects that word lists find in the prompt."""
        subjects = subjects_of(prompt)
        return _named("the prompt", subjects) if subjects else None


class OpenAiModerator(Moderator):
    """Asks about the prompt and about each picture apart, so that the answer can say which."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words = WordListModerator()

    @override
    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:
        """What moderation flags; else what the word lists find, as brands and faces are no moderation category.

        Raises nothing: an explanation is a courtesy, and a run must not wait for it.
        """
        return " and ".join(self._flagged(prompt, images)) or self._words.culprit(prompt, images)

    def _flagged(self, prompt: str, images: Sequence[MediaInput]) -> Iterator[str]:
        if prompt.strip() and (found := self._categories({"type": "text", "text": prompt})):
            yield _named("the prompt", found)
        for number, image in enumerate(images, start=1):
            part = _picture(image)
            if part and (found := self._categories(part)):
                yield _named(f"reference image {number}", found)

    def _categories(self, part: dict[str, Any]) -> tuple[str, ...]:
        import openai

        try:
            raw = self._client.moderations.with_raw_response.create(model=MODEL, input=[part])
            return flagged_categories(raw.http_response.json())
        except (openai.OpenAIError, ValueError) as error:
            logger.info("moderation could not be asked: %s", type(error).__name__)
            return ()

    @functools.cached_property
    def _client(self) -> Any:
        return client_of(self._settings, TIMEOUT_S)


def _picture(image: MediaInput) -> dict[str, Any] | None:
    try:
        if image.path.stat().st_size > MAX_PICTURE_BYTES:
            return None
        data = base64.b64encode(image.path.read_bytes()).decode("ascii")
    except OSError as error:
        logger.info("a picture could not be read for moderation: %s", type(error).__name__)
        return None
    return {"type": "image_url", "image_url": {"url": f"data:{image.content_type};base64,{data}"}}


def flagged_categories(body: Any) -> tuple[str, ...]:
    """The flagged categories of the first result, the surest first."""
    results = body.get("results") if isinstance(body, Mapping) else None
    result = results[0] if isinstance(results, list) and results else {}
    categories, scores = (_table(result, name) for name in ("categories", "category_scores"))
    flagged = [name for name, hit in categories.items() if hit is True]
    flagged.sort(key=lambda name: -float(scores.get(name) or 0))
    return tuple(_CATEGORIES.get(name, name.replace("/", " ")) for name in flagged[:MAX_CATEGORIES])


def _table(result: Any, name: str) -> Mapping[str, Any]:
    found = result.get(name) if isinstance(result, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _named(what: str, subjects: Sequence[str]) -> str:
    return f"{what} ({', '.join(dict.fromkeys(subjects))})"
