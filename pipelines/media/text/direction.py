"""The order in which the characters of a line are drawn: the Unicode bidirectional algorithm, by python-bidi."""

from __future__ import annotations

import unicodedata

from bidi import algorithm, get_base_level

_TURNING = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_ISOLATES = frozenset({"LRI", "RLI", "FSI", "PDI"})


def is_rtl(text: str) -> bool:
    """Whether the first letter with a direction is a right-to-left one."""
    return bool(get_base_level(text))


def visual_order(text: str, *, base_rtl: bool) -> list[tuple[int, bool]]:
    """For each character that is drawn, from left to right: its place in the text, and whether it runs right to
    left. Marks that only steer the direction are left out.
    """
    kinds = [unicodedata.bidirectional(char) for char in text]
    if not base_rtl and not _TURNING.intersection(kinds):
        return [(place, False) for place in range(len(text))]
    storage = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = int(base_rtl), "LR"[base_rtl]
    algorithm.get_embedding_levels(text, storage)
    for place, char in enumerate(storage["chars"]):
        char["at"] = place
        char["type"] = char["orig"] = _known(char["type"])
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    algorithm.reorder_resolved_levels(storage, False)
    return [(int(char["at"]), bool(char["level"] % 2)) for char in storage["chars"]]


def _known(kind: str) -> str:
    """Isolates came after the version of the algorithm that is used: they are left out. What Unicode has not named
    yet, and the ends of paragraphs, are read as letters and as spaces.
    """
    if kind in _ISOLATES:
        return "BN"
    return {"": "L", "B": "WS"}.get(kind, kind)
