"""OpenRouter's own list of video models as rows of a catalogue file, so that its newest can be ordered today.

Its prices are named by SKUs in several styles: `duration_seconds_with_audio_720p`, `per-video-second-480p`,
`cents_per_second_output`. What is not clearly a price per second is no price, and a resolution without one is not
offered. Source: openrouter.ai/docs/api/api-reference/video-generation/list-videos-models, read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from pipelines.domain.orders.fit import film_size, lines, ratio

Row = dict[str, Any]

USUAL_S = 5
POLL_S = 10
_PER_SECOND = re.compile(r"second", re.IGNORECASE)
_OTHER_UNITS = re.compile(r"token|megapixel|input|image(?!_to)", re.IGNORECASE)
_RESOLUTION = re.compile(r"(?:^|[_-])(\d{3,4}p|[124]k)(?:$|[_-])", re.IGNORECASE)


def rows_of(listed: Any, today: date) -> dict[str, Row]:
    """`openrouter/<id>` → its row, prices in dollars; entries that say too little to be ordered are left out."""
    entries = listed.get("data") if isinstance(listed, Mapping) else None
    found = entries if isinstance(entries, list) else []
    rows = ((str(entry["id"]), _row(entry, today)) for entry in found if isinstance(entry, Mapping) and entry.get("id"))
    return {f"openrouter/{slug}": row for slug, row in rows if row is not None}


def _row(entry: Mapping[str, Any], today: date) -> Row | None:
    durations = sorted({float(length) for length in _list(entry, "supported_durations") if _is_length(length)})
    named = {name.lower(): name for name in _list(entry, "supported_resolutions") if _parses(lines, name)}
    shapes = [shape for shape in _list(entry, "supported_aspect_ratios") if _parses(ratio, shape)]
    if not (durations and named and shapes):
        return None
    frames = _list(entry, "supported_frame_images")
    prices = _prices(entry.get("pricing_skus"), list(named))
    row: Row = {
        "label": f"{entry.get('name') or entry['id']} (OpenRouter)",
        "durations": durations,
        "default_seconds": min(durations, key=lambda length: (abs(length - USUAL_S), length)),
        # A price without sound only is one for silent clips.
        "audio": bool(entry.get("generate_audio")) and not _all_silent(entry.get("pricing_skus")),
        "image_to_video": "first_frame" in frames,
        "first_last_frame": "last_frame" in frames,
        "seed": bool(entry.get("seed")),
        "poll_s": POLL_S,
        "ability": "callback",
        "sizes": {f"{shape} {name}": "{}x{}".format(*film_size(shape, name)) for name in named for shape in shapes},
        "notes": _notes(entry.get("pricing_skus"), prices),
    }
    if prices:
        row |= {"usd_per_second": prices, "price_date": today}
    renamed = {name: theirs for name, theirs in named.items() if name != theirs}
    return row | ({"options": {"resolutions": renamed}} if renamed else {})


def _prices(skus: Any, resolutions: list[str]) -> dict[str, Decimal]:
    """Dollars a second by resolution: the dearest of what may apply, so that no quote is too low."""
    found: dict[str, list[Decimal]] = {}
    for name, amount in _seconds_of(skus):
        said = _RESOLUTION.search(name)
        for resolution in [said[1].lower()] if said else resolutions:
            found.setdefault(resolution, []).append(amount)
    return {name: max(found[name]) for name in resolutions if name in found}


def _seconds_of(skus: Any) -> Iterator[tuple[str, Decimal]]:
    """The SKUs that are a price per second, in dollars."""
    for name, amount in skus.items() if isinstance(skus, Mapping) else ():
        if not _PER_SECOND.search(name) or _OTHER_UNITS.search(name):
            continue
        try:
            dollars = Decimal(str(amount)) / (100 if name.lower().startswith("cents") else 1)
        except InvalidOperation:
            continue
        if dollars.is_finite() and dollars > 0:
            yield name, dollars


def _all_silent(skus: Any) -> bool:
    names = [name.lower() for name, _ in _seconds_of(skus)]
    return bool(names) and all("without_audio" in name for name in names)


def _notes(skus: Any, prices: Mapping[str, Decimal]) -> str:
    told = ", ".join(f"{name} = {amount}" for name, amount in skus.items()) if isinstance(skus, Mapping) else "none"
    why = "From OpenRouter's list" if prices else "Not offered: OpenRouter's list has no price per second that is clear"
    return f"{why}. Its SKUs: {told}."


def _list(entry: Mapping[str, Any], name: str) -> list[Any]:
    found = entry.get(name)
    return found if isinstance(found, list) else []


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _parses(parse: Any, text: Any) -> bool:
    try:
        parse(text)
    except (ValueError, AttributeError, TypeError):
        return False
    return True
