"""Seeds, negative prompts and frames: bought as ordered, kept through a fallback, changed with a new clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Unpack

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Expired, InvalidOrder
from pipelines.domain.orders.order import MAX_SEED, Order, SceneChanges, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.decisions import dry_run, regenerate
from pipelines.stages.orders import accept
from pipelines.testing import Outcome
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import STOPPED, StageHarness


def model(id: str, **changes: Any) -> CatalogueModel:
    return replace(CATALOGUE[id], **changes)


PLAIN = CATALOGUE["other/film"]
ABLE = model("other/film", seed=True, negative_prompt=True)


def harness(folder: Path, *, fallback: CatalogueModel = PLAIN, **policy: Any) -> StageHarness:
    """Where `acme/film` takes seeds and negative prompts."""
    acme = model("acme/film", seed=True, negative_prompt=True)
    return StageHarness.build(folder, catalogue={**CATALOGUE, acme.id: acme, fallback.id: fallback}, **policy)


def film(house: StageHarness, *prompts: str, **fields: Any) -> Run:
    scenes = tuple(SceneOrder(prompt=prompt) for prompt in prompts)
    order = Order(scenes=scenes, **{"clip_seconds": 4, "seed": 7, "negative_prompt": "people", **fields})
    started = accept.start(house.services, accept.StartRequest(source="rest", order=order))
    return settled(house, house.run(started.run_id))


def settled(house: StageHarness, run: Run) -> Run:
    done = house.until(run.id, *STOPPED)
    house.settle()
    return house.run(done.id)


def again(house: StageHarness, run: Run, **wishes: Unpack[SceneChanges]) -> Run:
    return settled(house, regenerate.regenerate(house.services, run.id, 1, wishes, "test"))


def sent(house: StageHarness, vendor: str = "acme") -> list[tuple[int | None, str | None]]:
    return [(one.request.seed, one.request.negative_prompt) for one in house.vendor(vendor).bought]


def test_they_are_bought_with_every_scene_and_are_part_of_what_was_bought(tmp_path: Path) -> None:
    house = harness(tmp_path)
    assert film(house, "a lake", "a hill").status == "done"
    assert sent(house) == [(7, "people")] * 2
    film(house, "a lake", "a hill")
    assert len(sent(house)) == 2, "the same order reuses its clips"
    film(house, "a lake", seed=8)
    film(house, "a lake", negative_prompt=None)
    assert sent(house)[2:] == [(8, "people"), (7, None)]


def test_the_films_provenance_names_the_seed(tmp_path: Path) -> None:
    house = harness(tmp_path)
    key = house.cuts(film(house, "a lake"))[0].extras["provenance"]
    house.services.media.fetch(key, tmp_path / "provenance.json")
    assert '"seed": 7' in (tmp_path / "provenance.json").read_text()


def test_a_new_clip_of_the_same_words_takes_the_next_seed(tmp_path: Path) -> None:
    """The same seed would give the same clip, paid twice; with other words it is what keeps the picture alike."""
    house = harness(tmp_path)
    run = film(house, "a lake", seed=MAX_SEED)
    again(house, run)
    again(house, run, prompt="a lake at night")
    again(house, run, seed=3, caption="Night")
    again(house, run, caption="Late")
    assert [seed for seed, _ in sent(house)] == [MAX_SEED, 0, 0, 3, 4]
    assert {negative for _, negative in sent(house)} == {"people"}


def test_a_new_clip_can_do_without_them(tmp_path: Path) -> None:
    house = harness(tmp_path)
    run = film(house, "a lake")
    again(house, run, seed=None, negative_prompt=None)
    again(house, run)
    assert sent(house) == [(7, "people"), (None, None), (None, None)]


def test_a_new_clip_on_a_model_that_cannot_is_refused_and_so_is_its_rehearsal(tmp_path: Path) -> None:
    house = harness(tmp_path)
    run = film(house, "a lake")
    with pytest.raises(InvalidOrder) as caught:
        regenerate.regenerate(house.services, run.id, 1, {"model": "other/film"}, "test")
    assert [problem.field for problem in caught.value.problems] == ["scenes[0].seed", "scenes[0].negative_prompt"]
    with pytest.raises(InvalidOrder) as caught:
        dry_run.regeneration(house.services, run.id, 1, {"model": "other/film"})
    assert [problem.field for problem in caught.value.problems] == ["seed", "negative_prompt"]
    bare: SceneChanges = {"model": "other/film", "seed": None, "negative_prompt": None}
    assert dry_run.regeneration(house.services, run.id, 1, bare).price_micro == 400_000
    again(house, run, **bare)
    assert sent(house, "other") == [(None, None)]


def test_a_fallback_takes_over_only_where_it_can_follow_them(tmp_path: Path) -> None:
    able = harness(tmp_path / "able", fallback=ABLE, fallback_models=("other/film",))
    able.vendor().script("lake", Outcome.FAIL)
    assert film(able, "a lake").status == "done"
    assert sent(able, "other") == [(7, "people")]
    unable = harness(tmp_path / "unable", fallback=model("other/film", seed=True), fallback_models=("other/film",))
    unable.vendor().script("lake", Outcome.FAIL)
    assert film(unable, "a lake").status == "needs_attention"
    assert sent(unable, "other") == []


def test_what_a_placeholder_cannot_show_is_back_when_the_scene_is_made(tmp_path: Path) -> None:
    house = harness(tmp_path)
    house.vendor().script("fight", Outcome.REFUSE)
    run = film(house, "a fight")
    assert house.scenes(run)[0].model == "local/animatic"
    notes = [event.detail.sentence for event in house.events(run, "note")]
    assert "Scene 1: The seed is not used, because local/animatic takes none." in notes
    again(house, run, prompt="a dance")
    assert sent(house) == [(7, "people")]


def test_a_row_reuses_the_clip_that_an_api_call_gave_a_seed(tmp_path: Path) -> None:
    """No column of the base can say it, and buying the scene again for that would be a surprise."""
    house = harness(tmp_path)
    record, run = house.film(Prompt="a lake\na hill", **{"Clip Seconds": 4})
    again(house, run, seed=7)
    house.make(record)
    assert [(request.prompt, request.seed) for request in house.vendor().asked] == [
        ("a lake", None),
        ("a hill", None),
        ("a lake", 7),
    ]
    house.airtable.edit("Videos", record, Model="other/film")
    house.make(record)
    assert sent(house, "other") == [(None, None)] * 2


FRAMES = model("other/film", first_last_frame=True)
BOTH = {"first_frame": "https://pictures.test/dawn.png", "last_frame": "https://pictures.test/dusk.png"}


def frames(house: StageHarness, vendor: str) -> list[tuple[str | None, str | None]]:
    return [(one.request.first_frame, one.request.last_frame) for one in house.vendor(vendor).bought]


def framed(folder: Path, *, fallback: CatalogueModel) -> StageHarness:
    acme = model("acme/film", first_last_frame=True)
    cards = {**CATALOGUE, acme.id: acme, fallback.id: fallback}
    house = StageHarness.build(folder, catalogue=cards, fallback_models=(fallback.id,))
    house.intake.world.update({url: name.encode() for name, url in BOTH.items()})
    return house


def test_frames_are_brought_into_storage_and_bought_with_the_scene(tmp_path: Path) -> None:
    house = framed(tmp_path, fallback=FRAMES)
    house.vendor().script("lake", Outcome.FAIL)
    run = film(house, "a lake", seed=None, negative_prompt=None, **BOTH)
    assert run.status == "done"
    first, last = frames(house, "other")[0]
    assert first != last
    assert all(key and house.services.media.stat(key) for key in (first, last))
    again(house, run, prompt="a lake at night")
    assert frames(house, "other") == [(first, last)] * 2


def test_a_model_without_a_last_frame_does_not_take_over(tmp_path: Path) -> None:
    house = framed(tmp_path, fallback=PLAIN)
    house.vendor().script("lake", Outcome.FAIL)
    assert film(house, "a lake", seed=None, negative_prompt=None, **BOTH).status == "needs_attention"
    assert frames(house, "other") == []


def test_the_frames_of_a_scene_that_was_only_drafted_are_back_when_it_is_made(tmp_path: Path) -> None:
    house = framed(tmp_path, fallback=PLAIN)
    wishes = {"seed": None, "negative_prompt": None, "model": "local/animatic", "adapt": True}
    run = film(house, "a lake", **BOTH, **wishes)
    assert frames(house, "acme") == []
    again(house, run, model="acme/film")
    assert [key for pair in frames(house, "acme") for key in pair] == [house.intake.bring(url) for url in BOTH.values()]


def test_a_picture_to_end_on_that_is_not_there_is_named(tmp_path: Path) -> None:
    house = framed(tmp_path, fallback=PLAIN)
    house.intake.world[BOTH["last_frame"]] = Expired("404")
    run = film(house, "a lake", seed=None, negative_prompt=None, **BOTH)
    assert run.status == "failed"
    assert "last_frame" in (run.error or "")
