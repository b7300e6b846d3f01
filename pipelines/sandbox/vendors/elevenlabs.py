"""ElevenLabs under /elevenlabs: `POST /v1/text-to-speech/{voice}/with-timestamps`, sound with letters' times."""

from __future__ import annotations

import base64
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.common import spoken
from pipelines.sandbox.vendors.common.gate import mount
from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.engine import Engine, VendorSays

VENDOR = "elevenlabs"
# $/M characters.
PRICES = {"eleven_flash_v2_5": 50.0, "eleven_multilingual_v2": 100.0}
VOICES = frozenset(["JBFqnCBsd6RMkjVDRZzb", "EXAVITQu4vr4xnSDxMaL", "Xb7hH8MSUJpSbSDYk0k2"])
MOST = 40_000

# kind: (HTTP status, status word)
_WORDS = {
    "unauthorized": (401, "invalid_api_key"),
    "no_credit": (401, "quota_exceeded"),
    "rate_limited": (429, "too_many_concurrent_requests"),
    "server_error": (500, "internal_error"),
    "refused": (400, "content_against_policy"),
    "invalid": (400, "invalid_parameters"),
    "not_found": (404, "voice_not_found"),
    "model_not_found": (400, "model_not_found"),
}


def register(app: flask.Flask, found: Engine) -> None:
    """Mount the one route that is used."""
    del found
    blueprint = flask.Blueprint("vendor_elevenlabs", __name__, url_prefix="/elevenlabs")
    blueprint.post("/v1/text-to-speech/<voice>/with-timestamps")(speak)
    mount(app, blueprint, VENDOR, key=lambda: flask.request.headers.get("xi-api-key", ""), shape=_shape)


def speak(voice: str) -> Response:
    """The sound in base64, and when each letter is said."""
    body = flask.request.get_json(silent=True)
    found: dict[str, Any] = body if isinstance(body, dict) else {}
    text, model = found.get("text"), found.get("model_id") or "eleven_multilingual_v2"
    if voice not in VOICES:
        raise VendorSays("not_found", f"A voice with the voice_id {voice} was not found.")
    if model not in PRICES:
        raise VendorSays("model_not_found", f"A model with model ID {model} does not exist.")
    if not isinstance(text, str) or not 0 < len(text) <= MOST:
        raise VendorSays("invalid", "The text is empty or too long.", param="text")
    if found.get("language_code") and model == "eleven_multilingual_v2":
        raise VendorSays("invalid", f"Model {model} does not support language_code.", param="language_code")
    sound = spoken.sound_of(VENDOR, model, text, len(text) * PRICES[model] / 1_000_000)
    alignment = _alignment(text)
    return flask.jsonify(
        {
            "audio_base64": base64.b64encode(sound).decode(),
            "alignment": alignment,
            "normalized_alignment": alignment,
        }
    )


def _alignment(text: str) -> dict[str, list[Any]]:
    """Every letter takes as long as any other; marks in double brackets are not said."""
    each = spoken.seconds_of(text) / max(1, len(magic.without(text)))
    return {
        "characters": list(text),
        "character_start_times_seconds": [round(place * each, 3) for place in range(len(text))],
        "character_end_times_seconds": [round((place + 1) * each, 3) for place in range(len(text))],
    }


def _shape(problem: VendorSays) -> ResponseReturnValue:
    """`{"detail": {status, message}}`."""
    status, word = _WORDS[problem.kind]
    return {"detail": {"status": word, "message": problem.message}}, status
