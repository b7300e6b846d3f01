"""The base as code: every table and field of the contract with its Airtable type, options and description.

`setup` builds from here, `doctor` compares with it, docs/reference/airtable-fields.md is generated from it.
What an order holds is declared there (domain.orders.order); any other new field is one line here and one name in
domain.airtable.fields. Types and options: Airtable's page on the field model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.domain.airtable.fields import (
    REVIEW_OPTIONS,
    SCENE_STATUS_OPTIONS,
    STATUS_OPTIONS,
    AirtableTable,
    BrandField,
    SceneField,
    SettingsField,
    VersionField,
    VideoField,
)
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.inputs import (
    Box,
    Choice,
    Files,
    Hue,
    Input,
    Kind,
    ModelName,
    Money,
    Number,
    Percent,
    SceneLines,
    Seconds,
    Text,
    inputs_of,
)
from pipelines.domain.orders.order import Order, SceneOrder

_WORDS = frozenset({"singleLineText", "multilineText", "richText"})
_COMPUTED = frozenset({"formula", "multipleLookupValues", "rollup", "lookup"})
_ANY_TEXT = _WORDS | _COMPUTED | {"aiText", "singleSelect", "email", "url", "phoneNumber", "barcode"}
_ANY_NUMBER = _WORDS | _COMPUTED | {"number", "currency", "percent", "duration", "rating", "count", "singleSelect"}
_ANY_FILE = _WORDS | _COMPUTED | {"multipleAttachments", "url"}

INPUT_TYPES: Mapping[str, frozenset[str]] = {
    "singleLineText": _ANY_TEXT,
    "multilineText": _ANY_TEXT,
    "number": _ANY_NUMBER,
    "currency": _ANY_NUMBER,
    "percent": _ANY_NUMBER,
    "singleSelect": _ANY_TEXT | {"number"},
    "multipleSelects": _ANY_TEXT | {"multipleSelects"},
    "multipleAttachments": _ANY_FILE,
    "checkbox": _COMPUTED | {"checkbox"},
    "dateTime": _COMPUTED | {"dateTime", "date", "createdTime"},
    "multipleRecordLinks": frozenset({"multipleRecordLinks"}),
}
"""What an input may also be: anything that can be read as the same value."""

OUTPUT_TYPES: Mapping[str, frozenset[str]] = {
    "singleLineText": _WORDS,
    "multilineText": _WORDS,
    "url": _WORDS | {"url"},
    "number": _WORDS | {"number"},
    "currency": _WORDS | {"currency", "number"},
    "percent": _WORDS | {"percent", "number"},
    "duration": _WORDS | {"duration", "number"},
    "singleSelect": _WORDS | {"singleSelect"},
    "dateTime": _WORDS | {"dateTime"},
    "checkbox": frozenset({"checkbox"}),
    "multipleAttachments": frozenset({"multipleAttachments"}),
    "multipleRecordLinks": frozenset({"multipleRecordLinks"}),
}
"""What a field that we write may also be: anything that takes the value with `typecast`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field. `written`: Reelgrid fills it in; a checkbox is an input that is also unticked by us."""

    name: str
    type: str
    description: str
    options: Mapping[str, Any] = field(default_factory=dict)
    written: bool = False
    inverse_of: tuple[str, str] | None = None
    """`(table, field)` of the link whose other end this is: Airtable makes it by itself."""
    links_to: str | None = None
    names_models: bool = False
    """Its options are the models of the catalogue."""

    @property
    def accepted(self) -> frozenset[str]:
        """The Airtable types that do."""
        if self.type == "checkbox":
            return OUTPUT_TYPES["checkbox"]
        return (OUTPUT_TYPES if self.written else INPUT_TYPES)[self.type]

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of a select's options."""
        return tuple(choice["name"] for choice in self.options.get("choices", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One table; its first field is the primary one. `optional`: Reelgrid works without it."""

    name: str
    description: str
    fields: tuple[FieldSpec, ...]
    optional: bool = False

    def field(self, name: str) -> FieldSpec | None:
        """A field by our own name."""
        return next((spec for spec in self.fields if spec.name == name), None)


_GREY, _BLUE, _CYAN, _TEAL, _GREEN, _YELLOW, _ORANGE, _RED, _PINK, _PURPLE = (
    f"{colour}Light2"
    for colour in ("gray", "blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple")
)
STATUS_COLOURS = dict(
    zip(
        STATUS_OPTIONS,
        (_GREY, _CYAN, _BLUE, _PURPLE, _YELLOW, _BLUE, _TEAL, _TEAL, "greenBright", "orangeBright", "redBright", _GREY),
        strict=True,
    )
)
_SCENE_COLOURS = dict(
    zip(SCENE_STATUS_OPTIONS, (_GREY, _CYAN, _BLUE, "greenBright", "orangeBright", "redBright", _YELLOW), strict=True)
)
_DATE_TIME = {"timeZone": "utc", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}
_LONG, _SHORT, _FILES = "multilineText", "singleLineText", "multipleAttachments"


def _one_of(names: Sequence[str], colours: Mapping[str, str] | None = None) -> dict[str, Any]:
    palette = (_BLUE, _CYAN, _TEAL, _GREEN, _YELLOW, _ORANGE, _RED, _PINK, _PURPLE, _GREY)
    colour_of = colours or {name: palette[index % len(palette)] for index, name in enumerate(names)}
    return {"choices": [{"name": name, "color": colour_of[name]} for name in names]}


def _number(precision: int) -> dict[str, Any]:
    return {"precision": precision}


def _usd(precision: int = 2) -> dict[str, Any]:
    return {"precision": precision, "symbol": "$"}


def _tick(colour: str) -> dict[str, Any]:
    return {"icon": "check", "color": colour}


def _in(name: str, type: str, description: str, **options: Any) -> FieldSpec:
    return FieldSpec(name=name, type=type, description=description, options=options)


def _out(name: str, type: str, description: str, **options: Any) -> FieldSpec:
    return FieldSpec(
        name=name, type=type, description=f"{description} Written by Reelgrid.", options=options, written=True
    )


def _link(name: str, to: str, description: str) -> FieldSpec:
    return FieldSpec(name=name, type="multipleRecordLinks", description=description, links_to=to, written=True)


def _input(item: Input) -> FieldSpec:
    """The column of something that an order holds."""
    column, options = _column(item.kind)
    return FieldSpec(
        name=item.label,
        type=column,
        description=item.description,
        options=options,
        names_models=isinstance(item.kind, ModelName),
    )


def _column(kind: Kind) -> tuple[str, dict[str, Any]]:
    match kind:
        case Text(lines=lines):
            return _LONG if lines else _SHORT, {}
        case SceneLines():
            return _LONG, {}
        case ModelName():
            return "singleSelect", {}
        case Number(whole=whole):
            return "number", _number(0 if whole else 1)
        case Seconds():
            return "number", _number(1)
        case Money():
            return "currency", _usd()
        case Hue():
            return _SHORT, {}
        case Percent():
            return "percent", _number(0)
        case Choice(words=words, several=several):
            return "multipleSelects" if several else "singleSelect", _one_of(words)
        case Files():
            return _FILES, {}
        case Box(colour=colour):
            return "checkbox", _tick(colour)


V, S, N, G = VideoField, SceneField, VersionField, SettingsField

_VIDEO_INPUTS = (
    *map(_input, inputs_of(Order)),
    FieldSpec(
        name=V.BRAND, type="multipleRecordLinks", links_to=AirtableTable.BRANDS,
        description="A row of Brands: its look, its cards and its rules hold where this row says nothing.",
    ),
    _in(V.SCHEDULED_FOR, "dateTime", "With Status Ready: do not start before.", **_DATE_TIME),
    _in(V.GENERATE, "checkbox", "Tick to start. Reelgrid unticks it.", **_tick("greenBright")),
    _in(V.APPROVE, "checkbox", "Tick to accept scenes and price when Status is Needs Approval.", **_tick("blueBright")),
    _in(V.CANCEL, "checkbox", "Tick to stop. What is paid for is kept.", **_tick("redBright")),
)  # fmt: skip

_VIDEO_OUTPUTS = (
    FieldSpec(
        name=V.STATUS, type="singleSelect", written=True, options=_one_of(STATUS_OPTIONS, STATUS_COLOURS),
        description="Set it to Ready to queue the video for the next scheduled start; all else Reelgrid writes.",
    ),
    _out(V.PROGRESS, "percent", "How far the run is.", **_number(0)),
    _out(V.STATUS_DETAIL, _SHORT, "What is happening, in a sentence."),
    _out(V.ERROR, _LONG, "What went wrong and what to do."),
    _out(V.ESTIMATED_COST, "currency", "What the run will cost at most.", **_usd()),
    _out(V.ACTUAL_COST, "currency", "What was really spent on the run.", **_usd()),
    _out(V.RUN, "number", "Counts the runs of this row.", **_number(0)),
    _out(V.RUN_ID, _SHORT, "The run's name for support and the API."),
    _out(V.FINAL_VIDEO, _FILES, "The finished video, one file for each format."),
    _out(V.POSTER, _FILES, "A still of the video."),
    _out(V.VIDEO_URL, "url", "A permanent link to the video."),
    _out(V.PACK_URL, "url", "A permanent link to the films with a folder for each platform of Pack."),
    _out(V.POST_TEXT, _LONG, "What to paste beside the films of the pack, in each of their languages."),
    _out(V.VARIANTS, _LONG, "With several Hooks or Languages, a line for each film: its link, and its own cost."),
    _out(V.PROGRESS_PAGE, "url", "Progress, preview, cost, approve and retry in the browser."),
    _out(V.DECIDE, _LONG, "What can be decided now: each link does one thing for the price that it names, once, within "
         "7 days, after you confirm."),
    _out(V.DURATION, "duration", "Length of the video.", durationFormat="h:mm:ss"),
    _out(V.VERDICT, _LONG, "What an automatic look at the finished video found."),
    _out(V.REVIEW, "singleSelect", "What the reviewer of the shared film said.", **_one_of([*REVIEW_OPTIONS.values()])),
    _out(V.REVIEW_NOTES, _LONG, "What reviewers said, each at its second of the film."),
    _out(V.SHARE_PAGE, "url", "Shows the film to people without a key, and takes their comments and their verdict."),
    _out(V.STARTED_AT, "dateTime", "When the run began.", **_DATE_TIME),
    _out(V.FINISHED_AT, "dateTime", "When the run ended.", **_DATE_TIME),
    _out(V.LAST_UPDATE, "dateTime", "When Reelgrid last wrote here.", **_DATE_TIME),
    FieldSpec(
        name=V.SCENES, type="multipleRecordLinks", written=True, inverse_of=(AirtableTable.SCENES, S.VIDEO),
        description="The scenes of this video.",
    ),
)  # fmt: skip

_SCENES = (
    FieldSpec(name=S.SCENE_KEY, type=_SHORT, written=True, description="Names the scene. Leave it empty in rows that "
              "you add; never change it."),
    _link(S.VIDEO, AirtableTable.VIDEOS, "The video this scene belongs to."),
    _in(S.NUMBER, "number", "Order in the video.", **_number(0)),
    *map(_input, inputs_of(SceneOrder)),
    FieldSpec(name=S.STATUS, type="singleSelect", written=True, options=_one_of(SCENE_STATUS_OPTIONS, _SCENE_COLOURS),
              description="Draft: counts for the next run. All else Reelgrid writes."),
    _out(S.PROVIDER_JOB_ID, _SHORT, "The job's name at the video service."),
    _out(S.ATTEMPTS, "number", "How often this scene was bought.", **_number(0)),
    _out(S.COST, "currency", "What this scene has cost.", **_usd(4)),
    _out(S.ERROR, _LONG, "Why this scene is not done, and what to do."),
    _out(S.CLIP, _FILES, "The clip."),
    _out(S.CLIP_URL, "url", "Opens the page of the run, with this clip."),
    _in(S.REGENERATE, "checkbox", "Tick for a new clip, as this row says now, then a new cut.", **_tick("greenBright")),
    _out(S.LAST_UPDATE, "dateTime", "When Reelgrid last wrote here.", **_DATE_TIME),
)  # fmt: skip

_VERSIONS = (
    _out(N.VERSION_KEY, _SHORT, "Names the version."),
    _link(N.VIDEO, AirtableTable.VIDEOS, "The video this is a version of."),
    _out(N.RUN, "number", "The run that made it.", **_number(0)),
    _out(N.FINAL_VIDEO, _FILES, "The video as it was then."),
    _out(N.POSTER, _FILES, "A still of it."),
    _out(N.COST, "currency", "What that run has cost.", **_usd()),
    _out(N.MODEL, _SHORT, "Who made the clips."),
    _out(N.HOOK, _SHORT, "Its hooks, where it has several."),
    _out(N.LANGUAGE, _SHORT, "Its languages, where they were said."),
    _out(N.WHAT_CHANGED, _LONG, "The difference to the version before."),
    _in(N.RESTORE, "checkbox", "Tick to put this version back into the row.", **_tick("orangeBright")),
    _out(N.CREATED_AT, "dateTime", "When it was finished.", **_DATE_TIME),
)

_BRANDS = (
    *map(_input, inputs_of(Brand)),
    _out(BrandField.PROBLEMS, _LONG, "What in this row cannot be used as it is, and what is done instead."),
)

_SETTINGS = (
    _in(G.NAME, _SHORT, "One row is enough; its name does not matter."),
    _in(G.STOP_SPENDING, "checkbox", "Tick to stop all spending from this base.", **_tick("redBright")),
    _in(G.DAY_BUDGET, "currency", "This base may spend at most so much a day (UTC). Empty: the deployment's cap.",
        **_usd()),
    _out(G.SPENT_TODAY, "currency", "Spent today (UTC).", **_usd()),
    _out(G.STATUS, _SHORT, "Whether Reelgrid is working, in a sentence."),
)  # fmt: skip

TABLES: tuple[TableSpec, ...] = (
    TableSpec(
        name=AirtableTable.VIDEOS, fields=_VIDEO_INPUTS + _VIDEO_OUTPUTS,
        description="One row, one video: the order and its result.",
    ),
    TableSpec(name=AirtableTable.SCENES, fields=_SCENES, description="The shots of each video."),
    TableSpec(name=AirtableTable.VERSIONS, fields=_VERSIONS, description="What earlier runs made.", optional=True),
    TableSpec(
        name=AirtableTable.BRANDS, fields=_BRANDS, optional=True,
        description="What the films of a brand look like, say and never say.",
    ),
    TableSpec(name=AirtableTable.SETTINGS, fields=_SETTINGS, description="Switches for this base.", optional=True),
)  # fmt: skip


def table(name: str) -> TableSpec:
    """A table by our own name. Raises KeyError."""
    for spec in TABLES:
        if spec.name == name:
            return spec
    raise KeyError(name)


def create_options(spec: FieldSpec, models: Sequence[str], table_ids: Mapping[str, str]) -> dict[str, Any]:
    """The `options` of the call that creates this field."""
    if spec.links_to is not None:
        return {"linkedTableId": table_ids[spec.links_to]}
    if spec.names_models:
        return _one_of(list(models))
    return dict(spec.options)


def own_fields(spec: TableSpec) -> Iterator[FieldSpec]:
    """The fields that have to be created: all but the far ends of links."""
    return (item for item in spec.fields if item.inverse_of is None)
