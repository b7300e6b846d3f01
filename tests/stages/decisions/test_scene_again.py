"""A scene made again with other pictures, another start or another transition: for the price shown, and bought once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import Expired, InvalidOrder, Unavailable
from pipelines.domain.footage import Transition
from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.orders.order import SceneChanges
from pipelines.domain.records import Run
from pipelines.stages.decisions import control, dry_run, regenerate
from tests.stages.stage_fixtures import STOPPED, StageHarness

URL, OTHER = "https://pictures.test/a.png", "https://pictures.test/b.png"
CLIP = 400_000


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    harness = StageHarness.build(tmp_path)
    harness.intake.world |= {URL: b"a picture", OTHER: b"another picture"}
    return harness


def again(harness: StageHarness, run: Run, number: int, wish: SceneChanges) -> Run:
    """For no more than was shown for exactly this."""
    shown = dry_run.regeneration(harness.services, run.id, number, wish)
    assert shown.problems == ()
    regenerate.regenerate(harness.services, run.id, number, wish, "page", at_most_micro=shown.shown_micro)
    made = harness.until(run.id, *STOPPED)
    harness.settle()
    return made


def test_a_picture_is_brought_before_the_clip_that_starts_from_it_is_bought(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    assert again(harness, run, 2, {"references": (URL,)}).status is RunStatus.DONE
    first = harness.vendor().bought[-1].request.first_frame
    assert first is not None
    assert harness.services.media.stat(first) is not None
    assert (harness.intake.fetched, len(harness.bought)) == ([URL], 3)
    # It stays with the scene until it is taken away.
    again(harness, run, 2, {"prompt": "A wolf"})
    assert harness.vendor().bought[-1].request.first_frame == first
    again(harness, run, 2, {"references": ()})
    assert harness.vendor().bought[-1].request.first_frame is None
    assert (harness.held(), harness.balanced()) == (0, True)


def test_a_picture_that_is_not_there_buys_nothing_and_another_one_may_do(harness: StageHarness) -> None:
    harness.intake.world[URL] = Expired("the download answered 404")
    _, run = harness.film(Prompt="A cat\nA dog")
    stopped = again(harness, run, 2, {"references": (URL,)})
    assert stopped.status is RunStatus.NEEDS_ATTENTION
    assert "There is nothing at this address" in (stopped.error or "")
    assert [scene.status for scene in harness.scenes(run)] == [SceneStatus.DONE, SceneStatus.FAILED]
    (note,) = [event for event in harness.events(run, "note") if "picture" in str(event.detail.sentence)]
    assert "Scene 2" in str(note.detail.sentence)
    assert len(harness.bought) == 2
    assert again(harness, run, 2, {"references": (OTHER,)}).status is RunStatus.DONE
    assert len(harness.bought) == 3
    assert (harness.held(), harness.balanced()) == (0, True)


def test_a_server_that_does_not_answer_is_asked_again(harness: StageHarness) -> None:
    harness.intake.troubles = [Unavailable("it answers 503")]
    _, run = harness.film(Prompt="A cat\nA dog")
    assert again(harness, run, 1, {"references": (URL,)}).status is RunStatus.DONE
    assert (len(harness.intake.fetched), len(harness.bought)) == (2, 3)


def test_a_retry_fetches_the_picture_once_more(harness: StageHarness) -> None:
    harness.intake.world[URL] = Expired("the download answered 404")
    _, run = harness.film(Prompt="A cat")
    again(harness, run, 1, {"references": (URL,)})
    harness.intake.world[URL] = b"it is there now"
    control.retry(harness.services, run.id, "page")
    assert harness.until(run.id, *STOPPED).status is RunStatus.DONE


def test_a_scene_may_start_from_the_last_picture_before_it_and_be_joined_in_another_way(harness: StageHarness) -> None:
    """The clip before was made when nobody needed its last picture."""
    _, run = harness.film(Prompt="A ship\nIt sails on")
    assert harness.clips(run)[0].last_frame is None
    made = again(harness, run, 2, {"continues": True, "transition": Transition.CROSSFADE})
    assert made.status is RunStatus.DONE
    (ship, sails) = harness.scenes(run)
    (clip,) = [clip for clip in harness.clips(run) if clip.id == ship.clip_id]
    assert clip.last_frame is not None
    assert harness.vendor().bought[-1].request.first_frame == clip.last_frame
    assert (sails.continues, sails.transition) == (True, "Crossfade")
    again(harness, run, 2, {"continues": False, "transition": None})
    assert harness.vendor().bought[-1].request.first_frame is None
    assert (harness.scenes(run)[1].continues, harness.scenes(run)[1].transition) == (False, None)


@pytest.mark.parametrize("continues", [False, True])
def test_nothing_starts_from_the_last_picture_of_a_clip_that_is_not_kept_any_more(
    harness: StageHarness, continues: bool
) -> None:
    """Also where it was cut out once, for a scene that went on from it."""
    _, run = harness.film(Prompt="A ship\nIt sails on")
    again(harness, run, 2, {"continues": True})
    if not continues:
        again(harness, run, 2, {"continues": False})
    ship = harness.scenes(run)[0].clip_id
    assert ship is not None
    with harness.services.store.write() as tx:
        tx.clips.change(ship, deleted_at=harness.clock.now())
    bought = len(harness.bought)
    with pytest.raises(InvalidOrder, match="Make that scene again first"):
        regenerate.regenerate(harness.services, run.id, 2, {"continues": True, "prompt": "It comes home"}, "page")
    assert (len(harness.bought), harness.held()) == (bought, 0)


def test_what_cannot_be_is_said_with_its_price_and_before_anything_changes(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    two: SceneChanges = {"references": (URL, OTHER)}
    with pytest.raises(InvalidOrder) as said:
        dry_run.regeneration(harness.services, run.id, 1, two)
    assert [problem.field for problem in said.value.problems] == ["references"]
    assert dry_run.regeneration(harness.services, run.id, 1, {"references": (URL,)}).shown_micro == CLIP
    assert harness.intake.fetched == []
