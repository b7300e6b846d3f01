"""The versions of a film: chosen again, and laid side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flask import Response, g, render_template, request
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.records import Cut, Run
from pipelines.domain.state.delivery import JoinedScene
from pipelines.stages.delivery import restore
from pipelines.stages.films.versions import version_of
from pipelines.stages.views import run_view
from pipelines.stages.views.documents import CutView, RunView
from webapp.access.rules import Door, Owner, Subjects, declares
from webapp.api.decisions import ChooseClip, Restore
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.errors import not_here
from webapp.pages.blueprint import bp
from webapp.pages.filters import named
from webapp.pages.forms import number
from webapp.pages.runs import on_run, signed_in_person, subjects

_SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two films, with its scenes as they went into it."""

    run: RunView
    cut: CutView
    scenes: Mapping[int, JoinedScene]
    costs: Mapping[str, float]
    """What each clip came to, by its id."""

    @property
    def cost_usd(self) -> float:
        """Of the clips that the film shows."""
        return sum(self.costs.get(clip_id, 0.0) for clip_id in {scene.clip_id for scene in self.scenes.values()})

    @property
    def models(self) -> str:
        """Who made them."""
        return ", ".join(dict.fromkeys(named(scene.model) for scene in self.scenes.values()))

    @property
    def label(self) -> str:
        """What people call it."""
        of_row = f"Run {self.run['number']}, " if self.run["record_id"] else ""
        return f"{of_row}version {self.cut['take'] + 1}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs of one scene."""

    number: int
    left: JoinedScene | None
    right: JoinedScene | None
    same_clip: bool
    words: Sequence[tuple[str, str]]
    """Pieces of the prompts: what both say (`same`), only the left one (`gone`), and only the right one (`new`)."""


@bp.post("/runs/<run_id>/restore")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def restore_version(run_id: str) -> Response | Redirect:
    """Choose an earlier film again. It costs nothing."""
    take = validated(Restore, {"take": number(request.form.get("take", ""), whole=True)}).take
    return on_run(run_id, lambda: restore.restore(services(), run_id, take, actor().name, press=g.get("press")))


@bp.post("/runs/<run_id>/scenes/<int(max=50):n>/choose")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def choose(run_id: str, n: int) -> Response | Redirect:
    """Choose an earlier clip of a scene again. It costs nothing."""
    clip_id = validated(ChooseClip, {"clip_id": request.form.get("clip_id", "")}).clip_id
    return on_run(run_id, lambda: restore.choose(services(), run_id, n, clip_id, actor().name, press=g.get("press")))


def compared(**_: object) -> Subjects:
    """A signed link opens what it would open of both: two versions of its run, or two runs of its row."""
    runs = [found[1].id for name in _SIDES if (found := _film(request.args.get(name, "")))]
    if len(runs) != len(_SIDES):
        return Subjects({"run": None, "record": None})
    left, right = (subjects(run_id) for run_id in runs)
    both = {kind: value if right.opens.get(kind) == value else None for kind, value in left.opens.items()}
    return Subjects(both, left.account_id)


@bp.get("/compare")
@declares(Door.LINK, Owner.ACCOUNT, subjects=compared)
def compare_page() -> str:
    """Two films beside each other, and what differs."""
    left, right = (_side(request.args.get(name, "")) for name in _SIDES)
    return render_template(
        "compare.html", sides=(left, right), differences=list(_differences(left, right)), person=signed_in_person()
    )


def _film(cut_id: str) -> tuple[Cut, Run] | None:
    with services().store.read() as tx:
        cut = tx.cuts.get(cut_id) if cut_id else None
        run = tx.runs.get(cut.run_id) if cut is not None and not cut.animatic else None
    return None if cut is None or run is None else (cut, run)


def _side(cut_id: str) -> Side:
    found = _film(cut_id)
    if found is None:
        raise not_here("film")
    cut, run = found
    with services().store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
        numbers = {scene.id: scene.number for scene in scenes}
        version = version_of(tx, run, scenes, cut.take)
    view = run_view.run_view(services(), run.id)
    shown = next((one for one in view["cuts"] if one["cut_id"] == cut.id), None)
    if shown is None:
        raise not_here("film")
    costs = {clip["clip_id"]: clip["cost_usd"] for scene in view["scenes"] for clip in scene["clips"]}
    return Side(view, shown, {numbers[one.scene_id]: one for one in version.scenes if one.scene_id in numbers}, costs)


def _differences(left: Side, right: Side) -> Iterator[Difference]:
    for n in sorted({*left.scenes, *right.scenes}):
        one, other = left.scenes.get(n), right.scenes.get(n)
        words = list(_words(one.prompt if one else "", other.prompt if other else ""))
        same = one is not None and other is not None and one.clip_id == other.clip_id
        if not (same and one is not None and other is not None and one.caption == other.caption):
            yield Difference(n, one, other, same, words)


def _words(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Word by word; a text beyond what anybody compares so is shown as a whole."""
    old, new = before.split(), after.split()
    if len(old) + len(new) > _MOST_WORDS:
        yield from (("gone", before), ("new", after))
        return
    for what, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            yield "same", " ".join(old[a:b])
            continue
        if b > a:
            yield "gone", " ".join(old[a:b])
        if d > c:
            yield "new", " ".join(new[c:d])


_MOST_WORDS = 1500
