"""The file that `PRICE_LIST` names: what accounts are charged. Read at boot, every problem told by its place.

markup = 0.25                 # for whatever no rule is about; 0 if left out: at cost

[[rules]]
model = "sora/*"              # the first rule that is about a purchase counts
from = "image"                # text or image; either if left out
resolution = "720p"
per_clip_usd = 0.10
per_second_usd = 0.05         # both together are summed

[[rules]]
sells = "writing"             # scenes written from a master prompt
per_text_usd = 0.02
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.money import dollars, to_micro
from pipelines.domain.planning.price_list import PriceList, PriceRule, Purchase, Start
from pipelines.settings.loading import SettingsError

NAME = "PRICE_LIST"
_Usd = Annotated[Decimal, Field(gt=0, le=10_000)]
_Markup = Annotated[Decimal, Field(ge=Decimal("-0.9"), le=100)]
_OF_CLIPS = ("model", "starts_from", "resolution", "per_clip_usd", "per_second_usd")


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sells: Purchase = Purchase.CLIP
    model: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    starts_from: Annotated[Start | None, Field(alias="from")] = None
    resolution: str | None = None
    per_clip_usd: _Usd | None = None
    per_second_usd: _Usd | None = None
    per_text_usd: _Usd | None = None
    markup: _Markup | None = None

    def faults(self) -> Iterator[str]:
        """What does not go together."""
        fixed = [name for name in ("per_clip_usd", "per_second_usd", "per_text_usd") if getattr(self, name) is not None]
        if not fixed and self.markup is None:
            yield "names no price: give per_clip_usd, per_second_usd, per_text_usd or markup."
        if fixed and self.markup is not None:
            yield f"gives both {fixed[0]} and markup: keep one."
        if self.sells is Purchase.CLIP and self.per_text_usd is not None:
            yield 'gives per_text_usd, which is for sells = "writing".'
        if self.sells is Purchase.WRITING:
            given = [name for name in _OF_CLIPS if name in self.model_fields_set]
            yield from (f"gives {name.replace('starts_from', 'from')}, which is for clips." for name in given)

    def rule(self) -> PriceRule:
        """In micro-dollars."""
        return PriceRule(
            sells=self.sells,
            model=self.model,
            starts_from=self.starts_from,
            resolution=self.resolution,
            per_clip_micro=to_micro(self.per_clip_usd or 0),
            per_second_micro=to_micro(self.per_second_usd or 0),
            per_text_micro=to_micro(self.per_text_usd or 0),
            markup=self.markup,
        )


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    markup: _Markup = Decimal(0)
    rules: tuple[_Rule, ...] = ()


def load_price_list(path: Path | None, credit_micro: int) -> PriceList:
    """The operator's list; where there is none, everything at cost. Raises SettingsError with every problem."""
    if path is None:
        return PriceList(credit_micro=credit_micro)
    try:
        found = _List.model_validate(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    except OSError as error:
        raise SettingsError([(NAME, f"names a file that cannot be read: {error.strerror}.")]) from error
    except ValidationError as error:
        raise SettingsError([(NAME, _sentence(line)) for line in error.errors(include_url=False)]) from error
    except ValueError as error:
        raise SettingsError([(NAME, f"is not valid TOML: {error}.")]) from error
    faults = [f"rule {place} {fault}" for place, row in enumerate(found.rules, 1) for fault in row.faults()]
    if faults:
        raise SettingsError([(NAME, fault) for fault in faults])
    rules = tuple(row.rule() for row in found.rules)
    return PriceList(rules=rules, markup=found.markup, credit_micro=credit_micro, published=True)


def below_cost(prices: PriceList, cards: Mapping[str, CatalogueModel]) -> list[str]:
    """A sentence for every paid model that is sold for less than it costs, at one of the lengths it makes."""
    return [sentence for card in cards.values() if not card.free and (sentence := _loss(prices, card))]


def _loss(prices: PriceList, card: CatalogueModel) -> str | None:
    lengths = card.durations or (card.min_seconds, card.max_seconds)
    for resolution in dict.fromkeys(offer.resolution for offer in card.offers):
        for seconds in lengths:
            cost = card.clip_price(resolution, seconds)
            charged = min(prices.clip(card, start, resolution, seconds) for start in Start)
            if charged < cost:
                what = f"{seconds:g} s of {card.id} at {resolution}"
                return f"{what} cost ${dollars(cost):g} and are sold for ${dollars(charged):g}."
    return None


def _sentence(line: Any) -> str:
    """Where in the file, counted as people count, and what is wrong there."""
    place = [str(part + 1) if isinstance(part, int) else str(part) for part in line["loc"]]
    return f"{' '.join(place).replace('rules', 'rule')}: {line['msg']}." if place else f"{line['msg']}."
