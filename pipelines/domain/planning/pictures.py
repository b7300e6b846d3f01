"""What is asked of an image model: a picture made from pictures that are there, and which of them are one purchase."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.keys import digest

TRIES = 2
"""The quote is for so many of each picture: one answer may get lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """One picture as it is bought. `sources` are JPEGs, by keys of our storage that follow from their content."""

    model: str = ""
    prompt: str = ""
    aspect_ratio: str = "16:9"
    sources: tuple[str, ...] = ()


def fingerprint(request: PictureRequest, account_id: str | None) -> str:
    """The same words about the same pictures by the same model are one purchase of one account."""
    asked = (request.model, request.prompt, request.aspect_ratio, *request.sources)
    return digest("picture", *asked, *((account_id,) if account_id else ()))
