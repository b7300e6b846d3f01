"""A few models as OpenRouter lists them. Price SKUs come in the several styles seen in its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.sandbox.vendors.common.frames import frame
from pipelines.sandbox.vendors.kernel.engine import VendorSays

CREATED = 1_760_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterModel:
    """`prices` is $/s by resolution; `sku` names them, `{}` standing for the resolution."""

    slug: str
    name: str
    durations: tuple[int, ...]
    prices: dict[str, float]
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16", "1:1")
    frames: tuple[str, ...] = ("first_frame",)
    audio: bool = True
    sku: str = "duration_seconds_{}"
    cents: bool = False

    @property
    def resolutions(self) -> tuple[str, ...]:
        return tuple(self.prices)

    @property
    def sizes(self) -> dict[str, tuple[int, int, str]]:
        """Sizes as named, each with its width, height and resolution."""
        found = {}
        for resolution in self.prices:
            for ratio in self.aspect_ratios:
                width, height = frame(resolution, ratio)
                found[f"{width}x{height}"] = (width, height, resolution)
        return found

    def check_duration(self, value: Any) -> float:
        if value is None:
            return float(self.durations[0])
        if isinstance(value, bool) or not isinstance(value, int) or value not in self.durations:
            allowed = ", ".join(map(str, self.durations))
            raise VendorSays("invalid", f"duration must be one of {allowed}.", param="duration")
        return float(value)

    def usd_per_s(self, resolution: str) -> float:
        return self.prices[resolution]

    def shown(self) -> dict[str, Any]:
        """The entry of `GET /videos/models`."""
        skus = {self.sku.format(name): f"{usd * (100 if self.cents else 1):g}" for name, usd in self.prices.items()}
        return {
            "id": self.slug,
            "canonical_slug": self.slug,
            "name": self.name,
            "description": "Served by the sandbox.",
            "created": CREATED,
            "supported_durations": list(self.durations),
            "supported_resolutions": list(self.resolutions),
            "supported_aspect_ratios": list(self.aspect_ratios),
            "supported_sizes": list(self.sizes),
            "supported_frame_images": list(self.frames),
            "generate_audio": self.audio,
            "seed": True,
            "pricing_skus": skus,
            "allowed_passthrough_parameters": [],
        }


MODELS = {
    model.slug: model
    for model in (
        RouterModel(
            slug="google/veo-3.1",
            name="Google: Veo 3.1",
            durations=(4, 6, 8),
            prices={"720p": 0.40, "1080p": 0.40, "4K": 0.60},
            aspect_ratios=("16:9", "9:16"),
            frames=("first_frame", "last_frame"),
            sku="duration_seconds_with_audio_{}",
        ),
        RouterModel(
            slug="bytedance/seedance-2-mini",
            name="ByteDance: Seedance 2 Mini",
            durations=tuple(range(4, 16)),
            prices={"480p": 0.019, "720p": 0.041},
            aspect_ratios=("16:9", "9:16", "1:1", "4:3", "3:4"),
            sku="per-video-second-{}",
        ),
        RouterModel(
            slug="alibaba/wan-3.0",
            name="Alibaba: Wan 3.0",
            durations=tuple(range(2, 16)),
            prices={"480p": 0.05, "720p": 0.10, "1080p": 0.20},
            audio=False,
            sku="cents_per_second_output_{}",
            cents=True,
        ),
        RouterModel(
            slug="sandbox/clip",
            name="Sandbox: Clip",
            durations=tuple(range(1, 31)),
            prices={"360p": 0.01, "720p": 0.02},
        ),
    )
}


def router_model(slug: str) -> RouterModel:
    """Raises VendorSays `invalid` for a model that is not listed."""
    try:
        return MODELS[slug]
    except KeyError:
        raise VendorSays("invalid", f"{slug} is not a valid model ID.", param="model") from None
