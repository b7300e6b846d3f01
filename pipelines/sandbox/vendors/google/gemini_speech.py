"""Gemini's voices: an Interaction whose answer is sound, at once and inside it."""

from __future__ import annotations

import base64
from typing import Any

from pipelines.sandbox.vendors.common import spoken
from pipelines.sandbox.vendors.google.gemini_errors import VENDOR
from pipelines.sandbox.vendors.kernel.engine import VendorSays

# $ per million tokens of sound until the end of 2026; 25 tokens are a second.
USD_PER_M = {"gemini-3.8-flash-tts": 9.0, "gemini-3.8-flash-lite-tts": 6.0}
USD_PER_M_TEXT, TOKENS_PER_S, MILLION = 0.5, 25, 1_000_000
VOICES = frozenset(["Achernar", "Aoede", "Charon", "Kore", "Leda", "Puck", "Sulafat", "Zephyr"])
"""Some of the thirty, and those that a customer made."""


def interaction(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """The finished Interaction."""
    wanted = body.get("response_format") or {}
    if wanted.get("type") != "audio":
        raise VendorSays("invalid", "This model only produces audio.", param="response_format.type")
    speakers = (body.get("generation_config") or {}).get("speech_config") or []
    voice = speakers[0].get("voice") if isinstance(speakers, list) and speakers else None
    if voice not in VOICES and not str(voice).startswith("voice_"):
        raise VendorSays("invalid", f"Unknown voice {voice}.", param="generation_config.speech_config")
    text = "".join(_texts(body.get("input")))
    if not text.strip():
        raise VendorSays("invalid", "The input contains no text.", param="input")
    tokens = {"text": max(1, len(text) // 4), "audio": round(spoken.seconds_of(text) * TOKENS_PER_S)}
    usd = (tokens["text"] * USD_PER_M_TEXT + tokens["audio"] * USD_PER_M[model]) / MILLION
    sound = spoken.sound_of(VENDOR, model, text, usd)
    data = base64.b64encode(sound).decode()
    content = {"type": "audio", "mime_type": "audio/wav", "sample_rate": spoken.RATE, "channels": 1, "data": data}
    return {
        "object": "interaction",
        "model": model,
        "status": "completed",
        "steps": [{"type": "model_output", "content": [content]}],
        "usage": {
            "total_input_tokens": tokens["text"],
            "total_output_tokens": tokens["audio"],
            "output_tokens_by_modality": [{"modality": "audio", "tokens": tokens["audio"]}],
            "total_tokens": tokens["text"] + tokens["audio"],
        },
    }


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, dict):
        return _texts(value["content"]) if "content" in value else [str(value.get("text") or "")]
    return [value] if isinstance(value, str) else []
