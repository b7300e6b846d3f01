"""How films are made: who writes their scenes, which providers film them, what is put into the finished film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr

from pipelines.environment import one_of
from pipelines.settings import values
from pipelines.settings.variables import (
    FILMS,
    VIDEO,
    WRITE,
    Address,
    ModelNames,
    WebhookSecret,
    secrets,
    variable,
)

OPENAI_URL = "https://api.openai.com/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com"
KIE_URL = "https://api.kie.ai"
OPENROUTER_URL = "https://openrouter.ai/api/v1"
ELEVENLABS_URL = "https://api.elevenlabs.io"

NO_PAID_SEARCH = (
    "cannot be openai: no run and no account would pay for a search. Use local, which costs nothing and needs "
    "requirements-search.txt, or off."
)


class ProviderSettings(BaseModel):
    """Who writes the scenes and who films them."""

    openai_api_key: SecretStr | None = variable(
        WRITE, "Key for scene writing; without it the deterministic writer is used."
    )
    openai_base_url: Address = variable(WRITE, "Address of OpenAI's API or a compatible server.", OPENAI_URL)
    openai_model: str = variable(WRITE, "The language model that writes scenes.", "gpt-6-luna")

    video_model: Annotated[str, AfterValidator(values.model_name)] = variable(
        VIDEO, "Default model as provider/slug; a record can name another.", "local/animatic"
    )
    max_cuts_per_run: Annotated[int, Field(ge=1, le=100)] = variable(
        VIDEO, "So many films one run makes at most: its hooks times its languages times its formats.", 24
    )
    fallback_models: ModelNames = variable(
        VIDEO,
        "Models tried in order, separated by commas, when the provider and not the prompt is at fault.",
        (),
        shown="",
    )
    catalogue: Path | None = variable(VIDEO, "A file that adds models and prices to the catalogue.")
    sora_api_key: SecretStr | None = variable(
        VIDEO,
        "Key for the server of the /v1/videos protocol; set it whenever that server is not OpenAI's.",
        shown="the value of OPENAI_API_KEY",
    )
    sora_base_url: Address = variable(
        VIDEO, "Address of any server of the /v1/videos protocol.", OPENAI_URL, shown="the value of OPENAI_BASE_URL"
    )
    openai_webhook_secret: WebhookSecret | None = variable(
        VIDEO, "Secret of OpenAI's webhooks, starting with whsec_; two, separated by a comma, while rotating."
    )
    gemini_api_key: SecretStr | None = variable(VIDEO, "Key for Gemini (Omni, and its voices).")
    gemini_base_url: Address = variable(VIDEO, "Address of the Gemini API.", GEMINI_URL)
    gemini_webhook_secret: WebhookSecret | None = variable(
        VIDEO, "Secret of Gemini's webhooks, starting with whsec_; two, separated by a comma, while rotating."
    )
    kie_api_key: SecretStr | None = variable(VIDEO, "Key for kie.ai.")
    kie_base_url: Address = variable(VIDEO, "Address of kie.ai's API.", KIE_URL)
    kie_webhook_hmac_key: SecretStr | None = variable(VIDEO, "The key kie.ai signs its callbacks with.")
    openrouter_api_key: SecretStr | None = variable(VIDEO, "Key for OpenRouter.")
    openrouter_base_url: Address = variable(VIDEO, "Address of OpenRouter's API.", OPENROUTER_URL)
    openrouter_webhook_secret: SecretStr | None = variable(VIDEO, "The secret OpenRouter signs its callbacks with.")
    google_cloud_project: str | None = variable(VIDEO, "Google Cloud project for Veo on Vertex AI.")
    google_cloud_location: str | None = variable(VIDEO, "Google Cloud region for Veo on Vertex AI.")
    google_cloud_base_url: Address | None = variable(
        VIDEO, "Address of Vertex AI for Veo.", shown="Google's own for the region"
    )
    google_application_credentials: Path | None = variable(VIDEO, "Service account file for Veo on Vertex AI.")

    @property
    def openai_webhook_secrets(self) -> tuple[str, ...]:
        """Every live secret of OpenAI's webhooks."""
        return secrets(self.openai_webhook_secret)

    @property
    def gemini_webhook_secrets(self) -> tuple[str, ...]:
        """Every live secret of Gemini's webhooks."""
        return secrets(self.gemini_webhook_secret)


class FilmSettings(BaseModel):
    """Voices, pictures, and what a finished film says of itself."""

    serve_films: Annotated[Literal["web", "storage"], BeforeValidator(one_of("web", "storage"))] = variable(
        FILMS,
        "Who hands out films behind their permanent links: web, or storage by links of ten minutes, so that the bytes "
        "need not pass the web process (S3 only).",
        "web",
    )
    films_cdn_url: Address | None = variable(
        FILMS,
        "The address of a CDN before the bucket, with SERVE_FILMS=storage: links of ten minutes lead there, and hold "
        "the signature that the bucket behind it checks.",
    )
    disclosure: str | None = variable(
        FILMS, "What every film says of itself in its metadata, such as: Made with AI.", max_length=500
    )
    c2pa_certificate: Path | None = variable(
        FILMS,
        "A PEM file with your certificate and those above it: every film is signed with it (C2PA), so that anybody can "
        "tell whether it was changed; needs requirements-c2pa.txt.",
    )
    search_embeddings: Annotated[
        Literal["off", "local"], BeforeValidator(one_of("off", "local", openai=NO_PAID_SEARCH))
    ] = variable(
        FILMS,
        "How films are found besides by their words: off, or local, by what their texts mean, with a model on this "
        "machine that costs nothing; needs requirements-search.txt.",
        "off",
    )
    c2pa_private_key: Path | None = variable(FILMS, "A PEM file with its private key, without a password.")
    speech_base_url: Address | None = variable(
        FILMS, "Address of a voice service that answers POST /audio/speech, such as https://api.openai.com/v1."
    )
    speech_api_key: SecretStr | None = variable(FILMS, "Its key; that of the scene writer is not taken for it.")
    speech_model: str | None = variable(FILMS, "The model that it is asked for.")
    speech_usd_per_million: Annotated[float, Field(ge=0, le=10_000)] | None = variable(
        FILMS,
        "What it charges for a million characters, in dollars; 0 for a server of your own. Without it only models are "
        "used whose price is known here.",
    )
    elevenlabs_api_key: SecretStr | None = variable(FILMS, "Key for the voices of ElevenLabs.")
    elevenlabs_base_url: Address = variable(FILMS, "Address of ElevenLabs' API.", ELEVENLABS_URL)
    speech_voice: str = variable(
        FILMS, "Who speaks where Voiceover is ticked and the row names no Voice: provider/voice.", "local/heart"
    )
    picture_model: str | None = variable(
        FILMS,
        "The image model that makes pictures where a row asks for them, such as gemini/gemini-nano-banana-2.1 (with "
        "GEMINI_API_KEY) or openai/gpt-image-2.6-flare (with OPENAI_API_KEY). Without it no picture is bought.",
    )
