"""The language model's answers: the shapes that are asked for, and what is made of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model

from pipelines.domain.orders.list_marks import unnumbered
from pipelines.domain.planning.cast import CastMember, tidied
from pipelines.ports import Brief, SceneText
from pipelines.writers.language_model import Answer
from pipelines.writers.text import caption_of, fitted, narration_of, plain


class WrittenScene(BaseModel):
    """One scene as the model writes it."""

    prompt: str = Field(description="The whole prompt for this one scene.")
    caption: str | None = Field(description="What a viewer reads, at most 60 characters.")


class WrittenScript(BaseModel):
    """The whole answer. `continuity` comes first, so that the scenes are written with it in view."""

    title: str | None = Field(description="A title for the film.")
    continuity: str | None = Field(description="Recurring characters, place, light and colours.")
    scenes: list[WrittenScene]


class NarratedScene(WrittenScene):
    """One scene with what is said over it."""

    narration: str | None = Field(description="What the narrator says over this scene.")


class NarratedScript(WrittenScript):
    """The whole answer where a narrator speaks."""

    scenes: list[NarratedScene]  # type: ignore[assignment]  # a narrated scene is a scene


class WrittenMember(BaseModel):
    """A character or a place that comes back."""

    token: str = Field(description="What every prompt calls it.")
    looks: str = Field(description="What can be seen of it and never changes.")
    place: bool = Field(description="Whether it is a place.")


class CastScript(WrittenScript):
    """The whole answer where pictures are made of who comes back."""

    cast: list[WrittenMember]


class NarratedCastScript(NarratedScript):
    """The same with a narrator."""

    cast: list[WrittenMember]


class FoundCast(BaseModel):
    """Who comes back in scenes that are there."""

    cast: list[WrittenMember]


@functools.cache
def with_post(shape: type[WrittenScript]) -> type[WrittenScript]:
    """The same with what is posted beside the film."""
    text: Any = (str, Field(description="What is posted with the film."))
    return create_model(f"Posted{shape.__name__}", __base__=shape, post_text=text)


class WrittenHooks(BaseModel):
    """Further openings of a film."""

    hooks: list[WrittenScene]


class TranslatedLines(BaseModel):
    """The lines in the other language, in their order."""

    lines: list[str]


class Reworded(BaseModel):
    """A softened prompt."""

    prompt: str


def script_of(answer: Answer, shape: type[WrittenScript] = WrittenScript) -> WrittenScript | None:
    """The scenes of an answer that say something; None when it is not of the asked shape."""
    try:
        script = shape.model_validate_json(answer.reply.json_text)
    except ValidationError:
        return None
    kept = [scene for scene in script.scenes if plain(scene.prompt)]
    texts = unnumbered([scene.prompt for scene in kept])
    scenes = [scene.model_copy(update={"prompt": text}) for scene, text in zip(kept, texts, strict=True)]
    return script.model_copy(update={"scenes": scenes})


def hooks_of(answer: Answer | None) -> list[WrittenScene]:
    """The openings of an answer that say something."""
    if answer is None or answer.reply.truncated:
        return []
    try:
        found = WrittenHooks.model_validate_json(answer.reply.json_text).hooks
    except ValidationError:
        return []
    return [scene for scene in found if plain(scene.prompt)]


def translated_of(answer: Answer) -> tuple[str, ...]:
    """The lines of an answer; none where it cannot be read."""
    if answer.reply.truncated:
        return ()
    try:
        found = TranslatedLines.model_validate_json(answer.reply.json_text).lines
    except ValidationError:
        return ()
    return tuple(plain(line) for line in found)


def found_cast_of(answer: Answer | None) -> list[WrittenMember]:
    """Who was found; nobody where the answer cannot be read."""
    if answer is None or answer.reply.truncated:
        return []
    try:
        return FoundCast.model_validate_json(answer.reply.json_text).cast
    except ValidationError:
        return []


def members_of(script: WrittenScript) -> list[WrittenMember]:
    """Who comes back, as it was written, where that was asked for."""
    return script.cast if isinstance(script, CastScript | NarratedCastScript) else []


def cast_of(script: WrittenScript) -> tuple[CastMember, ...]:
    """Who comes back, without what cannot be used."""
    return tidied(as_members(members_of(script)))


def as_members(found: Sequence[WrittenMember]) -> list[CastMember]:
    """Who comes back, in words alone."""
    return [CastMember(token=plain(one.token), looks=plain(one.looks), place=one.place) for one in found]


def post_of(script: WrittenScript) -> str:
    """What is posted, where that was asked for."""
    return plain(str(script.model_dump().get("post_text", "")))


def reworded_of(answer: Answer | None) -> str:
    """The softer prompt; empty where there is none."""
    if answer is None or answer.reply.refusal or answer.reply.truncated:
        return ""
    try:
        return plain(Reworded.model_validate_json(answer.reply.json_text).prompt)
    except ValidationError:
        return ""


def scene_text(scene: WrittenScene, brief: Brief) -> SceneText:
    """A scene as it is kept, within what its model and its film take."""
    prompt = fitted(scene.prompt.strip(), brief.max_prompt)
    said = scene.narration if isinstance(scene, NarratedScene) else None
    narration = narration_of(said or "", brief.narration_words) if brief.narration_words else None
    return SceneText(prompt=prompt, caption=caption_of(scene.caption or ""), narration=narration)


def shortened_notes(brief: Brief, scenes: Sequence[WrittenScene]) -> list[str]:
    """Said where a prompt was too long for its model."""
    long = [str(number) for number, scene in enumerate(scenes, start=1) if len(scene.prompt.strip()) > brief.max_prompt]
    if not long:
        return []
    return [f"Shortened to the {brief.max_prompt} characters that the model takes: scene {', '.join(long)}."]
