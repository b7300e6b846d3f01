"""Pictures: those that vendors are handed, and those that an image model makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.domain.planning.pictures import PictureRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInput:
    """A picture handed to a provider: a local file, and a signed public link to it when we have a public address."""

    key: str
    path: Path
    content_type: str
    url: str | None = None


class Pictures(Protocol):
    """The image model of a deployment, if it has one."""

    @property
    def model(self) -> str | None:
        """Who makes pictures; None where none is bought."""

    def unavailable(self, model: str | None, today: date) -> str | None:
        """Why this model makes no pictures here today; None where it does."""

    def quote_micro(self, request: PictureRequest, today: date) -> int:
        """What one try costs at most. Raises NotConfigured for a model without a price."""

    def edit(self, request: PictureRequest, sources: Sequence[MediaInput], dest: Path, today: date) -> int:
        """Write the picture to a file; what it has cost. One call, never repeated by itself.

        Raises Refused, ProviderFailed, RateLimited, OutOfCredit, NotConfigured and Unavailable where nothing was
        bought, and Ambiguous where nobody knows.
        """

    def check(self, today: date) -> str:
        """One sentence for the doctor, without a call. Raises NotConfigured."""
