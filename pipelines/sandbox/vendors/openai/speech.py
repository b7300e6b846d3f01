"""OpenAI's voices: `POST /audio/speech`, answered with sound at once.

In the text `[[refuse]]` is declined, `[[slow]]` takes three seconds, `[[lost]]` is billed and the connection dropped,
and `[[corrupt]]` answers with what is no sound; the last two the first time for a text, `:always` every time.
"""

from __future__ import annotations

import array
import io
import math
import secrets
import time
import wave

import flask
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.engine import LostReply, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import TextUse
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
MOST, RATE, SLOW_S = 4096, 24_000, 3.0
_CHARACTERS_PER_S = 14.0


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
    if "refuse" in magic.words(text):
        raise VendorSays("refused", "Your request was rejected by our safety system.", param="input")
    if "slow" in magic.words(text):
        time.sleep(SLOW_S)
    _charge(str(model), len(text))
    if _happens(text, "lost"):
        raise LostReply("lost", "The line was spoken; the answer is lost.")
    sound = b"RIFF" + bytes(60) if _happens(text, "corrupt") else _tone(magic.without(text))
    return flask.Response(sound, content_type="audio/wav")


def _happens(text: str, word: str) -> bool:
    said = magic.words(text)
    return word in said and (said[word] == "always" or engine().books.first_time(f"speech|{word}|{text}"))


def _charge(model: str, characters: int) -> None:
    usd = characters * PRICES[model] / 1_000_000
    use = TextUse(
        id=secrets.token_hex(12),
        model=model,
        route="audio/speech",
        input_tokens=characters,
        output_tokens=0,
        usd=usd,
        at=time.time(),
    )
    engine().counts.kind(VENDOR, "speech")
    engine().books.save_text(use)


def _tone(text: str) -> bytes:
    """A hum that rises and falls with each word."""
    seconds = max(0.5, len(text) / _CHARACTERS_PER_S)
    waves = (
        round(6000 * abs(math.sin(math.pi * 2.4 * at / RATE)) * math.sin(2 * math.pi * 180 * at / RATE))
        for at in range(round(seconds * RATE))
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(array.array("h", waves).tobytes())
    return file.getvalue()
