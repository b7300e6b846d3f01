"""kie.ai's models as far as their prices are known, in credits of half a cent.

Source of the credits: elibarnett/kie-mcp, pricing of 2026-10-05. `kling-3.0/video`, `wan/2-7-*` have no published
figure; theirs are the sandbox's own, so that the slug can be tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipelines.sandbox.vendors.kernel.engine import VendorSays

USD_PER_CREDIT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class KieModel:
    """`per_second`: resolution or mode → credits; `fixed`: seconds → credits, with `extra` by resolution."""

    slug: str
    seconds: tuple[int, ...]
    per_second: dict[str, float]
    fixed: dict[int, float] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)

    def check_seconds(self, value: Any) -> float:
        text = str(value if value is not None else self.seconds[0])
        if not text.isdigit() or int(text) not in self.seconds:
            allowed = ", ".join(map(str, self.seconds))
            raise VendorSays("invalid", f"duration must be one of {allowed}.", param="input.duration")
        return float(text)

    def check_resolution(self, value: Any) -> str:
        names = {name.lower(): name for name in self.per_second}
        text = str(value).lower() if value else ("720p" if "720p" in names else next(iter(names)))
        if text not in names:
            allowed = ", ".join(self.per_second)
            raise VendorSays("invalid", f"resolution must be one of {allowed}.", param="input.resolution")
        return names[text]

    def resolution_name(self, resolution: str) -> str:
        return self.modes.get(resolution, resolution)

    def credits(self, seconds: float, resolution: str) -> float:
        if self.fixed:
            return self.fixed[int(seconds)] + self.extra.get(resolution, 0)
        return seconds * self.per_second[resolution]


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


_WAN = {"480p": 8.0, "720p": 16.0, "1080p": 32.0}
_MINIMAX = {"768P": 8.0, "2K": 13.0}
_MODELS = (
    KieModel(
        slug="gemini-omni-video",
        seconds=(4, 6, 8, 10),
        per_second={"720p": 0, "1080p": 0, "4k": 0},
        fixed={4: 63, 6: 84, 8: 105, 10: 126},
        extra={"4k": 84},
    ),
    KieModel(slug="bytedance/seedance-2-5", seconds=_span(4, 15), per_second={"480p": 28, "720p": 63}),
    KieModel(slug="bytedance/seedance-2-mini", seconds=_span(4, 15), per_second={"480p": 3.8, "720p": 8.2}),
    KieModel(
        slug="kling-3.0/video",
        seconds=_span(3, 15),
        per_second={"std": 20, "pro": 30},
        modes={"std": "720p", "pro": "1080p"},
    ),
    KieModel(slug="kling/v3-turbo", seconds=_span(3, 15), per_second={"720p": 18, "1080p": 22.5}),
    KieModel(slug="wan/2-7-text-to-video", seconds=_span(2, 15), per_second=_WAN),
    KieModel(slug="wan/2-7-image-to-video", seconds=_span(2, 15), per_second=_WAN),
    KieModel(slug="minimax-h3/text-to-video", seconds=_span(4, 15), per_second=_MINIMAX),
    KieModel(slug="minimax-h3/image-to-video", seconds=_span(4, 15), per_second=_MINIMAX),
    KieModel(slug="happyhorse-1-1", seconds=_span(3, 15), per_second={"720p": 22.5, "1080p": 29}),
    KieModel(slug="pixverse-v6", seconds=_span(1, 15), per_second={"720p": 7.2}),
)
MODELS = {model.slug: model for model in _MODELS}


def kie_model(slug: str) -> KieModel:
    """Raises VendorSays `invalid` for a slug that is not sold."""
    try:
        return MODELS[slug]
    except KeyError:
        raise VendorSays("invalid", f"The model {slug} is not supported.", param="model") from None
