"""Whether words can be read on what is behind them, as WCAG 2.2 measures it, and what to change where they cannot."""

from __future__ import annotations

from pipelines.domain.footage import Colour

LEAST, LEAST_LARGE = 4.5, 3.0
LARGE_SHARE = 24 / 390
"""Bold type is large from 24 pixels on a phone 390 wide: as a share of the picture's shorter side."""
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
SHADE = 150
"""How much of what is behind it the house's black plate under a caption hides, of 255."""
_BEHIND_SHADE: Colour = (255 - SHADE, 255 - SHADE, 255 - SHADE)
"""That plate over white footage: nothing behind light words is lighter."""
_STEPS = 100


def least_contrast(size: int, shorter_side: int) -> float:
    """What bold type of so many pixels needs in a picture of this size."""
    return LEAST_LARGE if size >= LARGE_SHARE * shorter_side else LEAST


def contrast(one: Colour, other: Colour) -> float:
    """1 (the same) to 21 (black and white)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - of sRGB


def readable(ink: Colour, plate: Colour, least: float = LEAST) -> tuple[Colour, Colour]:
    """The ink and the plate as they are shown: the plate is darkened under light ink; where that does not help, the ink
    becomes white or black, whichever stands out more.
    """
    if contrast(ink, plate) >= least:
        return ink, plate
    if contrast(ink, BLACK) >= least and _luminance(ink) > _luminance(plate):
        steps = (_scaled(plate, 1 - step / _STEPS) for step in range(1, _STEPS + 1))
        return ink, next(darker for darker in steps if contrast(ink, darker) >= least)
    return max((WHITE, BLACK), key=lambda colour: contrast(colour, plate)), plate


def on_footage(ink: Colour | None, plate: Colour | None, least: float = LEAST) -> tuple[Colour, Colour, int]:
    """Ink, plate and how opaque that is, for words over moving pictures. A colour of a brand hides what is behind it;
    the house's shade does not, and becomes solid where the brand's ink needs it.
    """
    shown = ink or WHITE
    if plate is None and contrast(shown, _BEHIND_SHADE) >= least:
        return shown, BLACK, SHADE
    return *readable(shown, plate or BLACK, least), 255


def _scaled(colour: Colour, share: float) -> Colour:
    red, green, blue = (int(channel * share) for channel in colour)
    return red, green, blue


def hex_of(colour: Colour) -> str:
    """`#FE5102`."""
    return "#" + "".join(f"{channel:02X}" for channel in colour)
