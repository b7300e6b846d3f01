"""What may be sent to start something, or to have it quoted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from pipelines.domain.money import to_micro
from pipelines.domain.orders.brand import Brand, BrandRow
from pipelines.domain.orders.inputs import Money, inputs_of, values_of
from pipelines.domain.orders.order import MAX_LINE, MAX_SCENES, Order, SceneOrder, order_of, with_brand
from webapp.access.bases import allowed_base
from webapp.api.fields import (
    MAX_REFERENCES,
    Adapt,
    AskFirst,
    BaseId,
    Body,
    CustomId,
    DryRun,
    Fresh,
    Metadata,
    Prompt,
    RecordId,
    Seconds,
    Table,
    Url,
    WebhookUrl,
    field_of,
)

MAX_CAPTION = 500


class RecordTrigger(BaseModel):
    """A row of the `Videos` table to act on. Other fields that a script sends along are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    record_id: RecordId
    base_id: BaseId | None = None
    table: Table | None = None
    fresh: Fresh = False
    dry_run: DryRun = False


class QueueTrigger(BaseModel):
    """Start every row of a base whose Status is Ready and whose time has come."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    base_id: BaseId | None = None
    dry_run: DryRun = False


B = TypeVar("B", bound=Body)


def _with_fields_of(record: type[Order | Brand], *, clip: bool = False) -> Callable[[type[B]], type[B]]:
    """A field for everything that an order holds and the API has; `clip`: for all that suits a single clip."""
    inputs = [item for item in inputs_of(record) if item.api and (item.api.clip or not clip)]
    fields: dict[str, Any] = {item.api_name: field_of(item) for item in inputs}

    def extended(body: type[B]) -> type[B]:
        more: Any = create_model(
            body.__name__, __base__=body, __module__=body.__module__, __doc__=body.__doc__, **fields
        )
        return cast("type[B]", more)

    return extended


class FreeOrder(Body):
    """What every order without a row may say of itself."""

    adapt: Adapt = False
    fresh: Fresh = False
    dry_run: DryRun = False
    custom_id: CustomId | None = None
    metadata: Metadata | None = None
    webhook_url: WebhookUrl | None = None

    def _given(self) -> dict[str, Any]:
        """What was given, by the order's names."""
        sent = [(item, getattr(self, item.api_name, None)) for item in inputs_of(Order)]
        said = [(item, value) for item, value in sent if value is not None]
        return {item.name: to_micro(value) if isinstance(item.kind, Money) else value for item, value in said}


@_with_fields_of(Brand)
class BrandOrder(Body):
    """A brand, or the row of `Brands` in a base that says all of it."""

    record_id: RecordId | None = None
    base_id: BaseId | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.record_id is not None and self.model_fields_set - {"record_id", "base_id"}:
            raise ValueError("names a row of Brands, which says everything else: leave that out.")
        if self.record_id is None and self.base_id is not None:
            raise ValueError("names a base, but no record_id in it.")
        return self

    def lend_to(self, order: Order, said: tuple[str, ...]) -> Order:
        """The order with this brand; one that is kept in a base is read when the run begins. Raises 403 and 422."""
        if self.record_id is None:
            return with_brand(order, Brand(**values_of(Brand, self.model_dump())), said)
        row = BrandRow(base_id=allowed_base(self.base_id), record_id=self.record_id, given=said)
        return replace(order, brand_row=row)


@_with_fields_of(Order)
class MasterPromptOrder(FreeOrder):
    """A film from one master prompt, without Airtable."""

    ask_first: AskFirst = False
    brand: Annotated[
        BrandOrder | None,
        BeforeValidator(lambda value: {"record_id": value} if isinstance(value, str) else value),
        Field(description="What holds where the order says nothing: a brand, or the id of its row of `Brands`."),
    ] = None

    def order(self) -> Order:
        """The order this asks for."""
        return self._ordered(self._given())

    def _ordered(self, given: dict[str, Any]) -> Order:
        order = replace(order_of(given, adapt=self.adapt, fresh=self.fresh), ask_first=self.ask_first)
        said = tuple(name for name in given if name in self.model_fields_set)
        return order if self.brand is None else self.brand.lend_to(order, said)


class FilmOrder(MasterPromptOrder):
    """A film from one idea, or from scenes that a person wrote: what a form of the pages says."""

    master_prompt: Prompt | None = None
    scenes: Annotated[tuple[Prompt, ...], Field(max_length=MAX_SCENES)] = ()
    scene_captions: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_CAPTION)], ...], Field(max_length=MAX_SCENES)
    ] = ()
    scene_narrations: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_LINE)], ...], Field(max_length=MAX_SCENES)
    ] = ()
    """What stands in, and is said over, the scene of the same place; empty for nothing."""

    def order(self) -> Order:
        """The order this asks for."""
        given = self._given()
        if self.scenes:
            beside = zip_longest(self.scenes, self.scene_captions, self.scene_narrations)
            scenes = [
                SceneOrder(prompt=prompt, caption=caption or None, narration=narration or None)
                for prompt, caption, narration in beside
                if prompt is not None
            ]
            given |= {"scenes": tuple(scenes)}
            given["scene_count"] = len(self.scenes)
        return self._ordered(given)


@_with_fields_of(Order, clip=True)
class ClipOrder(FreeOrder):
    """One clip from one prompt, or from a picture and a prompt."""

    prompt: Prompt
    seconds: Annotated[Seconds | None, Field(description="The model's default when left out.")] = None
    image_url: Annotated[Url | None, Field(description="A picture to start from; fetched by us.")] = None
    references: Annotated[
        list[Url] | None,
        Field(max_length=MAX_REFERENCES - 1, description="More pictures, for models that take several."),
    ] = None

    def order(self) -> Order:
        """The order this asks for."""
        pictures = (self.image_url,) if self.image_url else ()
        scene = SceneOrder(prompt=self.prompt, seconds=self.seconds, references=pictures)
        clip = {"scenes": (scene,), "scene_count": 1, "clip_seconds": self.seconds}
        return order_of(self._given() | clip, adapt=self.adapt, fresh=self.fresh)


For = Annotated[
    Literal["process-record", "process-master-prompt", "process-queue", "generate-video"] | None,
    Field(alias="for", description="Whose body this is; by default told from its fields."),
]


class RecordQuestion(RecordTrigger):
    """A row to be quoted: with `for: process-master-prompt` from its Master Prompt, else as process-record would."""

    for_: For = None


class MasterPromptQuestion(MasterPromptOrder):
    """A film from one master prompt, to be quoted."""

    for_: For = None


class ClipQuestion(ClipOrder):
    """One clip, to be quoted."""

    for_: For = None


class QueueQuestion(QueueTrigger):
    """All rows that are ready, to be quoted: a body of nothing but `base_id`, or an empty one, means this."""

    for_: For = None
