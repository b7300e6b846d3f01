"""An order: what a marketer or an API caller asked for, before it is fitted to a model.

What a person may give is declared here and nowhere else: a new input is one more line, and what is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from pipelines.domain.footage import (
    LOGO_OPACITY,
    MADE_MUSIC,
    Captions,
    Consistency,
    Corner,
    Fit,
    Mood,
    PosterStyle,
    Preview,
    Transition,
)
from pipelines.domain.languages import LANGUAGES, tag_in
from pipelines.domain.orders.brand import MAX_VOICE, Brand, BrandRow, lent_by
from pipelines.domain.orders.inputs import (
    Api,
    Box,
    Choice,
    Files,
    ModelName,
    Money,
    Number,
    Percent,
    SceneLines,
    Seconds,
    Text,
    among,
    given,
    resolution_in,
    shape_in,
    values_of,
)
from pipelines.domain.orders.platforms import Platform

MAX_SCENES = 50
HOOK_LETTERS = ("a", "b", "c", "d", "e")
MAX_HOOKS = len(HOOK_LETTERS)
MAX_PROMPT = 32_000
MAX_SEED = 2**31 - 1
"""Every vendor with seeds takes this many; some take more."""
DEFAULT_SCENES = 4
MAX_WORDS = 300
"""Characters by which a run is found, or a scene."""
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:5")
RESOLUTIONS = ("480p", "720p", "1080p")
MIN_TRANSITION_S, MAX_TRANSITION_S = 0.2, 2.0
MIN_CLIP_S, MAX_CLIP_S = 0.5, 60.0
_API_CLIP_S = 120
_API_WORDS, _API_TEXT = 200, 4000
MAX_LINE = 1000
"""Characters of what is said over one scene: more than fits into the longest."""

# A declaration is read as a row of a table.
# fmt: off


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOrder:
    """One scene that a person wrote: what is None takes the order's default."""

    prompt: str = given("Prompt", Text(MAX_PROMPT, lines=True), "What the scene shows.", default="")
    caption: str | None = given("Caption", Text(lines=True), "The words to show, with Captions on.")
    narration: str | None = given("Narration", Text(MAX_LINE, lines=True),
        "What is said over the scene, with Voiceover on. Empty: its Caption.")
    seconds: float | None = given("Seconds", Seconds(MIN_CLIP_S, MAX_CLIP_S),
        "Length of the scene. Empty: the video's Clip Seconds.")
    references: tuple[str, ...] = given("Reference Image", Files("image/", several=True),
        "A picture that this scene starts from or follows.", default=())
    continues: bool = given("Continue", Box("blueBright"), "Tick to start from the last picture of the scene before.",
        default=False)
    transition: Transition | None = given("Transition", among(Transition),
        "From the scene before into this one. Empty: the video's.")
    model: str | None = given("Model", ModelName(), "Who makes this clip. Empty: the video's Model.")
    hook: str | None = given("Hook", Choice(HOOK_LETTERS),
        "Which opening of the video this is, where it has several. Empty: a scene that all of them have.")
    first_frame: str | None = None
    """Where the clip must start; a reference is that only where the model has no other use for it."""
    last_frame: str | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    """What the clip should not show; empty for none although the order has one."""
    resolution: str | None = None
    aspect_ratio: str | None = None
    """Of a scene that was made again in a size or shape of its own; the film's stay, and the clip is fitted to them."""
    airtable_record_id: str | None = None


class SceneChanges(TypedDict, total=False):
    """What is to be different about a scene. What is left out stays as it was, and so does what is None, except that
    None takes `seed`, `negative_prompt` and `transition` away. `references` are all pictures of its own.
    """

    prompt: str | None
    model: str | None
    seconds: float | None
    caption: str | None
    narration: str | None
    seed: int | None
    negative_prompt: str | None
    resolution: str | None
    aspect_ratio: str | None
    references: tuple[str, ...] | None
    continues: bool | None
    transition: Transition | None


_REMOVABLE = frozenset({"seed", "negative_prompt", "transition"})


def changed(scene: SceneOrder, changes: SceneChanges) -> SceneOrder:
    """The scene with its changes."""
    given: dict[str, Any] = {name: said for name, said in changes.items() if said is not None or name in _REMOVABLE}
    return replace(scene, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that decides what is made and what it costs. Money in micro-dollars, times in seconds.

    `references`, both frames, `logo` and `music` are URLs until accepted, then keys in our storage. The film starts
    from `first_frame` and ends on `last_frame`. `film_seconds` is shared among the scenes that are still to be written;
    `scene_count` 0 then means as many as suit it. A scene without a seed or negative prompt of its own has the order's.
    """

    title: str | None = given("Title", Text(), "What you call the video. Also on the file's name.",
        api=Api(most=_API_WORDS, clip=True))
    master_prompt: str | None = given("Master Prompt", Text(MAX_PROMPT, lines=True),
        "What the video is about, in your own words. Reelgrid writes the scenes from it.", api=Api(required=True))
    scenes: tuple[SceneOrder, ...] = given("Prompt", SceneLines(),
        "Write the scenes yourself, one a line. Used instead of Master Prompt by Generate.", default=())
    scene_count: int = given("Scene Count", Number(1, MAX_SCENES, whole=True),
        f"How many scenes to write from Master Prompt, 1 to {MAX_SCENES}. Empty: {DEFAULT_SCENES}.",
        default=DEFAULT_SCENES,
        api=Api(f"{DEFAULT_SCENES} when left out, or as many as suit `film_seconds`.", optional=True))
    clip_seconds: float | None = given("Clip Seconds", Seconds(MIN_CLIP_S, MAX_CLIP_S),
        "Seconds of each scene. Empty: what the model makes by default.",
        api=Api("The model's default when left out.", most=_API_CLIP_S))
    film_seconds: float | None = given("Film Seconds", Seconds(MIN_CLIP_S, MAX_SCENES * MAX_CLIP_S),
        "Seconds of the whole video, instead of Clip Seconds, shared among its scenes. Without Scene Count as many "
        "scenes as suit it are written.",
        api=Api("Of the whole film, without title and end card; shared among the scenes.",
            most=MAX_SCENES * _API_CLIP_S))
    aspect_ratio: str = given("Aspect Ratio", Choice(ASPECT_RATIOS, tidy=shape_in), "Shape of the video. Empty: 16:9.",
        default=ASPECT_RATIOS[0], api=Api(clip=True), seen=True)
    formats: tuple[str, ...] = given("Formats", Choice(ASPECT_RATIOS, several=True, tidy=shape_in),
        "More shapes of the same video, made from the same clips at no extra price.", default=(),
        api=Api("More cuts of the same clips."), seen=True)
    pack: tuple[Platform, ...] = given("Pack", Choice(tuple(map(str, Platform)), of=Platform, several=True),
        "Where it will be posted: a download with a folder for each, in the shape that it takes, at no extra price.",
        default=(), api=Api("Where it will be posted: a ZIP with a folder for each, at `pack_url`."))
    hooks: int = given("Hooks", Number(1, MAX_HOOKS, whole=True),
        f"How many openings to try, 1 to {MAX_HOOKS}. For each, only the first scene is made again. Empty: 1.",
        default=1, seen=True,
        api=Api("So many films that differ in their first scene, which alone is bought again for each."))
    languages: tuple[str, ...] = given("Languages", Choice(tuple(LANGUAGES), several=True, tidy=tag_in),
        "A film in each, from the same clips: first the language that the video is written in, then those that "
        "captions, cards and narration are translated into.", default=(), seen=True,
        api=Api("A film in each, from the same clips: first the language of your texts, then those to translate into."))
    fit: Fit = given("Fit", among(Fit), "How a picture of another shape fills the frame. Empty: Crop.",
        default=Fit.CROP, api=Api(), seen=True)
    resolution: str = given("Resolution", Choice(RESOLUTIONS, tidy=resolution_in), "Empty: 720p.", default="720p",
        api=Api(clip=True), seen=True)
    model: str | None = given("Model", ModelName(),
        "Who makes the clips, as provider/model. Empty: the deployment's default.", api=Api(clip=True), seen=True)
    style_notes: str | None = given("Style Notes", Text(MAX_PROMPT, lines=True),
        "Look, mood, camera, words to avoid: for the writer of the scenes.", api=Api(most=_API_TEXT))
    references: tuple[str, ...] = given("Reference Images", Files("image/", several=True),
        "Pictures that the scenes should follow.", default=(), api=Api())
    first_frame: str | None = given("First Frame", Files("image/"),
        "One picture that the video starts from, where the model can.",
        api=Api("A picture that the film starts from; fetched by us."))
    last_frame: str | None = given("Last Frame", Files("image/"),
        "One picture that the video ends on, where the model can.",
        api=Api("A picture to end on, on the way from the one that the last scene starts from.", clip=True))
    seed: int | None = given("Seed", Number(0, MAX_SEED, whole=True),
        f"The same number gives similar clips, where the model takes one: 0 to {MAX_SEED:,}.",
        api=Api("The same request with the same seed gives the same picture, or nearly.", clip=True))
    negative_prompt: str | None = given("Negative Prompt", Text(MAX_PROMPT, lines=True),
        "What the clips should not show, where the model takes that.",
        api=Api("What should not be seen.", most=_API_TEXT, clip=True))
    max_cost_micro: int | None = given("Max Cost", Money(),
        "This video may cost at most so much. Empty: the deployment's cap.",
        api=Api("Refuse when the quote is above this.", name="max_cost_usd", clip=True))
    project: str | None = given("Project", Text(_API_WORDS),
        "What this video is counted under. A project may have a budget.",
        api=Api("What the order is counted under.", most=_API_WORDS, clip=True))
    transition: Transition = given("Transition", among(Transition),
        "Between two scenes; Fade Black also as the video begins and ends. Empty: Cut.", default=Transition.CUT,
        api=Api(), seen=True)
    transition_seconds: float = given("Transition Seconds", Seconds(MIN_TRANSITION_S, MAX_TRANSITION_S),
        "How long a transition takes, 0.2 to 2. Empty: 0.5.", default=0.5, api=Api(), seen=True)
    captions: Captions = given("Captions", among(Captions),
        "Burned into the picture (Karaoke: word by word), as a file beside it, or none. Empty: None.",
        default=Captions.NONE, api=Api(), seen=True)
    logo: str | None = given("Logo", Files("image/"), "One picture, laid into a corner of the video.", api=Api(),
        seen=True)
    logo_position: Corner = given("Logo Position", among(Corner), "Which corner. Empty: Top Right.",
        default=Corner.TOP_RIGHT, api=Api(), seen=True)
    logo_opacity: float = given("Logo Opacity", Percent(), "100% hides what is behind the logo. Empty: 85%.",
        default=LOGO_OPACITY, api=Api(), seen=True)
    music: str | None = given("Music", Files("audio/", made=MADE_MUSIC, made_as="music_mood"),
        "One sound file, laid under the video.",
        api=Api(f"A sound file, laid under the video, or music that is made here: {', '.join(MADE_MUSIC)}."), seen=True)
    music_mood: Mood | None = given("Music Mood", among(Mood),
        "Music that is made here, free of rights, laid under the video; not where Music has a file. Empty: none.",
        api=Api(), seen=True)
    title_card: str | None = given("Title Card", Text(), "Words on a card before the first scene. Empty: no card.",
        api=Api(most=_API_WORDS), seen=True)
    end_card: str | None = given("End Card", Text(), "Words on a card after the last scene. Empty: no card.",
        api=Api(most=_API_WORDS), seen=True)
    loudness_lufs: float | None = given("Loudness", Number(-40, -5),
        "Loudness of the sound in LUFS; -16 is usual online. Empty: left as it is.", api=Api(), seen=True)
    voiceover: bool = given("Voiceover", Box("cyanBright"),
        "Tick to have a narrator speak over each scene: its Narration, else its Caption.", default=False,
        api=Api("A narrator speaks over each scene: its `narration`, else its `caption`."), seen=True)
    voice: str | None = given("Voice", Text(MAX_VOICE),
        "Who speaks, as provider/voice, with Voiceover on. Empty: the deployment's voice.",
        api=Api("Who speaks, as provider/voice.", most=MAX_VOICE), seen=True)
    ai_label: bool = given("AI Label", Box("purpleBright"),
        "Tick to have every picture say AI in a corner. In the EU, a film that passes for real must say so.",
        default=False, api=Api("Every picture says AI in a corner."), seen=True)
    poster_style: PosterStyle = given("Poster Style", among(PosterStyle),
        "The picture that stands for the video: its best Frame, that with its Title over it, or Designed by an image "
        "model from that frame, at a price. Empty: Frame.",
        default=PosterStyle.FRAME, api=Api(), seen=True)
    consistency: Consistency = given("Consistency", among(Consistency),
        "How people and places stay alike: told in Words, or by Pictures of them that are made first, at a price, and "
        "given to every clip whose model takes pictures. For Master Prompt. Empty: Words.",
        default=Consistency.WORDS, api=Api())
    preview: Preview = given("Preview", among(Preview),
        "What you look at before you approve: a free Animatic, or a Draft of each clip, at a price, where the model "
        "makes drafts, from which the clips are made then. Draft always asks for approval. Empty: Animatic.",
        default=Preview.ANIMATIC, api=Api())
    allow_rewrite: bool = given("Allow Rewrite", Box("grayBright"),
        "Tick to let Reelgrid reword a scene that the video service refuses.", default=False, api=Api())
    adapt: bool = False
    fresh: bool = False
    ask_first: bool = False
    """Whether it waits for approval once its scenes are written, whatever the deployment asks about."""
    brand: Brand | None = None
    """As it was when the run began; what it lends stands in the order's own fields."""
    brand_row: BrandRow | None = None
    """The brand, until the run begins."""


# fmt: on


def ai_label_corner(order: Order) -> Corner | None:
    """Where the label stands if it is wanted: beside a logo never in the same corner."""
    if not order.ai_label:
        return None
    taken = order.logo is not None and order.logo_position is Corner.TOP_RIGHT
    return Corner.TOP_LEFT if taken else Corner.TOP_RIGHT


def poster_title(order: Order) -> str | None:
    """The words over the poster; None where it shows none."""
    title = " ".join((order.title or "").split())
    return title or None if order.poster_style is not PosterStyle.FRAME else None


def words_of(order: Order | None, record_id: str | None) -> str:
    """What a run is found by: its title, its first words and its row, in small letters."""
    said = (order.title, order.master_prompt, *(scene.prompt for scene in order.scenes)) if order else ()
    return searchable(record_id, *said)


def searchable(*said: str | None) -> str:
    """The beginning of what is said, as it is compared with what is looked for."""
    text = " ".join(" ".join(filter(None, said)).split()).casefold()
    return text[:MAX_WORDS].replace("\x00", "")


def with_brand(order: Order, brand: Brand, said: Sequence[str]) -> Order:
    """The order with all that a brand lends it; `said` are the names of what it says itself."""
    kept, added = lent_by(brand, said, order.style_notes)
    return replace(order, brand=kept, brand_row=None, **added)


def order_of(found: Mapping[str, object], *, adapt: bool, fresh: bool = False) -> Order:
    """The order of what was given: None and what is missing say nothing."""
    values = values_of(Order, found)
    if "film_seconds" in values:
        values.setdefault("scene_count", 0)
    return Order(**values, adapt=adapt, fresh=fresh)
