"""OpenAI's voices: `POST /audio/speech`, answered with sound at once."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common import spoken
from pipelines.sandbox.vendors.kernel.engine import VendorSays
from pipelines.sandbox.vendors.openai.common import VENDOR, json_body

# $/M characters; the first is billed by the minute, at about this much.
PRICES = {"gpt-4o-mini-tts": 18.0, "tts-1": 15.0}
VOICES = [
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
]
MOST = 4096


def routes(blueprint: flask.Blueprint) -> None:
    """Add the route."""
    blueprint.post("/audio/speech")(speak)


def speak() -> Response:
    """WAV whatever format is asked for, as long as the text takes to say."""
    body = json_body()
    model, text, voice = (body.get(name) for name in ("model", "input", "voice"))
    if model not in PRICES:
        raise VendorSays("model_not_found", f"The model '{model}' does not exist.", param="model")
    if not isinstance(text, str) or not 0 < len(text) <= MOST:
        raise VendorSays("invalid", f"String should have 1 to {MOST} characters.", param="input")
    if voice not in VOICES:
        raise VendorSays("invalid", f"Voice must be one of {', '.join(VOICES)}.", param="voice")
    sound = spoken.sound_of(VENDOR, str(model), text, len(text) * PRICES[str(model)] / 1_000_000)
    return flask.Response(sound, content_type="audio/wav")
