"""The models of the sandbox's /v1/videos: what they may be asked, what they cost, how a lost answer can be settled."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.sandbox.vendors.kernel.engine import VendorSays

SORA_SECONDS = ("4", "8", "12", "16", "20")
SORA_SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")
FULL_HD = ("1920x1080", "1080x1920")
# What SayGM takes. Source: dev.to/poppymogmachine, 2026-10-20.
H3_SECONDS = tuple(str(second) for second in range(4, 16))
H3_SIZES = ("1344x768", "768x1344", "768x768", "1024x768", "768x1024", "1536x672")
ANY_SECONDS = tuple(str(second) for second in range(1, 31))
_SIZE = re.compile(r"^(\d{2,4})x(\d{2,4})$")
_EDGES = range(64, 4097)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoModel:
    """`sizes` None means any even size. The abilities say how a client can find a job whose id it never learnt."""

    name: str
    seconds: tuple[str, ...]
    sizes: tuple[str, ...] | None
    usd_per_s: float
    usd_per_s_large: float | None = None
    listed: bool = False
    idempotent: bool = False
    calls_back: bool = False
    extras: bool = False
    """Takes `seed` and `negative_prompt`, as vLLM-Omni and SGLang do and OpenAI never did."""

    def price(self, seconds: float, size: str) -> float:
        large = self.usd_per_s_large is not None and size not in SORA_SIZES[:2]
        return round(seconds * (self.usd_per_s_large or 0 if large else self.usd_per_s), 6)

    def check_seconds(self, value: str) -> float:
        if value not in self.seconds:
            allowed = ", ".join(f"'{second}'" for second in self.seconds)
            raise VendorSays("invalid", f"Invalid value: '{value}'. Supported values are: {allowed}.", param="seconds")
        return float(value)

    def check_size(self, value: str) -> tuple[int, int]:
        match = _SIZE.match(value)
        width, height = (int(match[1]), int(match[2])) if match else (0, 0)
        even = width in _EDGES and height in _EDGES and width % 2 == 0 and height % 2 == 0
        if not even or (self.sizes is not None and value not in self.sizes):
            allowed = ", ".join(self.sizes or ("any even size from 64x64 to 4096x4096",))
            raise VendorSays("invalid", f"Invalid value: '{value}'. Supported values are: {allowed}.", param="size")
        return width, height


def _sandbox(name: str, *, listed: bool = False, idempotent: bool = False, calls_back: bool = False) -> VideoModel:
    return VideoModel(
        name=name,
        seconds=ANY_SECONDS,
        sizes=None,
        usd_per_s=0.10,
        listed=listed,
        idempotent=idempotent,
        calls_back=calls_back,
        extras=True,
    )


# Prices of sora-2 and sora-2-pro: litellm's table, the last that were published.
MODELS = {
    model.name: model
    for model in (
        VideoModel(name="sora-2", seconds=SORA_SECONDS, sizes=SORA_SIZES, usd_per_s=0.10, listed=True),
        VideoModel(
            name="sora-2-pro",
            seconds=SORA_SECONDS,
            sizes=SORA_SIZES + FULL_HD,
            usd_per_s=0.30,
            usd_per_s_large=0.50,
            listed=True,
        ),
        _sandbox("sandbox-key", idempotent=True),
        _sandbox("sandbox-list", listed=True),
        _sandbox("sandbox-callback", calls_back=True),
        _sandbox("sandbox-none"),
        VideoModel(name="minimax/h3", seconds=H3_SECONDS, sizes=H3_SIZES, usd_per_s=0.072),
        VideoModel(name="kling-3.0", seconds=("5", "10"), sizes=SORA_SIZES[:2], usd_per_s=0.10),
    )
}


def video_model(name: str) -> VideoModel:
    """Raises VendorSays for a model that is not served here."""
    try:
        return MODELS[name]
    except KeyError:
        raise VendorSays("model_not_found", f"The model '{name}' does not exist.", param="model") from None
