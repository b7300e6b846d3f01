"""Image models: a picture made from the first of those that came along, in colours of its own.

In the prompt `[[refuse]]` is declined, `[[slow]]` takes three seconds, `[[lost]]` is billed and the connection dropped,
and `[[corrupt]]` answers with what is no picture; the last two the first time for a prompt, `:always` every time.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import time
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageOps

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.kernel.engine import LostReply, VendorSays, engine
from pipelines.sandbox.vendors.kernel.state import TextUse

SLOW_S = 3.0


def made(
    vendor: str, model: str, prompt: str, sources: Sequence[Image.Image], size: tuple[int, int], tokens: int, usd: float
) -> bytes:
    """The JPEG of one picture, billed; or VendorSays, or LostReply."""
    said = magic.words(prompt)
    if "refuse" in said:
        raise VendorSays("refused", "Your request was rejected by the safety system.")
    if "slow" in said:
        time.sleep(SLOW_S)
    engine().counts.kind(vendor, "picture")
    use = TextUse(
        id=secrets.token_hex(12),
        model=model,
        route="images",
        input_tokens=len(prompt) // 4,
        output_tokens=tokens,
        usd=usd,
        at=time.time(),
    )
    engine().books.save_text(use)
    if _happens(prompt, said, "lost"):
        raise LostReply("lost", "The picture was made; the answer is lost.")
    if _happens(prompt, said, "corrupt"):
        return b"\xff\xd8\xff\xe0 not a picture"
    return _drawn(prompt, sources, size)


def _happens(prompt: str, said: dict[str, str | None], word: str) -> bool:
    return word in said and (said[word] == "always" or engine().books.first_time(f"picture|{word}|{prompt}"))


def _drawn(prompt: str, sources: Sequence[Image.Image], size: tuple[int, int]) -> bytes:
    """What came along, fitted and framed in a colour that follows from the prompt; without any, that colour."""
    colour = "#" + hashlib.sha256(prompt.encode()).hexdigest()[:6]
    picture = ImageOps.fit(sources[0].convert("RGB"), size) if sources else Image.new("RGB", size, colour)
    edge = max(8, min(size) // 24)
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=colour, width=edge)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()
