"""Our facts as values of the base's fields. Everything that stages want in a row is built here, so that one outcome
always looks the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypedDict

from pipelines.domain.airtable.fields import SceneField, SettingsField, VersionField, VideoField
from pipelines.domain.lifecycle import AIRTABLE_STATUS
from pipelines.domain.money import dollars
from pipelines.domain.orders.field_labels import SCENE_LABELS
from pipelines.domain.records import Run, Scene
from pipelines.domain.times import iso

MAX_TEXT = 2_000
"""Longer sentences are cut: the page has room for all of it, a grid has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFile:
    """A file of an attachment cell. Airtable fetches the `url` of a new one itself, some seconds later; one that it has
    is named by its `id`, and not fetched again.
    """

    url: str = ""
    filename: str = ""
    id: str | None = None
    size: int | None = None
    """In bytes, where it is known: so a film that is in its cell already is recognised. Airtable tells it of what it
    has fetched."""
    type: str = ""


class FileInCell(TypedDict, total=False):
    """One file in the wanted value of an attachment cell, as Airtable takes it."""

    id: str
    url: str
    filename: str
    size: int
    others: bool


Cell: TypeAlias = str | float | Sequence[str] | Sequence[FileInCell] | None
Cells: TypeAlias = dict[str, Cell]
"""What a row of the base should say, by our names of its fields."""

OTHERS: FileInCell = {"others": True}
"""In the wanted value of an attachment cell: whatever else stands there stays, behind what is named before."""


def attachments(files: Sequence[CellFile], keep: Sequence[str] = ()) -> list[FileInCell]:
    """The whole value of an attachment cell: ids to keep first, since what is not listed is removed."""
    return [*(FileInCell(id=kept) for kept in keep), *(_attachment(file) for file in files)]


def files_in(cell: object) -> list[CellFile]:
    """The files that a cell names, whether we want them there or Airtable says so."""
    items = [item for item in cell if isinstance(item, Mapping) and item != OTHERS] if isinstance(cell, list) else []
    return [_file(**{str(name): value for name, value in item.items()}) for item in items]


def _file(
    *, url: object = "", filename: object = "", id: object = None, size: object = None, type: object = "", **_: object
) -> CellFile:
    return CellFile(
        url=str(url or ""),
        filename=str(filename or ""),
        id=str(id) if id else None,
        size=size if isinstance(size, int) else None,
        type=str(type or ""),
    )


def with_ids(files: Sequence[CellFile], ids: Mapping[str, str]) -> list[FileInCell]:
    """A cell as it was sent, with Airtable's ids of its files by their names."""
    return [{"url": file.url, **_attachment(replace(file, id=ids[file.filename]))} for file in files]


def _attachment(file: CellFile) -> FileInCell:
    cell: FileInCell = {"id": file.id} if file.id else {"url": file.url}
    if file.filename:
        cell["filename"] = file.filename
    if file.size is not None:
        cell["size"] = file.size
    return cell


def shorten(text: str | None, limit: int = MAX_TEXT) -> str | None:
    """The text, cut with an ellipsis where it is too long for a cell; None for an empty one."""
    if not text:
        return None
    return text if len(text) <= limit else text[: limit - 1] + "…"


def video_fields(
    run: Run,
    *,
    now: float,
    progress: float,
    cost_micro: int | None = None,
    page_url: str | None = None,
    decide: str | None = None,
    detail: str | None = None,
) -> Cells:
    """What a `Videos` row says of its run. `progress` is 0 to 1; `detail` replaces the run's own sentence."""
    return {
        VideoField.STATUS: AIRTABLE_STATUS[run.status],
        VideoField.PROGRESS: round(min(max(progress, 0.0), 1.0), 2),
        VideoField.STATUS_DETAIL: shorten(detail or run.detail),
        VideoField.ERROR: shorten(run.error),
        VideoField.ESTIMATED_COST: _dollars(run.quote_micro),
        VideoField.ACTUAL_COST: _dollars(cost_micro),
        VideoField.RUN: run.number,
        VideoField.RUN_ID: run.id,
        VideoField.PROGRESS_PAGE: page_url,
        VideoField.DECIDE: decide,
        VideoField.VERDICT: shorten(run.verdict),
        VideoField.STARTED_AT: iso(run.started_at),
        VideoField.FINISHED_AT: iso(run.finished_at),
        VideoField.LAST_UPDATE: iso(now),
    }


def delivery_fields(
    *,
    video_url: str,
    duration_s: float,
    films: Sequence[CellFile] | None = None,
    posters: Sequence[CellFile] | None = None,
    keep_others: bool = False,
) -> Cells:
    """What a finished cut adds to its row. `films` and `posters` None leave those cells as they are; `keep_others`
    leaves what stands in `Final Video` behind the new films.
    """
    fields: Cells = {VideoField.VIDEO_URL: video_url, VideoField.DURATION: round(duration_s, 2)}
    if films is not None:
        fields[VideoField.FINAL_VIDEO] = [*attachments(films), *[OTHERS] * keep_others]
    if posters is not None:
        fields[VideoField.POSTER] = attachments(posters)
    return fields


def prompt_in_row(scene: Scene) -> str:
    """The text that stands in the scene's row: a person's, whatever else was bought for it."""
    return scene.settings.row_prompt or scene.attempt_level.rewritten or scene.prompt


def made_with(scene: Scene) -> str | None:
    """Said in the row when the clip was not made from the text that stands there; None when it was."""
    if scene.clip_id is None or prompt_in_row(scene) == scene.prompt:
        return None
    if scene.attempt_level.rewritten:
        return f"The video service refused this text. Made with a softer one: “{scene.prompt}”"
    return f"Made with a prompt that was given on its page: “{scene.prompt}” Tick Regenerate to use this text instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """What Reelgrid knows of a scene beside its row of the database."""

    now: float
    attempts: int = 0
    cost_micro: int | None = None
    job_id: str | None = None
    clip_url: str | None = None


def scene_fields(scene: Scene, facts: SceneFacts, *, record_id: str | None = None) -> Cells:
    """What a `Scenes` row says. Pass `record_id` (of the video) for rows that we create: it links them.

    Prompt, caption, seconds and number are included: we wrote them, until a person edits them.
    """
    fields: Cells = {
        SceneField.SCENE_KEY: scene.key,
        SceneField.NUMBER: scene.number,
        SCENE_LABELS["prompt"]: prompt_in_row(scene),
        SCENE_LABELS["caption"]: scene.caption,
        SCENE_LABELS["narration"]: scene.narration,
        SCENE_LABELS["seconds"]: scene.seconds,
        SCENE_LABELS["transition"]: scene.transition,
        SCENE_LABELS["continues"]: scene.continues,
        SCENE_LABELS["model"]: scene.model or None,
    }
    if scene.hook:
        fields[SCENE_LABELS["hook"]] = scene.hook
    fields |= scene_state(scene, facts)
    if record_id is not None:
        fields[SceneField.VIDEO] = [record_id]
    return fields


def scene_state(scene: Scene, facts: SceneFacts) -> Cells:
    """Only what Reelgrid knows of a scene, for rows whose text belongs to a person."""
    return {
        SceneField.STATUS: scene.status.value,
        SceneField.ATTEMPTS: facts.attempts,
        SceneField.COST: _dollars(facts.cost_micro),
        SceneField.PROVIDER_JOB_ID: facts.job_id,
        SceneField.ERROR: shorten(scene.error or made_with(scene)),
        SceneField.CLIP_URL: facts.clip_url,
        SceneField.LAST_UPDATE: iso(facts.now),
    }


def version_fields(
    *,
    key: str,
    record_id: str,
    run: int,
    created_at: float,
    cost_micro: int,
    model: str,
    what_changed: str,
    films: Sequence[CellFile],
    posters: Sequence[CellFile] = (),
    hooks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> Cells:
    """One row of `Versions`: a run's cut for good. A base of before hooks or languages has no column for them."""
    return {
        VersionField.VERSION_KEY: key,
        VersionField.VIDEO: [record_id],
        VersionField.RUN: run,
        VersionField.FINAL_VIDEO: attachments(films),
        VersionField.POSTER: attachments(posters),
        VersionField.COST: _dollars(cost_micro),
        VersionField.MODEL: model,
        VersionField.WHAT_CHANGED: shorten(what_changed),
        VersionField.CREATED_AT: iso(created_at),
        **({VersionField.HOOK: ", ".join(hooks)} if hooks else {}),
        **({VersionField.LANGUAGE: ", ".join(languages)} if languages else {}),
    }


def settings_fields(*, spent_today_micro: int, status: str) -> Cells:
    """What Reelgrid writes into the `Settings` row."""
    return {SettingsField.SPENT_TODAY: _dollars(spent_today_micro), SettingsField.STATUS: shorten(status)}


def difference(wanted: Mapping[str, object], sent: Mapping[str, object]) -> dict[str, object]:
    """The part of a desired row that Airtable has not confirmed; empty when only `Last Update` differs."""
    changed = {name: value for name, value in wanted.items() if name not in sent or sent[name] != value}
    return {} if set(changed) == {VideoField.LAST_UPDATE.value} else changed


def _dollars(micro: int | None) -> float | None:
    return None if micro is None else dollars(micro)
