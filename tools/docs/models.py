"""docs/reference/models.md, from the catalogue that ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.money import MICRO
from pipelines.domain.orders.fit import lengths_in_words, lines
from pipelines.providers import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "models.md"
HEAD = """# Models

<!-- Written by tools/docs/models.py from pipelines/providers/catalogue.toml: change that file, not this page. -->

The models that ship. Your own go into a file that `CATALOGUE` names: [Add a model](../how-to/add-a-model.md). What is
configured on a running deployment is told by `flask models list` and `GET /api/models`.

Prices are the vendors' list prices on the day given, and estimates: the actual cost is the vendor's own figure where it
reports one. A resolution that is missing from a price is not offered.
"""
_SETTLED = {
    Ability.KEY: "sent again with the same key",
    Ability.LIST: "found in the vendor's list of jobs",
    Ability.CALLBACK: "bound by the vendor's callback; without a public address a person decides",
    Ability.NONE: "a person decides",
}


def page() -> str:
    """The whole page."""
    cards = list(load_catalogue().values())
    rows = "\n".join(_row(card) for card in cards)
    table = f"| model | label | lengths | per second | sound | pictures |\n|---|---|---|---|---|---|\n{rows}\n"
    return "\n".join([HEAD, table, *(_section(card) for card in cards)])


def _row(card: CatalogueModel) -> str:
    can = [
        ("first frame", card.image_to_video),
        (f"last frame{_up_to(card.last_frame_max_seconds)}", card.first_last_frame),
        (f"{'or ' * card.frames_or_references}{card.max_references} references", card.max_references > 0),
    ]
    cells = (
        f"`{card.id}`",
        card.label,
        lengths_in_words(card),
        _prices(card),
        "yes" if card.audio else "no",
        ", ".join(name for name, able in can if able) or "none",
    )
    return f"| {' | '.join(cells)} |"


def _prices(card: CatalogueModel) -> str:
    if card.free:
        return "free"
    if not card.offers:
        return "no price, not offered"
    return ", ".join(
        f"{_usd(price)}{f' + {_usd(card.clip_prices[name])} a clip' if name in card.clip_prices else ''} ({name})"
        for name, price in sorted(card.prices.items(), key=lambda entry: lines(entry[0]))
    )


def _usd(micro: int) -> str:
    """Dollars with all their decimals, at least two."""
    whole, _, decimals = f"{micro / MICRO:.6f}".partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _up_to(seconds: float | None) -> str:
    return "" if seconds is None else f" (up to {seconds:g} s)"


def _section(card: CatalogueModel) -> str:
    facts = "\n".join(f"- {fact}" for fact in _facts(card))
    return f"## `{card.id}`\n\n{card.label}. {card.notes}".rstrip() + f"\n\n{facts}\n"


def _facts(card: CatalogueModel) -> Iterator[str]:
    yield f"Lengths: {lengths_in_words(card)}; {card.default_seconds:g} when nothing is said."
    yield f"Frames: {_frames(card)}; {card.fps:g} a second."
    if card.price_date:
        yield f"Price a second on {card.price_date}: {_prices(card)}."
    if card.draft_finals:
        kept = f"{card.draft_kept_s / 86400:g} days"
        yield f"Drafts: in {card.draft_resolution}; from those, for {kept}, clips in {', '.join(card.draft_finals)}."
    yield f"Prompt: up to {card.max_prompt} characters{_extras(card)}."
    yield f"Usually done in {card.typical_s:g} s, given up after {card.maximum_s / 60:g} min."
    yield f"At most {card.max_in_flight} at a time and {card.creates_per_minute:g} new ones a minute."
    if not card.free:
        yield f"When the answer to a paid request is lost: {_SETTLED[card.ability]}."
    if card.sunset:
        where = f" at {card.vendor_origin}" if card.vendor_origin else ""
        yield f"Switched off{where} on {card.sunset}{f'; then use `{card.successor}`' if card.successor else ''}."


def _frames(card: CatalogueModel) -> str:
    offered = card.offers or ()
    return (
        ", ".join(f"{one.width}×{one.height} ({one.aspect_ratio} {one.resolution})" for one in offered)
        or "none offered"
    )


def _extras(card: CatalogueModel) -> str:
    extras = [name for name, able in (("seed", card.seed), ("negative prompt", card.negative_prompt)) if able]
    return f"; {' and '.join(extras)}" if extras else ""


PAGES = {PAGE: page}
