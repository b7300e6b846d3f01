"""Hooks: only the first scene is written and bought again, one film for each, and the row says what each cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.errors import InvalidOrder, NotConfigured, OutOfCredit, RateLimited, ReelgridError, Refused
from pipelines.domain.footage import FilmPlan
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.hooks import TOO_ALIKE, differing, overlap
from pipelines.domain.planning.script import SceneText
from pipelines.domain.records import Run
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.delivery import pack as packs
from pipelines.stages.orders import plan_run
from pipelines.testing import Outcome
from tests.stages.stage_fixtures import StageHarness

ORDER = {"Master Prompt": "A fox and a lantern", "Scene Count": 3, "Formats": ["9:16"], "Hooks": 3}


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def letters(house: StageHarness, run: Run) -> list[tuple[str, str]]:
    return [(cut.hook, cut.format) for cut in house.cuts(run)]


ALL_SIX = [(hook, shape) for hook in "abc" for shape in ("16:9", "9:16")]


def test_three_hooks_in_two_formats_are_six_films_of_scenes_and_two_more_clips(house: StageHarness) -> None:
    record_id, run = house.film(Title="Fox", **ORDER)
    assert run.status is RunStatus.DONE, run.error
    assert letters(house, run) == ALL_SIX
    assert len(house.bought) == 3 + 2
    with house.services.store.read() as tx:
        places = [gen.request.card for gen in tx.generations.find(run_id=run.id)]
    assert sorted((place.number, place.total) for place in places) == [(1, 3), (1, 3), (1, 3), (2, 3), (3, 3)]
    assert [(scene.number, scene.hook) for scene in house.scenes(run)] == [
        (1, "a"), (2, ""), (3, ""), (4, "b"), (5, "c"),
    ]  # fmt: skip
    assert [scene.key.removeprefix(f"{record_id}-r1-") for scene in house.scenes(run)] == [
        "01", "02", "03", "01-b", "01-c",
    ]  # fmt: skip
    names = [cut.filename for cut in house.cuts(run)]
    assert names[0] == "fox-r1-16x9-a.mp4"
    assert len(set(names)) == 6
    cells = house.cells(record_id)
    assert [file["filename"] for file in cells["Final Video"]] == names
    lines = cells["Variants"].splitlines()
    assert [line.split(" · ")[:2] for line in lines] == [[f"Hook {hook}", shape] for hook, shape in ALL_SIX]
    assert [row.get("Hook") for row in sorted(house.scene_rows(), key=lambda row: row["Scene #"])] == [
        "a", None, None, "b", "c",
    ]  # fmt: skip
    assert house.balanced()


def test_each_film_begins_with_its_own_hook_and_goes_on_alike(house: StageHarness) -> None:
    _, run = house.film(**ORDER)
    scenes, shown = {scene.hook: scene for scene in house.scenes(run) if scene.hook}, {}
    for hook, scene in scenes.items():
        films = [plan for plan in house.editor.films if _begins_with(house, plan, scene.clip_id or "")]
        assert len(films) == 2, hook
        shown[hook] = [tuple(piece.name for piece in film.pieces[1:]) for film in films]
    assert len(house.editor.films) == 6
    assert shown["a"] == shown["b"] == shown["c"]


def _begins_with(house: StageHarness, plan: FilmPlan, clip_id: str) -> bool:
    with house.services.store.read() as tx:
        clip = tx.clips.get(clip_id)
    assert clip is not None
    return plan.pieces[0].name in {Path(key).name for key in (clip.key, *clip.prepared.values())}


def test_each_further_hook_is_a_line_of_the_quote(house: StageHarness) -> None:
    house.writer.cost_micro = 5_000
    one = plan_run.plan_order(house.services, Order(master_prompt="A fox", scene_count=3))
    three = plan_run.plan_order(house.services, Order(master_prompt="A fox", scene_count=3, hooks=3))
    labels = [label for label, _ in three.lines]
    clip = one.scenes[0].price_micro
    assert [label.partition(":")[0] for label in labels[1:]] == ["Hook b", "Hook c", "Scene writing", "Hook writing"]
    assert [amount for _, amount in three.lines] == [3 * clip, clip, clip, 5_000, 5_000]
    assert three.quote_micro == one.quote_micro + 2 * clip + 5_000
    assert (one.hooks, three.hooks) == (("",), ("a", "b", "c"))


def test_one_hook_plans_as_if_there_were_none(house: StageHarness) -> None:
    record_id, run = house.film(**{**ORDER, "Hooks": 1})
    assert [scene.hook for scene in house.scenes(run)] == ["", "", ""]
    assert [cut.filename for cut in house.cuts(run)] == [f"{record_id}-r1-16x9.mp4", f"{record_id}-r1-9x16.mp4"]
    assert not house.writer.hook_briefs
    assert "Variants" not in house.cells(record_id)


def test_hooks_that_say_the_same_are_left_out_and_the_row_says_so(house: StageHarness) -> None:
    house.writer.alike = 1
    _, run = house.film(**ORDER)
    assert letters(house, run) == ALL_SIX[:4]
    assert len(house.bought) == 4
    assert run.known_order.hooks == 2
    notes = [event.detail.sentence for event in house.events(run, "note")]
    assert any("3 hooks were asked for. 2 could be written that differ enough" in (note or "") for note in notes)
    house.writer.alike = 2
    _, other = house.film(**{**ORDER, "Master Prompt": "A whale and a piano"})
    assert [(cut.hook, cut.format) for cut in house.cuts(other)] == [("", "16:9"), ("", "9:16")]
    assert house.balanced()


@pytest.mark.parametrize(
    "error",
    [Refused("no", marketer="It declined."), OutOfCredit("402", marketer="It is out of credit."), NotConfigured("401")],
)
def test_a_writer_that_declines_or_is_not_there_costs_no_film(error: ReelgridError, house: StageHarness) -> None:
    record_id = house.row(Prompt="A cat sleeps\nA dog barks", Hooks=2)
    error.cost_micro = 700
    house.writer.fail = error
    run = house.make(record_id)
    assert (run.status, letters(house, run)) == (RunStatus.DONE, [("", "16:9")])
    assert error.marketer in house.cells(record_id)["Status Detail"]
    assert house.balanced()


def test_scenes_of_a_person_keep_their_words_and_style_and_get_hooks(house: StageHarness) -> None:
    _, run = house.film(Prompt="A cat sleeps\nA dog barks", Hooks=2, **{"Style Notes": "ink drawing"})
    assert run.status is RunStatus.DONE
    assert [scene.prompt for scene in house.scenes(run)][:2] == ["A cat sleeps", "A dog barks"]
    assert {scene.settings.style for scene in house.scenes(run)} == {"ink drawing"}
    assert letters(house, run) == [("a", "16:9"), ("b", "16:9")]


def test_the_same_row_again_buys_nothing_and_fewer_hooks_neither(house: StageHarness) -> None:
    record_id, _ = house.film(**ORDER)
    again = house.make(record_id)
    assert letters(house, again) == ALL_SIX
    assert len(house.bought) == 5
    house.airtable.edit("Videos", record_id, Hooks=2)
    fewer = house.make(record_id)
    assert letters(house, fewer) == ALL_SIX[:4]
    assert (len(house.bought), len(house.writer.hook_briefs)) == (5, 1)
    house.airtable.edit("Videos", record_id, Hooks=1)
    house.make(record_id)
    assert house.cells(record_id).get("Variants") is None
    assert len(house.bought) == 5


def test_a_new_clip_for_a_hook_changes_its_films_only(house: StageHarness) -> None:
    _, run = house.film(**ORDER)
    regenerate.regenerate(house.services, run.id, 4, {"prompt": "A comet falls into the sea"}, "a test")
    run = house.until(run.id, "done", "needs_attention", "failed")
    house.settle()
    assert run.status is RunStatus.DONE
    assert letters(house, run) == ALL_SIX
    assert len(house.bought) == 6
    scenes = {scene.number: scene for scene in house.scenes(run)}
    assert (scenes[4].hook, scenes[4].prompt) == ("b", "A comet falls into the sea")


def test_too_many_films_are_refused_with_the_number_that_would_pass(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path)
    services = replace(house.services, policy=replace(house.services.policy, max_cuts_per_run=8))
    wide = Order(master_prompt="A fox", formats=("9:16", "1:1"), hooks=3)
    with pytest.raises(InvalidOrder) as refused:
        plan_run.plan_order(services, wide)
    (problem,) = refused.value.problems
    assert problem.field == "hooks"
    assert "3 hooks in 3 formats are 9 films, and a run makes at most 8. With these formats, 2 would pass." in str(
        problem
    )
    assert len(plan_run.plan_order(services, replace(wide, hooks=2)).hooks) == 2
    for hooks in (0, 6):
        with pytest.raises(InvalidOrder, match="from 1 to 5"):
            plan_run.plan_order(services, replace(wide, hooks=hooks))


def test_hooks_differ_in_most_of_their_words() -> None:
    one = SceneText(prompt="A red fox runs over the white snow at dawn", caption="The fox runs")
    near = SceneText(prompt="A red fox runs over the white snow at night", caption="Snow")
    far = SceneText(prompt="An old lantern hums in an empty kitchen", caption="A light")
    said = SceneText(prompt="A close picture of a burning match", caption="The fox runs")
    assert overlap(one.prompt, near.prompt) >= TOO_ALIKE > overlap(one.prompt, far.prompt)
    assert differing([one], (), [near, far, far, said]) == [far]
    assert differing([one], [far], [near, far, said]) == []
    again = "in grey Lisbon rain, ink on paper"
    film = [SceneText(prompt=f"A tram climbs {again}"), SceneText(prompt=f"A cat sleeps {again}")]
    assert differing(film, (), [SceneText(prompt=f"A bell rings {again}")]) != []
    assert differing(film, (), [SceneText(prompt=f"A tram climbs {again} slowly")]) == []
    assert overlap("狐が雪の森を走る", "狐が雪の森を歩く") >= TOO_ALIKE


def test_a_hook_whose_row_is_deleted_before_approval_is_not_made(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path, approval_above_micro=0)
    record_id = house.row(**ORDER)
    run = house.until(house.trigger(record_id), "needs_approval")
    house.settle()
    assert not house.bought
    rows = house.airtable.tables["Scenes"]
    gone = next(row_id for row_id, row in rows.items() if row.get("Hook") == "b")
    house.airtable.delete("Scenes", gone)
    control.approve(house.services, run.id, "a test")
    run = house.until(run.id, "done", "failed", "needs_attention")
    house.settle()
    assert (run.status, letters(house, run)) == (RunStatus.DONE, ALL_SIX[:4])
    assert len(house.bought) == 4
    assert house.balanced()


def test_a_hook_that_a_person_wrote_in_scenes_is_made_as_written(house: StageHarness) -> None:
    record_id = house.row(Title="Own", Hooks=2)
    for number, (prompt, hook) in enumerate([("A cat sleeps", None), ("A dog barks", None), ("A bell", "b")], start=1):
        row = {"Video": [record_id], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Hook": hook}
        house.airtable.add("Scenes", **row)
    house.airtable.edit("Videos", record_id, Scenes=house.scene_ids())
    run = house.make(record_id)
    assert run.status is RunStatus.DONE, run.error
    assert letters(house, run) == [("a", "16:9"), ("b", "16:9")]
    assert sorted(house.bought) == ["A bell", "A cat sleeps", "A dog barks"]
    assert not house.writer.hook_briefs


def test_a_scene_that_goes_on_from_the_first_goes_on_from_hook_a(house: StageHarness) -> None:
    record_id = house.row(Title="On", Hooks=2)
    for number, prompt in enumerate(["A cat sleeps", "A dog barks"], start=1):
        row = {"Video": [record_id], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Continue": number == 2}
        house.airtable.add("Scenes", **row)
    house.airtable.edit("Videos", record_id, Scenes=house.scene_ids())
    run = house.make(record_id)
    assert run.status is RunStatus.DONE, run.error
    assert [scene.continues for scene in house.scenes(run)] == [False, True, False]
    notes = [event.detail.sentence for event in house.events(run, "note")]
    assert any("goes on from the last picture of hook a" in (note or "") for note in notes)


def test_a_run_that_stops_before_its_hooks_are_written_pays_no_text_twice(house: StageHarness) -> None:
    house.writer.cost_micro = 1_000
    record_id = house.row(**ORDER)
    run_id = house.trigger(record_id)
    house.until(run_id, "writing")
    house.writer.fail = RateLimited("slow down")
    run = house.until(run_id, "done", "failed", "needs_attention")
    house.settle()
    assert run.status is RunStatus.DONE
    assert (len(house.writer.briefs), len(house.writer.hook_briefs)) == (1, 1)
    assert house.balanced()


def test_cancelled_and_continued_hooks_are_bought_once(house: StageHarness) -> None:
    record_id = house.row(**ORDER)
    run = house.until(house.trigger(record_id), "generating")
    control.cancel(house.services, run.id, "a test")
    run = house.until(run.id, "cancelled")
    control.retry(house.services, run.id, "a test")
    run = house.until(run.id, "done", "failed", "needs_attention")
    house.settle()
    assert letters(house, run) == ALL_SIX
    assert len(set(house.bought)) == len(house.bought) == 5
    assert house.balanced()


def test_a_refused_hook_is_a_scene_like_any_other(house: StageHarness) -> None:
    """Nothing that is paid for is lost: with another prompt for it the run goes on."""
    house.vendor().script("Bare hands", Outcome.REFUSE)
    _, run = house.film(**ORDER)
    assert run.status is RunStatus.NEEDS_ATTENTION
    bought = len(house.bought)
    regenerate.regenerate(house.services, run.id, 5, {"prompt": "A bell rings under water"}, "a test")
    run = house.until(run.id, "done", "failed", "needs_attention")
    house.settle()
    assert (run.status, letters(house, run)) == (RunStatus.DONE, ALL_SIX)
    assert len(house.bought) == bought + 1
    assert house.balanced()


def test_the_pack_holds_the_films_of_all_hooks(house: StageHarness) -> None:
    record_id, run = house.film(Title="Fox", Pack=["TikTok", "YouTube"], **{**ORDER, "Hooks": 2})
    house.settle()
    with house.services.store.read() as tx:
        (pack,) = tx.packs.find(run_id=run.id)
    names = {entry.name for entry in pack.entries}
    films = {f"{folder}/fox-r1-{shape}-{hook}.mp4" for folder, shape in _SHAPES.items() for hook in "ab"}
    assert films <= names
    assert {"TikTok/poster-a.jpg", "TikTok/poster-b.jpg", "provenance-b.json"} <= names
    assert "Pack URL" in house.cells(record_id)
    assert [len(guide.films) for guide in packs.guides(run, house.cuts(run), {})] == [2, 2]


_SHAPES = {"TikTok": "9x16", "YouTube": "16x9"}
