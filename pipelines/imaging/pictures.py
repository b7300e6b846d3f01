"""The image model of a deployment, by the provider's part of its name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.imaging import catalogue
from pipelines.ports import MediaInput, Pictures
from pipelines.settings import Settings

NONE = "No picture service is set up here (PICTURE_MODEL)."


class ImageModels(Pictures):
    """ports.Pictures."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def model(self) -> str | None:
        """PICTURE_MODEL."""
        return self._settings.picture_model

    def unavailable(self, model: str | None, today: date) -> str | None:
        """Why this model makes no pictures here today; None where it does."""
        if model is None:
            return NONE
        gone = catalogue.ended().get(model)
        if gone and today >= gone.ends:
            return f"{model} has ended. Ask your operator for {gone.instead} in PICTURE_MODEL."
        row = catalogue.models().get(model)
        if row is None or row.price_on(today) is None:
            return f"The price of {model} is not known, so no picture is bought. Ask your operator."
        key = self._settings.gemini_api_key if model.startswith("gemini/") else self._settings.openai_api_key
        name = f"{model.partition('/')[0].upper()}_API_KEY"
        return None if key else f"{model} is not set up here ({name}). Ask your operator."

    def quote_micro(self, request: PictureRequest, today: date) -> int:
        """What one try costs at most. Raises NotConfigured for a model without a price."""
        return self._price(request.model, today).quote(request.prompt, len(request.sources))

    def _price(self, model: str, today: date) -> catalogue.Price:
        row = catalogue.models().get(model)
        price = row.price_on(today) if row else None
        if price is None:
            raise NotConfigured(f"the price of {model} is not known")
        return price

    def edit(self, request: PictureRequest, sources: Sequence[MediaInput], dest: Path, today: date) -> int:
        """Write the picture to a file; what it has cost. One call, never repeated by itself."""
        # httpx comes when it is needed: the web process asks for quotes only.
        import httpx

        from pipelines.imaging import answers, gemini, openai
        from pipelines.net import guarded_client

        if reason := self.unavailable(request.model, today):
            raise NotConfigured(reason, marketer=reason)
        name, ask = (gemini.NAME, gemini.edit) if request.model.startswith("gemini/") else (openai.NAME, openai.edit)
        price = self._price(request.model, today)
        timeout = httpx.Timeout(answers.ANSWER_S, connect=answers.CONNECT_S)
        with guarded_client(self._settings.trusted_origins[name], timeout=timeout) as http:
            return ask(self._settings, http, request, sources, dest, price)

    def check(self, today: date) -> str:
        """Whether the model that is named can be asked."""
        if reason := self.unavailable(self.model, today):
            raise NotConfigured(reason)
        return f"{self.model} makes pictures where a row asks for them"


def build_pictures(settings: Settings) -> ImageModels:
    """The image model of these settings."""
    return ImageModels(settings)
