"""A process is killed at every named crash point; nothing is lost, paid twice or said wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.recovery.crash_points import CRASH_POINTS
from tools.chaos.killer import Killer, dead_machine
from tools.chaos.product import CUSTOMER, ProductStack, product_stack, sell_base
from tools.stack import until

REACHED = tuple(point for point in CRASH_POINTS if not point.startswith("payment."))
"""All but those of single calls, which somebody with a wallet pays: tests/web/test_pay_per_call.py dies at these."""
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("chaos"), pytest.mark.slow]


@contextmanager
def kept_up(place: ProductStack) -> Iterator[None]:
    """Services that die are started again, as a platform does."""
    platform = Killer(place.stack, "0", 3600.0)
    platform.start()
    try:
        yield
    finally:
        platform.stop()


def test_each_crash_point_kills_once_and_every_run_is_done(tmp_path: Path) -> None:
    """Every point of the table is armed; a new one that no process reaches here fails this test. The rows are paid for
    in credits.
    """
    with product_stack(tmp_path / "var") as place, kept_up(place):
        sell_base(place.stack, place.store)
        for point in REACHED:
            place.journal.die_at(point)
        rows = [place.order_row("row-a"), place.order_row("row-b", ability="list")]
        # Two further languages: one is lost with its last try, the other meets the rest.
        place.order("film-a", poster=True, languages=["en", "de", "fr"])
        # Longer, and so with a line of its own: the first one is said by whoever finds it stored after a death.
        place.order("film-b", ability="callback", seconds=2, poster=True)
        rows.append(place.order_row("row-c", queued=True))
        dead_machine(place.store)
        runs = place.wait(5)
        until(
            lambda: all(place.journal.died_at(point) for point in REACHED),
            f"a death at {[point for point in REACHED if not place.journal.died_at(point)]}",
        )
        until(lambda: all(len(place.films(row)) == 1 for row in rows), "one film in every row")
        until(place.all_told, "one message about the end of every run")
        place.check_books()
        assert [run.status for run in runs] == [RunStatus.DONE] * 5
        sold = [run for run in runs if run.account_id == CUSTOMER]
        assert {run.record_id for run in sold} == set(rows)
        assert all(run.price_micro for run in sold)
        assert len(place.bought()) == len(set(place.bought())) == 10
        died = [visit["point"] for visit in place.journal.visits() if visit["died"]]
        assert sorted(died) == sorted(REACHED)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductStack]:
    """One town for all points, kept up."""
    with product_stack(tmp_path_factory.mktemp("one") / "var") as place, kept_up(place):
        sell_base(place.stack, place.store)
        yield place


ELSEWHERE = {"dead.freed", "queue.started"}
"""Points that a single run does not meet."""
NEVER = {("submit.intended", "callback"), ("reconcile.found", "callback")}
"""What was never sent cannot call back, so a person is asked; and what calls back is not looked for."""
CASES = [
    (point, ability)
    for point in REACHED
    for ability in ("key", "list", "callback")
    if point not in ELSEWHERE
    and (point, ability) not in NEVER
    and not point.startswith(("speech.", "picture.", "translation."))
]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "ability"), CASES)
def test_a_run_that_meets_one_death_is_done_with_each_scene_bought_once(
    lasting: ProductStack, point: str, ability: str
) -> None:
    place = lasting
    if point.startswith("reconcile."):
        place.journal.die_at("submit.answered")
    place.journal.die_at(point)
    mark = f"{point}-{ability}".replace(".", "-")
    before, bought = len(place.runs()), len(place.bought())
    record = place.order_row(mark, ability=ability, master=point.startswith("script."))
    (run,) = place.wait(before + 1)[before:]
    place.done(run.id)
    until(lambda: place.journal.died_at(point), f"a death at {point}")
    until(lambda: len(place.films(record)) == 1, "one film in the row")
    assert len(place.bought()) == bought + 2
    place.check_books()


SPEECH = [point for point in REACHED if point.startswith("speech.")]


@pytest.mark.parametrize("point", SPEECH)
def test_a_narrator_that_meets_one_death_says_its_line_in_the_film(lasting: ProductStack, point: str) -> None:
    """The longer the clips, the longer the lines: each film has its own, for what was said before is not said again."""
    place = lasting
    if point == "speech.lost":
        place.journal.die_at("speech.intended")
    place.journal.die_at(point)
    run = place.done(place.order(point.replace(".", "-"), seconds=1 + SPEECH.index(point)))
    assert place.journal.died_at(point)
    with place.store.read() as tx:
        lines = tx.purchases.find(run_id=run.id)
        sounds = [scene.sound for scene in tx.scenes.find(run_id=run.id)]
    assert {line.status for line in lines} == {GenerationStatus.FETCHED}
    assert len(sounds) == 2
    assert None not in sounds
    place.check_books()


PICTURES = [point for point in REACHED if point.startswith("picture.")]


@pytest.mark.parametrize("point", PICTURES)
def test_a_poster_that_meets_one_death_is_bought_within_its_quote(lasting: ProductStack, point: str) -> None:
    place = lasting
    if point == "picture.lost":
        place.journal.die_at("picture.intended")
    place.journal.die_at(point)
    run = place.done(place.order(point.replace(".", "-"), poster=True))
    assert place.journal.died_at(point)
    with place.store.read() as tx:
        bought = tx.purchases.find(run_id=run.id, kind="picture")
        cuts = tx.cuts.find(run_id=run.id, animatic=False)
    assert {one.status for one in bought} == {GenerationStatus.FETCHED}
    assert [one.tries for one in bought if one.tries > 1] == ([2] if point in LOST else [])
    assert all(cut.extras.get("poster_typeset") for cut in cuts)
    place.check_books()


@pytest.mark.parametrize("point", PICTURES)
def test_a_cast_that_meets_one_death_is_bought_within_its_quote_and_seen_by_every_clip(
    lasting: ProductStack, point: str
) -> None:
    place, mark = lasting, f"cast-{point.replace('.', '-')}"
    if point == "picture.lost":
        place.journal.die_at("picture.intended")
    place.journal.die_at(point)
    run = place.done(place.order_cast(mark))
    assert place.journal.died_at(point)
    with place.store.read() as tx:
        (sheet,) = tx.purchases.find(run_id=run.id, kind="picture")
        scenes = tx.scenes.find(run_id=run.id)
    assert (sheet.status, sheet.tries) == (GenerationStatus.FETCHED, 2 if point in LOST else 1)
    assert sheet.cost_micro <= run.known_plan.cast_micro
    assert [scene.settings.cast for scene in scenes] == [(sheet.file,), (sheet.file,)]
    lines = place.stack.sandbox("GET", "/bill")["generations"]
    assert [line["images"] for line in lines if mark in line["prompt"]] == [1, 1]
    place.check_books()


LOST = ("picture.intended", "picture.lost", "picture.made")
"""Where the answer is lost with the process: asked for once more, and counted twice."""


TRANSLATIONS = [point for point in REACHED if point.startswith("translation.")]


@pytest.mark.parametrize("point", TRANSLATIONS)
def test_a_translation_that_meets_one_death_makes_its_film(lasting: ProductStack, point: str) -> None:
    """Asked for once more where the answer is lost, and both are counted; of another length, it has other words."""
    place = lasting
    if point == "translation.lost":
        place.journal.die_at("translation.intended")
    place.journal.die_at(point)
    seconds = 1 + TRANSLATIONS.index(point)
    run = place.done(place.order(point.replace(".", "-"), seconds=seconds, languages=["en", "de"]))
    assert place.journal.died_at(point)
    with place.store.read() as tx:
        (asked,) = tx.purchases.find(run_id=run.id, kind="translation")
        cuts = tx.cuts.find(run_id=run.id, animatic=False)
    assert (asked.status, asked.tries) == (GenerationStatus.FETCHED, 1 if point == "translation.committed" else 2)
    assert sorted(cut.language for cut in cuts) == ["de", "en"]
    place.check_books()


@pytest.mark.parametrize("point", TRANSLATIONS)
def test_a_line_that_takes_too_long_meets_one_death_and_is_said_shorter(lasting: ProductStack, point: str) -> None:
    place = lasting
    if point == "translation.lost":
        place.journal.die_at("translation.intended")
    place.journal.die_at(point)
    # Each has a line of its own, for what was said shorter before is not asked again.
    line = (
        f"Boat {TRANSLATIONS.index(point)} of paper drifts past every house of the town and out to the open sea at last"
    )
    run = place.done(place.order_said(f"long-{point.replace('.', '-')}", line))
    assert place.journal.died_at(point)
    with place.store.read() as tx:
        (asked,) = tx.purchases.find(run_id=run.id, kind="translation")
        (spoken,) = tx.purchases.find(run_id=run.id, kind="speech")
        (scene,) = tx.scenes.find(run_id=run.id)
    assert (asked.status, asked.tries) == (GenerationStatus.FETCHED, 1 if point == "translation.committed" else 2)
    assert (scene.narration, scene.settings.said) == (line, spoken.request.text)
    assert len(spoken.request.text) < len(line)
    assert scene.sound == spoken.file is not None
    place.check_books()
