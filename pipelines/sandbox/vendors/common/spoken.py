"""What the sandbox's voices share: what a text chooses to happen, the bill, and a hum as long as the text takes to say.

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

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.engine import LostReply, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import TextUse

RATE, SLOW_S = 24_000, 3.0
CHARACTERS_PER_S = 14.0


def sound_of(vendor: str, model: str, text: str, usd: float) -> bytes:
    """WAV of a text that was asked for, billed, unless the text says otherwise."""
    if "refuse" in magic.words(text):
        raise VendorSays("refused", "Your request was rejected by our safety system.", param="input")
    if "slow" in magic.words(text):
        time.sleep(SLOW_S)
    use = TextUse(
        id=secrets.token_hex(12),
        model=model,
        route="speech",
        input_tokens=len(text),
        output_tokens=0,
        usd=usd,
        at=time.time(),
    )
    engine().counts.kind(vendor, "speech")
    engine().books.save_text(use)
    if _happens(text, "lost"):
        raise LostReply("lost", "The line was spoken; the answer is lost.")
    return b"RIFF" + bytes(60) if _happens(text, "corrupt") else _tone(magic.without(text))


def seconds_of(text: str) -> float:
    """How long it takes to say a text."""
    return max(0.5, len(magic.without(text)) / CHARACTERS_PER_S)


def _happens(text: str, word: str) -> bool:
    said = magic.words(text)
    return word in said and (said[word] == "always" or engine().books.first_time(f"speech|{word}|{text}"))


def _tone(text: str) -> bytes:
    """A hum that rises and falls with each word."""
    waves = (
        round(6000 * abs(math.sin(math.pi * 2.4 * at / RATE)) * math.sin(2 * math.pi * 180 * at / RATE))
        for at in range(round(seconds_of(text) * RATE))
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(array.array("h", waves).tobytes())
    return file.getvalue()
