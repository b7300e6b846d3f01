"""The parts of a page, each rendered by itself: the first page holds them all, the script swaps in what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, json, render_template, request
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from pipelines.domain.footage import Transition
from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import MOVING, GenerationStatus, RunStatus
from pipelines.domain.money import dollars
from pipelines.domain.orders.order import ASPECT_RATIOS, RESOLUTIONS
from pipelines.stages.base_rows import next_action, time_left
from pipelines.stages.decisions import dry_run
from pipelines.stages.review import shares
from pipelines.stages.views import run_view
from pipelines.stages.views.documents import CutView, RunView, SceneView, UsageRow
from webapp.api.operate import catalogue, stopped
from webapp.context import actor, services
from webapp.pages.filters import asset, named, tone

MOVING_S, STOPPED_S = 2, 15
"""How often a page asks, in seconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of HTML, and a mark that is the same as long as it looks the same."""

    html: Markup
    mark: str


def part(template: str, **context: Any) -> Part:
    """Render one part. The form token differs each time and does not count."""
    html = render_template(f"parts/{template}.html", **context)
    return Part(Markup(html), digest(html.replace(generate_csrf(), ""))[:16])  # noqa: S704 - our own template's output


@dataclass(frozen=True, slots=True)
class Typed:
    """A form of a run's page that was refused: what stood in it, which scene it is about (None: the approval), and why.
    What was typed stands there again.
    """

    fields: Mapping[str, str]
    scene: int | None
    why: str
    top_up_url: str | None = None

    def of(self, scene: int) -> Mapping[str, str]:
        """What was typed to make a scene again."""
        return self.fields if scene == self.scene else {}

    def approving(self, scene: int) -> Mapping[str, str]:
        """What was typed for a scene to be approved."""
        names = ("prompt", "seconds") if self.scene is None else ()
        return {name: self.fields[key] for name in names if (key := f"{name}-{scene}") in self.fields}


def run_parts(run_id: str, typed: Typed | None = None) -> tuple[dict[str, Any], dict[str, Part]]:
    """A run as the page needs it, and its parts. Raises NotFound."""
    run = _dressed(run_view.run_view(services(), run_id))
    may = actor().may("trigger")
    models = [model for model in catalogue().models if model.configured and model.warning is None] if may else []
    shared = {"run": run, "person_may_act": may, "models": models, "going_on_usd": _going_on(run) if may else None}
    shared["transitions"] = [each.value for each in Transition]
    shared["frames"] = {"resolution": RESOLUTIONS, "aspect_ratio": ASPECT_RATIOS}
    shared["written_off_usd"] = _written_off(run) if may else {}
    again = _prices(run, [model.id for model in models]) if may and "regenerate" in run["actions"] else {}
    made = {name: part(name, **shared) for name in ("head", "decide", "film", "versions", "costs")}
    made["history"] = part("history", **shared, history=_history(run))
    made["review"] = part("review", **shared, **_review(run))
    for scene in run["scenes"]:
        number = scene["number"]
        words = {"typed": typed.of(number) if typed else {}, "approving": typed.approving(number) if typed else {}}
        made[f"scene-{number}"] = part("scene", scene=scene, prices=again.get(number, {}), **words, **shared)
    return run, made


def _review(run: dict[str, Any]) -> dict[str, Any]:
    """The links by which the run's films are shown, and what was said by each."""
    core = services()
    now = core.clock.now()
    with core.store.read() as tx:
        found = tx.shares.find(run_id=run["run_id"], order="-created_at")
        said = tx.comments.find(run_id=run["run_id"], order="at") if found else []
    links = [
        {
            "share": share,
            "live": shares.is_live(share, now),
            "url": shares.page_url(core, share),
            "comments": [one for one in said if one.share_id == share.id],
        }
        for share in found
    ]
    may_share = any(cut["url"] and not cut["animatic"] for cut in run["cuts"])
    return {"shares": links, "may_share": may_share, "clock": shares.clock}


def _going_on(run: dict[str, Any]) -> float | None:
    """What is bought at most by approving, or going on with, a run, in dollars. A row read anew has none."""
    if not {"approve", "retry"} & set(run["actions"]) or not run["scenes"]:
        return None
    return dollars(dry_run.going_on(services(), run["run_id"]).shown_micro)


def _written_off(run: dict[str, Any]) -> dict[str, float]:
    """What is bought at most by counting a request in doubt as spent, in dollars, by the request."""
    asked = [choice["generation_id"] for choice in run["choices"]]
    return {each: dollars(dry_run.decision(services(), each, "write_off").price_micro) for each in asked}


def _prices(run: dict[str, Any], models: Sequence[str]) -> dict[int, dict[str, float]]:
    """What making a scene again costs at most, in dollars, by its number and the model."""
    found = dry_run.regeneration_prices(services(), run["run_id"], models)
    return {number: {model: dollars(price) for model, price in by.items()} for number, by in found.items()}


def _dressed(run: RunView) -> dict[str, Any]:
    """The API's view plus what only a page shows."""
    scenes = [_scene(scene, run["status"]) for scene in run["scenes"]]
    films = [cut for cut in run["cuts"] if cut["url"] and not cut["animatic"]]
    # While a scene is made again, the film that is there stays to be seen.
    films = [cut for cut in films if cut["take"] == max(film["take"] for film in films)]
    films.sort(key=_place_in(run))
    animatics = [cut for cut in run["cuts"] if cut["url"] and cut["animatic"]]
    rest = run["seconds_left"]
    current = [(scene["number"], scene["current_clip"]) for scene in scenes if scene["current_clip"]]
    placeholders = [number for number, clip in current if clip["placeholder"]]
    extra = {
        "said": _unless_at(scenes, run["sentence"]),
        "placeholders": placeholders,
        "stands": bool(placeholders) and not _goes_on(run),
        "scenes": scenes,
        "in_doubt": any(scene["word"] == _IN_DOUBT for scene in scenes),
        "clips_ready": len(current),
        "under_way": sum(1 for scene in scenes for gen in scene["generations"] if gen["status"] in _UNDER_WAY),
        "films": films or animatics[-1:],
        "versions": list(_versions(run)),
        "left": None if rest is None else time_left.said(rest, services().clock.now()),
        "stopped_all": stopped().on and RunStatus(run["status"]) in MOVING,
    }
    return {**run, **extra}


def _goes_on(run: RunView) -> bool:
    """Whether to try again can change anything."""
    if run["status"] != RunStatus.NEEDS_ATTENTION:
        return True
    with services().store.read() as tx:
        found = tx.runs.get(run["run_id"])
        way = next_action.next_action(tx, found) if found else None
    return way is None or way.goes_on


def _unless_at(scenes: Sequence[Mapping[str, Any]], sentence: str) -> str:
    """What stands at one of the scenes already is only pointed to."""
    short = sentence
    for scene in scenes:
        if error := scene["error"]:
            short = short.replace(f": {error}", ": what is wrong stands below.").replace(f" {error}", "")
    return short.replace(".; ", "; ") if short.endswith(".") else sentence


def _place_in(run: RunView) -> Callable[[CutView], tuple[int, str, int]]:
    """How the films of a run are listed: as they were ordered."""
    plan = run["plan"]
    languages: dict[str | None, int] = {name: at for at, name in enumerate(plan["languages"] if plan else ())}
    formats = {name: at for at, name in enumerate(plan["formats"] if plan else ())}
    return lambda cut: (
        languages.get(cut["language"], 0),
        cut["hook"] or "",
        formats.get(cut["format"], len(formats)),
    )


def _versions(run: RunView) -> Iterator[CutView]:
    """One film for each take, which is its first, the newest take first."""
    films = [cut for cut in run["cuts"] if not cut["animatic"]]
    for take in sorted({cut["take"] for cut in films}, reverse=True):
        yield min((cut for cut in films if cut["take"] == take), key=_place_in(run))


_VIEWS = {"milestones": "Milestones", "money": "Money", "everything": "Everything"}


def history_asked() -> str | None:
    """The filter of the history that the page was asked for, for the addresses that keep it."""
    asked = request.args.get("history")
    return asked if asked in _VIEWS else None


def _history(run: dict[str, Any]) -> dict[str, Any]:
    """What happened, as far as it is asked for, the newest first. The small steps are the operator's."""
    views = {name: label for name, label in _VIEWS.items() if name != "everything" or actor().may("admin")}
    asked = history_asked()
    view = asked if asked in views else "milestones"
    began = datetime.fromisoformat(run["created_at"])
    events = [
        {
            **event,
            # What stands in the row as well says what to copy into it.
            "sentence": _unless_at(run["scenes"], event["sentence"])
            if run["sentence"] in event["sentence"]
            else named(event["sentence"]),
            "elapsed": (datetime.fromisoformat(event["at"]) - began).total_seconds(),
        }
        for event in reversed(run["events"])
        if view == "everything" or view in event["about"]
    ]
    return {"views": views, "view": view, "events": events}


_WAITING = frozenset({"Queued", "Generating"})
_IN_DOUBT = "In doubt"
_UNDER_WAY = frozenset({GenerationStatus.SUBMITTING, GenerationStatus.SUBMITTED, GenerationStatus.RUNNING})


def _word(scene: SceneView, status: str) -> str:
    """How a scene is, as far as it is still true once the run has stopped."""
    if scene["generations"] and scene["generations"][-1]["status"] == "unknown":
        return _IN_DOUBT
    if scene["status"] in _WAITING and status in (RunStatus.CANCELLED, RunStatus.FAILED):
        return "Not made"
    if scene["status"] in _WAITING and status == RunStatus.NEEDS_APPROVAL:
        return "Planned"
    return scene["status"]


def _scene(scene: SceneView, status: str) -> dict[str, Any]:
    current = [clip for clip in scene["clips"] if clip["current"]]
    return {
        **scene,
        "word": _word(scene, status),
        "current_clip": current[-1] if current else None,
        "older_clips": [clip for clip in scene["clips"] if not clip["current"] and clip["url"]],
    }


_LEADS = {"warn": "● ", "good": "✓ ", "bad": "✕ "}
"""What a tab says before its title, by the tone of a run's status."""


def tab_title(run: Mapping[str, Any]) -> str:
    """`58 % · A fox`, and `✓ A fox` once it is there."""
    lead = (
        f"{round(run['progress'] * 100)} % · "
        if RunStatus(run["status"]) in MOVING
        else _LEADS.get(tone(run["status"]), "")
    )
    return f"{lead}{run['title']} · Reelgrid"


def tab_icon(run: Mapping[str, Any]) -> str:
    """The address of the icon that a run's tab shows."""
    return asset(f"mark-{tone(run['status'])}.svg")


def live(
    parts: Mapping[str, Part],
    *,
    every: int,
    title: str | None = None,
    icon: str | None = None,
    says: str | None = None,
) -> Response:
    """The parts that whoever asks does not have yet (it names the marks of those it has), and after how many seconds
    to ask again; 0 is never. `says` is read out to those who listen, when it changes.
    """
    known = frozenset(request.args.get("marks", "").split("."))
    new = {name: one for name, one in parts.items() if one.mark not in known}
    body = {
        "title": title,
        "icon": icon,
        "says": says,
        "every": every,
        "parts": {name: {"mark": one.mark, "html": str(one.html)} for name, one in new.items()},
    }
    return Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")


def pace(*, moving: bool) -> int:
    """How soon a page that shows runs asks again."""
    return MOVING_S if moving else STOPPED_S


def usage_days(rows: list[UsageRow], days: list[str], tall: float) -> list[dict[str, Any]]:
    """One bar per day; the highest is `tall` units."""
    spent = {row["day"]: row["spent_usd"] for row in rows}
    most = max(spent.values(), default=0.0) or 1.0
    return [
        {"day": day, "spent_usd": spent.get(day, 0.0), "height": round(spent.get(day, 0.0) / most * tall, 1)}
        for day in days
    ]
