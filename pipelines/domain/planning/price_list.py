"""What accounts are charged: an operator's price list, apart from what providers charge.

Cost is what a provider charges the operator, Price what an account is charged. The Price of everything that an order
buys is frozen into its plan, so that a list that is edited later changes nothing that was ordered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from fnmatch import fnmatchcase

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.money import MICRO, price
from pipelines.domain.planning.plan import Plan, PlannedScene

CREDIT_MICRO = MICRO // 100
"""What a credit is worth where nobody says otherwise: a cent."""


class Purchase(StrEnum):
    """What is sold."""

    CLIP = "clip"
    WRITING = "writing"
    """Scenes written from a master prompt."""


class Start(StrEnum):
    """What a clip is made from."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    """One rule: what it is about, and either fixed parts, which are summed, or a markup on the Cost. Micro-dollars."""

    sells: Purchase = Purchase.CLIP
    model: str = "*"
    """A pattern such as `sora/*`."""
    starts_from: Start | None = None
    resolution: str | None = None
    per_clip_micro: int = 0
    per_second_micro: int = 0
    per_text_micro: int = 0
    markup: Decimal | None = None

    def is_about(self, model: str, start: Start, resolution: str) -> bool:
        """Whether it prices such a clip."""
        if self.sells is not Purchase.CLIP or not fnmatchcase(model, self.model):
            return False
        return self.starts_from in (None, start) and self.resolution in (None, resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """The first rule that is about a purchase prices it; where none is, its Cost with the `markup` is its Price."""

    rules: tuple[PriceRule, ...] = ()
    markup: Decimal = Decimal(0)
    credit_micro: int = CREDIT_MICRO
    published: bool = False
    """Whether the operator has a list at all: then every account pays in credits."""

    def clip(self, card: CatalogueModel, start: Start, resolution: str, seconds: float) -> int:
        """The Price of one clip. Raises KeyError for a resolution that has no Cost."""
        cost = card.clip_price(resolution, seconds)
        rule = self.rule_for(card.id, start, resolution)
        if rule is None or rule.markup is not None:
            return _marked_up(cost, self.markup if rule is None else rule.markup)
        return rule.per_clip_micro + price(rule.per_second_micro, seconds)

    def per_second_and_clip(self, card: CatalogueModel, start: Start, resolution: str) -> tuple[int, int]:
        """The two parts of the Price of a clip, as a catalogue tells them."""
        rule = self.rule_for(card.id, start, resolution)
        if rule is not None and rule.markup is None:
            return rule.per_second_micro, rule.per_clip_micro
        markup = self.markup if rule is None else rule.markup
        parts = (card.prices.get(resolution, 0), card.clip_prices.get(resolution, 0))
        return _marked_up(parts[0], markup), _marked_up(parts[1], markup)

    def rule_for(self, model: str, start: Start, resolution: str) -> PriceRule | None:
        """The rule that prices such a clip."""
        return next((rule for rule in self.rules if rule.is_about(model, start, resolution)), None)

    def writing(self, cost: int) -> int:
        """The Price of writing scenes that cost so much; of nothing, nothing."""
        rule = next((rule for rule in self.rules if rule.sells is Purchase.WRITING), None)
        if cost <= 0 or rule is None or rule.markup is not None:
            return _marked_up(max(cost, 0), rule.markup if rule else self.markup)
        return rule.per_text_micro

    def speech(self, cost: int) -> int:
        """The Price of spoken lines that cost so much; of nothing, nothing."""
        return _marked_up(max(cost, 0), self.markup)

    def pictures(self, cost: int) -> int:
        """The Price of pictures that cost so much; of nothing, nothing."""
        return _marked_up(max(cost, 0), self.markup)

    def translation(self, cost: int) -> int:
        """The Price of translations that cost so much; of nothing, nothing."""
        return _marked_up(max(cost, 0), self.markup)

    def whole(self, amount: int) -> int:
        """An amount rounded up to a whole credit."""
        return whole(amount, self.credit_micro)

    def priced(self, plan: Plan, cards: Mapping[str, CatalogueModel]) -> Plan:
        """The plan with what is charged for each part of it."""
        scenes = tuple(self._of_scene(scene, cards[scene.model]) for scene in plan.scenes)
        return dataclasses.replace(
            plan,
            scenes=scenes,
            text_charge_micro=self.writing(plan.text_micro),
            translation_charge_micro=self.translation(plan.translation_micro),
            speech_charge_micro=self.speech(plan.speech_micro),
            picture_charge_micro=self.pictures(plan.picture_micro),
        )

    def _of_scene(self, scene: PlannedScene, card: CatalogueModel) -> PlannedScene:
        asked = scene.settings
        pictured = bool(asked.first_frame or asked.last_frame or scene.references or scene.continues)
        start = Start.IMAGE if pictured else Start.TEXT
        draft = card.draft_resolution if scene.draft_micro else None
        return dataclasses.replace(
            scene,
            charge_micro=self.clip(card, start, asked.resolution, scene.buy_seconds),
            draft_charge_micro=self.clip(card, start, draft, scene.buy_seconds) if draft else 0,
        )


def whole(amount: int, unit: int) -> int:
    """An amount rounded up to a multiple of the unit."""
    return -(-amount // unit) * unit


def _marked_up(cost: int, markup: Decimal | None) -> int:
    """Rounded up, so that what costs something is never free."""
    return int((Decimal(cost) * (1 + (markup or Decimal(0)))).to_integral_value(ROUND_CEILING))
