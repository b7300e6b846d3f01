"""Which font sets which character: the bundled Inter first, then what the machine has.

Inter (Latin, Cyrillic, Greek) ships in `fonts/` under the SIL Open Font License. Everything else is looked up by
file name in the usual folders, because production images have no fontconfig. Debian's fonts-noto-core,
fonts-noto-cjk and fonts-noto-color-emoji packages serve the rest of the world.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont, features

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.media.text.characters import ZWJ, ZWNJ, is_flag_letter, is_ignorable, is_picture
from pipelines.media.text.cmap import characters

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


class OwnFace(NamedTuple):
    """A brand's own font, in the place of one of the house's."""

    path: Path
    weight: Weight


Face = Weight | OwnFace
MAX_FONT = 5 * 1024 * 1024
_NO_FONT = "The file is no OTF or TTF font that we can read."
_FONT_STARTS = (b"\0\1\0\0", b"OTTO", b"true")


def check_font(path: Path) -> None:
    """Raise `InvalidOrder` when the file is no OTF or TTF font of a size that we take."""
    if path.stat().st_size > MAX_FONT:
        raise InvalidOrder([Problem("Font", "The font is larger than 5 MB.")])
    with path.open("rb") as file:
        start = file.read(4)
    if start not in _FONT_STARTS or not characters(path):
        raise InvalidOrder([Problem("Font", _NO_FONT)])
    try:
        load(path, 24).getlength("A")
    except (OSError, ValueError) as error:
        raise InvalidOrder([Problem("Font", _NO_FONT)]) from error


def face_of(own: Path | None, text: str, weight: Weight) -> Face:
    """The brand's own face where it has every letter of the text, else the house's."""
    if own is None:
        return weight
    letters = {char for char in text if not (char.isspace() or is_ignorable(char) or is_picture(char))}
    return OwnFace(own, weight) if all(covers(own, char) for char in letters) else weight


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


def _family_file(family: str, face: Face) -> Path | None:
    installed = _installed()
    weight = face.weight if isinstance(face, OwnFace) else face
    style = "Regular" if weight is Weight.REGULAR else "Bold"
    for stem in (f"{family}-{style}", f"{family}-Regular", family):
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


def covers(path: Path, char: str) -> bool:
    """Whether the face has its own glyph for the character."""
    return ord(char) in characters(path)


def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0]
    return name.title()


def _emoji_faces() -> list[Path]:
    return [path for family in EMOJI_FAMILIES if (path := _family_file(family, Weight.REGULAR))]


def _text_faces(char: str, weight: Face) -> list[Path]:
    families = [f"NotoSans{_script(char)}", *FALLBACKS]
    own = [weight.path] if isinstance(weight, OwnFace) else []
    return [*own, bundled_face(weight), *(path for family in families if (path := _family_file(family, weight)))]


def face_for(char: str, weight: Face) -> Path | None:
    """The file that sets the character, or None when nothing here can."""
    found = setting(char, weight)
    return found[1] if found else None


@lru_cache(maxsize=8192)
def setting(cluster: str, weight: Face) -> tuple[str, Path] | None:
    """What is set for a cluster, and by which file; None when nothing here can set it, for it is never a box.

    The whole in one face if possible; else what is left without the marks and modifiers on it (of a keycap the digit),
    else its plain letters where it is a variant of such.
    """
    shown = [char for char in cluster if not is_ignorable(char)]
    # What is private means another thing in every font.
    if not shown or unicodedata.category(shown[0]) == "Co":
        return None
    faces = _text_faces(shown[0], weight)
    if is_picture(cluster):
        found = _first_that_covers(_emoji_faces(), shown)
        if found is not None:
            return cluster, found
        if is_flag_letter(shown[0]):
            return None
    plain = "".join(char for char in cluster if not is_ignorable(char) or (char in {ZWJ, ZWNJ} and shaping()))
    letters = [char for char in shown if unicodedata.category(char) != "Me"]
    if letters == shown:
        found = _first_that_covers([*faces, *_emoji_faces()], shown)
        if found is not None:
            return plain, found
    if len(shown) > 1:
        return setting(shown[0], weight)
    variant = unicodedata.normalize("NFKC", shown[0])
    found = _first_that_covers(faces, variant) if variant != shown[0] and not variant.isspace() else None
    return (variant, found) if found is not None else None


def _first_that_covers(faces: Sequence[Path], shown: Sequence[str]) -> Path | None:
    """A face with glyphs for all of the characters, composed or taken apart as the shaping library would."""
    text = "".join(shown)
    forms = (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD")))
    return next((face for face in faces if any(all(covers(face, char) for char in form) for form in forms)), None)


def bundled_face(face: Face) -> Path:
    """The house's own file for a weight."""
    return BUNDLED / _BUNDLED_FILES[face.weight if isinstance(face, OwnFace) else face]


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
