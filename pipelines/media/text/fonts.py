"""Which font sets which character: the bundled Inter first, then what the machine has.

Inter (Latin, Cyrillic, Greek) ships in `fonts/` under the SIL Open Font License. Everything else is looked up by
file name in the usual folders, because production images have no fontconfig. Debian's fonts-noto-core,
fonts-noto-cjk and fonts-noto-color-emoji packages serve the rest of the world.
"""

from __future__ import annotations

import os
import unicodedata
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features

BUNDLED = Path(__file__).parent / "font_files"

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)

FALLBACKS = (
    "NotoSans",
    "NotoSansCJK",
    "DejaVuSans",
    "NotoSansSymbols2",
    "NotoSansSymbols",
    "Arial Unicode",
    "wqy-zenhei",
    "DroidSansFallbackFull",
    "FreeSans",
)
"""Families tried, in this order, for what neither Inter nor the script's own Noto family can set."""

EMOJI_FAMILIES = ("NotoColorEmoji", "Apple Color Emoji", "seguiemj")

COLOUR_STRIKE_PX = 109
"""Noto Color Emoji is a bitmap font with one strike of this size (its CBDT table); others are asked for the same."""

COLLECTION_JAPANESE, COLLECTION_KOREAN, COLLECTION_CHINESE = 0, 1, 2
"""Faces inside NotoSansCJK-*.ttc, in the order of the package (JP, KR, SC, TC, HK)."""

MISSING = "\U0010ffff"
"""A noncharacter: every font draws its "not defined" glyph for it."""

PICTOGRAPHS, DINGBATS = range(0x1F000, 0x1FB00), range(0x2600, 0x27C0)

SAMPLES = {
    "Latin": "Aéß",
    "Cyrillic": "Жя",
    "Arabic": "مرح",
    "Hebrew": "שלם",
    "Devanagari": "नमस",
    "CJK": "漢字かな한",
    "Emoji": "😀🎬",
}

SHAPED = frozenset({"Arabic", "Devanagari"})
"""Scripts whose letters join or reorder: without the shaping library their text is wrong, not merely plain."""


class Weight(StrEnum):
    """The three voices of the house."""

    REGULAR = "Regular"
    BOLD = "Bold"
    DISPLAY = "Display"


_BUNDLED_FILES = {
    Weight.REGULAR: "Inter-Regular.otf",
    Weight.BOLD: "Inter-Bold.otf",
    Weight.DISPLAY: "InterDisplay-SemiBold.otf",
}


def shaping() -> bool:
    """Whether Pillow can shape and order complex scripts here (libraqm, with the system's libfribidi)."""
    return bool(features.check("raqm"))


@lru_cache(maxsize=1)
def _installed() -> dict[str, Path]:
    """Every font file of the machine by its name without suffix; variable fonts without their axis list."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for parent, _, names in os.walk(Path(folder).expanduser()):
            for name in sorted(names):
                stem, dot, suffix = name.rpartition(".")
                if dot and suffix.lower() in {"ttf", "otf", "ttc"}:
                    found.setdefault(stem.split("[")[0], Path(parent) / name)
    return found


def _family_file(family: str, weight: Weight) -> Path | None:
    installed = _installed()
    face = "Regular" if weight is Weight.REGULAR else "Bold"
    for stem in (f"{family}-{face}", f"{family}-Regular", family):
        if stem in installed:
            return installed[stem]
    return None


@lru_cache(maxsize=256)
def load(path: Path, size: int, index: int = 0) -> ImageFont.FreeTypeFont:
    """One face at one size in pixels."""
    layout = ImageFont.Layout.RAQM if shaping() else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), size, index=index, layout_engine=layout)


def is_colour(path: Path) -> bool:
    """Whether the file is an emoji font, drawn as pictures and scaled afterwards."""
    return path.stem.split("[")[0] in EMOJI_FAMILIES


@lru_cache(maxsize=8192)
def covers(path: Path, char: str) -> bool:
    """Whether the face has its own glyph for the character."""
    font = load(path, COLOUR_STRIKE_PX if is_colour(path) else 24)
    glyph = font.getmask(char)
    return glyph.getbbox() is not None and bytes(glyph) != bytes(font.getmask(MISSING))


def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0]
    return name.title()


def is_emoji(char: str) -> bool:
    """Whether a character is a picture rather than a letter."""
    return ord(char) in PICTOGRAPHS or ord(char) in DINGBATS


def _candidates(char: str, weight: Weight) -> list[Path]:
    families = [f"NotoSans{_script(char)}", *FALLBACKS]
    families = [*EMOJI_FAMILIES, *families] if is_emoji(char) else [*families, *EMOJI_FAMILIES]
    return [path for family in families if (path := _family_file(family, weight))]


@lru_cache(maxsize=8192)
def face_for(char: str, weight: Weight) -> Path | None:
    """The file that sets the character, or None when nothing here can."""
    bundled = BUNDLED / _BUNDLED_FILES[weight]
    if covers(bundled, char):
        return bundled
    return next((path for path in _candidates(char, weight) if covers(path, char)), None)


def bundled_face(weight: Weight) -> Path:
    """The house's own file for a weight."""
    return BUNDLED / _BUNDLED_FILES[weight]


def collection_index(path: Path, text: str) -> int:
    """Which face of a CJK collection fits the text: kana says Japanese, hangul Korean, else simplified Chinese."""
    if path.suffix.lower() != ".ttc" or "CJK" not in path.stem:
        return 0
    scripts = {_script(char) for char in text}
    if scripts & {"Hiragana", "Katakana"}:
        return COLLECTION_JAPANESE
    return COLLECTION_KOREAN if "Hangul" in scripts else COLLECTION_CHINESE


def scripts_supported() -> dict[str, bool]:
    """Which scripts this machine can set in cards and burned captions, for the doctor."""
    return {
        script: all(face_for(char, Weight.BOLD) for char in sample) and (script not in SHAPED or shaping())
        for script, sample in SAMPLES.items()
    }
