"""A paid request whose answer is lost is settled by what the provider offers, and never sent again blindly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.database.store import SqlTx
from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import (
    Ambiguous,
    BadDelivery,
    NotAllowed,
    NotConfigured,
    RateLimited,
    ReelgridError,
    Unavailable,
)
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import Run
from pipelines.ports import Accept, GenerationRequest, Job, Submission, anything
from pipelines.stages.decisions import control, in_doubt
from pipelines.stages.generations import callback
from pipelines.stages.generations.reconcile import UNHEARD_S
from pipelines.testing import Outcome, ScriptedProvider
from tests.stages.doubt_fixtures import doubtful_world, generations, history, order, problems
from tests.stages.stage_fixtures import StageHarness

_G = GenerationStatus
Parked = tuple[StageHarness, str, str]


@pytest.mark.parametrize("ability", [Ability.KEY, Ability.LIST])
@pytest.mark.parametrize("lost", [Outcome.AMBIGUOUS, Outcome.LOST])
def test_a_lost_answer_is_settled_and_each_scene_is_bought_once(
    tmp_path: Path, ability: Ability, lost: Outcome
) -> None:
    harness = doubtful_world(tmp_path, ability)
    harness.vendor().script("a lamp", lost, Outcome.SUCCEED)
    run = order(harness, "a lamp", "a boat")
    harness.until(run, "done")
    assert sorted(harness.bought) == ["a boat", "a lamp"]
    assert problems(harness) == ()


@pytest.mark.parametrize(("ability", "means"), [(Ability.KEY, "key"), (Ability.LIST, "list")])
def test_an_adopted_generation_is_marked_so_in_the_history(tmp_path: Path, ability: Ability, means: str) -> None:
    harness = doubtful_world(tmp_path, ability)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    harness.until(order(harness, "a lamp"), "done")
    assert [event.detail.by for event in history(harness, "adopted")] == [means]


def test_a_list_that_lags_behind_proves_nothing(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    hidden_until = harness.clock.now() + 90.0
    found = vendor.find

    def lagging(submission: Submission, since: float) -> list[Job]:
        return found(submission, since) if harness.clock.now() >= hidden_until else []

    vendor.find = lagging  # type: ignore[method-assign]
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    harness.until(order(harness, "a lamp"), "done")
    assert harness.bought == ["a lamp"]


def test_a_clock_that_jumps_ahead_does_not_shorten_the_grace_of_a_list(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    looks = iter([True, True])
    found = vendor.find
    vendor.find = lambda submission, since: [] if next(looks, False) else found(submission, since)  # type: ignore[method-assign]
    harness.points.at("reconcile.doubted", lambda: harness.clock.pass_by(7200.0))
    harness.until(order(harness, "a lamp"), "done")
    assert harness.bought == ["a lamp"]


def test_two_equal_scenes_in_doubt_never_share_one_job(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    run = order(harness, "a lamp", "a lamp", "a lamp")
    harness.until(run, "done")
    jobs = {gen.provider_id for gen in generations(harness, run)}
    assert (len(jobs), len(harness.bought)) == (3, 3)


def test_behind_a_gateway_that_wraps_ids_one_job_is_one_generations(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.wraps = True
    vendor.script("a lamp", Outcome.SUCCEED, Outcome.AMBIGUOUS)
    run = order(harness, "a lamp", "a lamp")
    harness.until(run, "done")
    found = generations(harness, run)
    assert {gen.provider_id for gen in found} == {purchase.job_id for purchase in vendor.bought}
    assert (len(vendor.bought), problems(harness)) == (2, ())
    assert {event.detail.by for event in history(harness, "adopted")} == {"list"}
    assert all(gen.wrapped_id and job_key(gen.wrapped_id) == gen.provider_id for gen in found)


def test_a_callback_may_name_a_job_by_the_id_that_a_gateway_wraps(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    harness.vendor().wraps = True
    harness.until(order(harness, "a lamp"), "generating")
    while not harness.bought:
        harness.work()
    assert callback.receive(harness.services, "acme", "one", job_id=harness.vendor().bought[0].job_id)


def test_a_list_without_prompts_gives_a_lost_answer_its_job_unless_two_may_have_made_it(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.wordless = True
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    harness.until(order(harness, "a lamp", "a kite"), "done")
    vendor.script("a boat", Outcome.AMBIGUOUS)
    vendor.script("a hat", Outcome.AMBIGUOUS)
    run = harness.until(order(harness, "a boat", "a hat"), "needs_attention", rounds=20_000)
    assert {gen.status for gen in generations(harness, run.id)} == {_G.UNKNOWN}
    assert (sorted(harness.bought), problems(harness)) == (["a boat", "a hat", "a kite", "a lamp"], ())


def test_a_list_without_prompts_that_shows_two_free_jobs_leaves_the_choice_to_a_person(tmp_path: Path) -> None:
    """As after a restored backup, or where somebody else buys with the same key."""
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.wordless = True
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    run_id = order(harness, "a lamp")
    while not vendor.bought:
        harness.work()
    foreign = replace(vendor.bought[0].request, prompt="not ours")
    vendor.submit(Submission(request=foreign, idem_key="foreign"))
    run = harness.until(run_id, "needs_attention", rounds=20_000)
    assert [gen.status for gen in generations(harness, run.id)] == [_G.UNKNOWN]
    assert (history(harness, "adopted"), problems(harness)) == ([], ())


def test_a_callback_with_our_token_adopts_the_job(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    run = order(harness, "a lamp")
    harness.until(run, "generating")
    while not harness.bought:
        harness.work()
    (gen,) = generations(harness, run)
    job = harness.vendor().bought[0].job_id
    harness.work()
    assert callback.receive(harness.services, "acme", "one", generation_token=gen.callback_token, job_id=job)
    harness.until(run, "done")
    assert harness.bought == ["a lamp"]
    assert [event.detail.by for event in history(harness, "adopted")] == ["callback"]


@pytest.mark.parametrize("ability", [Ability.CALLBACK, Ability.NONE])
def test_a_callback_that_names_a_job_which_the_provider_does_not_have_changes_nothing(
    tmp_path: Path, ability: Ability
) -> None:
    harness = doubtful_world(tmp_path, ability)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    run = order(harness, "a lamp")
    while not (found := generations(harness, run)) or found[0].status is not _G.UNKNOWN:
        harness.work()
    token, job = found[0].callback_token, harness.vendor().bought[0].job_id
    callback.receive(harness.services, "acme", "forged", generation_token=token, job_id="acme-666")
    began = harness.clock.now()
    while generations(harness, run)[0].result.called_back:
        if not harness.work():
            harness.clock.pass_by(1.0)
    assert UNHEARD_S <= harness.clock.now() - began < 2 * UNHEARD_S
    assert not history(harness, "adopted")
    callback.receive(harness.services, "acme", "true", generation_token=token, job_id=job)
    harness.until(run, "done")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())


def test_a_callback_cannot_take_the_job_of_another_scene(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    run = order(harness, "a lamp", "a boat")
    while len(harness.bought) < 2:
        harness.work()
    boat, lamp = sorted(generations(harness, run), key=lambda gen: gen.request.prompt)
    taken = next(p.job_id for p in harness.vendor().bought if p.request.prompt == "a boat")
    callback.receive(harness.services, "acme", "wrong", generation_token=lamp.callback_token, job_id=taken)
    harness.settle(patience_s=60.0)
    assert not history(harness, "adopted")
    mine = next(p.job_id for p in harness.vendor().bought if p.request.prompt == "a lamp")
    callback.receive(harness.services, "acme", "right", generation_token=lamp.callback_token, job_id=mine)
    harness.until(run, "done")
    assert {gen.id: gen.provider_id for gen in generations(harness, run)} == {lamp.id: mine, boat.id: taken}


def test_a_callback_that_comes_before_the_answer_is_kept_until_the_call_is_over(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    vendor = harness.vendor()
    run = order(harness, "a lamp")

    def call_back_first(submission: Submission) -> Job:
        token = generations(harness, run)[0].callback_token
        job = ScriptedProvider.submit(vendor, submission)
        callback.receive(harness.services, "acme", "early", generation_token=token, job_id=job.id)
        raise SystemExit("the process dies before it commits the answer")

    vendor.submit = call_back_first  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        harness.until(run, "done")
    assert generations(harness, run)[0].status is _G.SUBMITTING, (
        "the callback alone changes nothing while a call may live"
    )
    harness.until(run, "done")
    assert harness.bought == ["a lamp"]


def test_without_a_callback_for_longer_than_any_generation_a_person_is_asked(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    harness.vendor().script("a lamp", Outcome.LOST)
    run = harness.until(order(harness, "a lamp"), "needs_attention")
    assert "never answered" in (run.error or "")
    assert problems(harness) == ()


def test_where_nothing_can_be_learned_the_money_stays_counted_and_a_person_is_asked(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    run = harness.until(order(harness, "a lamp", "a boat"), "needs_attention")
    assert sorted(harness.bought) == ["a boat", "a lamp"]
    with harness.services.store.read() as tx:
        assert (tx.balance("committed"), tx.balance("spent"), tx.balance("held")) == (400_000, 400_000, 0)
    assert "wait, write it off and retry, or cancel" in (run.error or "")
    assert problems(harness) == ()


class TestDecisions:
    """The three choices of a person when money is in doubt."""

    @pytest.fixture
    def parked(self, tmp_path: Path) -> Parked:
        harness = doubtful_world(tmp_path, Ability.NONE)
        harness.vendor().script("a lamp", Outcome.AMBIGUOUS, Outcome.SUCCEED)
        run = order(harness, "a lamp")
        harness.until(run, "needs_attention")
        return harness, run, generations(harness, run)[0].id

    def test_waiting_asks_again_when_nothing_turns_up(self, parked: Parked) -> None:
        harness, run, gen = parked
        assert in_doubt.decide(harness.services, gen, "wait", "ann").status is RunStatus.GENERATING
        harness.until(run, "needs_attention")
        assert (harness.bought, problems(harness)) == (["a lamp"], ())

    def test_writing_off_buys_again_and_counts_both(self, parked: Parked) -> None:
        harness, run, gen = parked
        in_doubt.decide(harness.services, gen, "write_off", "ann")
        harness.until(run, "done")
        with harness.services.store.read() as tx:
            assert tx.balance("spent") == 800_000
        assert (harness.bought, problems(harness)) == (["a lamp", "a lamp"], ())

    def test_a_clip_that_turns_up_after_it_was_written_off_is_taken_and_not_paid_again(self, parked: Parked) -> None:
        harness, run, gen = parked
        token = generations(harness, run)[0].callback_token
        in_doubt.decide(harness.services, gen, "write_off", "ann")
        job = harness.vendor().bought[0].job_id
        assert callback.receive(harness.services, "acme", "late", generation_token=token, job_id=job)
        harness.until(run, "done")
        harness.settle()
        with harness.services.store.read() as tx:
            assert tx.balance("spent") <= 800_000
            found = tx.generations.get(gen)
        assert found
        assert found.status is _G.FETCHED
        assert problems(harness) == ()

    def test_cancelling_writes_off_and_ends_the_run(self, parked: Parked) -> None:
        harness, _, gen = parked
        assert in_doubt.decide(harness.services, gen, "cancel", "ann").status is RunStatus.CANCELLED
        harness.settle()
        with harness.services.store.read() as tx:
            assert (tx.balance("spent"), tx.balance("committed"), tx.balance("held")) == (400_000, 0, 0)
        assert (harness.bought, problems(harness)) == (["a lamp"], ())

    def test_what_is_settled_cannot_be_decided(self, parked: Parked) -> None:
        harness, _, gen = parked
        in_doubt.decide(harness.services, gen, "cancel", "ann")
        with pytest.raises(NotAllowed):
            in_doubt.decide(harness.services, gen, "write_off", "bob")

    def test_a_late_callback_lets_the_run_go_on_by_itself(self, parked: Parked) -> None:
        harness, run, _ = parked
        token, job = generations(harness, run)[0].callback_token, harness.vendor().bought[0].job_id
        callback.receive(harness.services, "acme", "late", generation_token=token, job_id=job)
        harness.until(run, "done")
        assert (harness.bought, problems(harness)) == (["a lamp"], ())


def test_an_answer_that_comes_after_others_gave_the_call_up_is_still_taken(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    vendor = harness.vendor()
    run = order(harness, "a lamp")

    def slowly(submission: Submission) -> Job:
        job = ScriptedProvider.submit(vendor, submission)
        harness.clock.pass_by(3600.0)
        while harness.work():
            """Others take the expired lease and give the request up as unknown."""
        assert generations(harness, run)[0].status is _G.UNKNOWN
        return job

    vendor.submit = slowly  # type: ignore[method-assign]
    harness.until(run, "done", "needs_attention")
    harness.until(run, "done")
    assert harness.bought == ["a lamp"]
    assert [event.detail.by for event in history(harness, "adopted")] == ["late answer"]


def test_a_process_that_stood_still_after_the_intent_sends_nothing(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    harness.points.at("submit.intended", lambda: harness.clock.pass_by(70.0))
    run = order(harness, "a lamp")
    harness.until(run, "done")
    assert harness.bought == ["a lamp"]
    withdrawn = [(e.old, e.new) for e in history(harness, "status") if e.entity == "generation"]
    assert ("submitting", "planned") in withdrawn


class _Flickering(SqlStore):
    """A database that is away for some transactions, as during a restart."""

    away = 0

    @contextmanager
    def write(self) -> Iterator[SqlTx]:
        if self.away > 0:
            type(self).away -= 1
            raise Unavailable("database: restarting")
        with super().write() as tx:
            yield tx


def test_an_answer_is_kept_in_hand_while_the_database_restarts(tmp_path: Path) -> None:
    store = _Flickering(f"sqlite:///{tmp_path / 'flickering.db'}")
    store.migrate()
    harness = doubtful_world(tmp_path, Ability.NONE, store=store)
    harness.points.at("submit.answered", lambda: setattr(_Flickering, "away", 3))
    harness.until(order(harness, "a lamp"), "done")
    assert harness.bought == ["a lamp"]
    assert not history(harness, "in_doubt")


def test_a_doubt_of_a_cancelled_run_is_not_bought_under_its_key(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.KEY)
    harness.vendor().script("a lamp", Outcome.LOST)
    run = order(harness, "a lamp")
    harness.until(run, "generating")
    harness.points.at("reconcile.doubted", lambda: None)
    while not generations(harness, run) or generations(harness, run)[0].status is not _G.UNKNOWN:
        harness.work()
    control.cancel(harness.services, run, "ann")
    harness.vendor().script("a lamp", Outcome.SUCCEED)
    harness.settle()
    assert harness.bought == []
    assert generations(harness, run)[0].status is _G.UNKNOWN


def test_a_key_that_was_refused_while_settling_proves_nothing_about_the_first_request(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.KEY)
    harness.vendor().script("a lamp", Outcome.LOST, Outcome.NO_CREDIT)
    run = harness.until(order(harness, "a lamp"), "needs_attention")
    (gen,) = generations(harness, run.id)
    assert (gen.status, problems(harness)) == (_G.UNKNOWN, ())


@pytest.mark.parametrize(
    "error",
    [
        lambda: Unavailable("502"),
        lambda: Unavailable("503", retry_after=50_000.0),
        lambda: RateLimited("429", retry_after=50_000.0),
        lambda: BadDelivery("the answer broke off"),
    ],
)
def test_a_list_that_never_answers_leaves_it_to_a_person_after_a_bounded_time(
    tmp_path: Path, error: Callable[[], ReelgridError]
) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    tries: list[float] = []

    def no_list(submission: Submission, since: float) -> list[Job]:
        tries.append(harness.clock.now())
        raise error()

    harness.vendor().find = no_list  # type: ignore[method-assign]
    began = harness.clock.now()
    run = harness.until(order(harness, "a lamp"), "needs_attention", rounds=20_000)
    assert len(tries) > 1
    assert harness.clock.now() - began < 3600.0
    assert_left_to_person(harness, run)


@pytest.mark.parametrize("wait_s", [None, 3600.0])
def test_the_same_key_is_not_sent_for_ever_to_who_says_wait(tmp_path: Path, wait_s: float | None) -> None:
    harness = doubtful_world(tmp_path, Ability.KEY)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    asked: list[float] = []
    first = vendor.submit

    def then_wait(submission: Submission) -> Job:
        asked.append(harness.clock.now())
        if len(asked) == 1:
            return first(submission)
        raise RateLimited("429", retry_after=wait_s)

    vendor.submit = then_wait  # type: ignore[method-assign]
    began = harness.clock.now()
    run = harness.until(order(harness, "a lamp"), "needs_attention", rounds=20_000)
    assert harness.clock.now() - began < 3600.0
    assert_left_to_person(harness, run)


@pytest.mark.parametrize("wait_s", [None, 3600.0])
def test_a_callback_that_cannot_be_confirmed_is_left_to_a_person(tmp_path: Path, wait_s: float | None) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    run = order(harness, "a lamp")
    while not (found := generations(harness, run)) or found[0].status is not _G.UNKNOWN:
        harness.work()
    vendor.troubles = [RateLimited("429", retry_after=wait_s) for _ in range(1000)]
    job = vendor.bought[0].job_id
    callback.receive(harness.services, "acme", "one", generation_token=found[0].callback_token, job_id=job)
    began = harness.clock.now()
    ended = harness.until(run, "needs_attention", rounds=20_000)
    assert harness.clock.now() - began < 3600.0
    assert_left_to_person(harness, ended)


def asleep_in_doubt(harness: StageHarness, seconds: float) -> str:
    """An answer is lost, and the machine sleeps before anybody asks for it."""
    run = order(harness, "a lamp")
    while not (found := generations(harness, run)) or found[0].status is not _G.UNKNOWN:
        harness.work()
    harness.clock.pass_by(seconds)
    return run


def test_a_list_that_does_not_answer_when_the_machine_wakes_is_asked_again(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    find, troubles = vendor.find, [Unavailable("no network yet")] * 3

    def woken(submission: Submission, since: float) -> list[Job]:
        if troubles:
            raise troubles.pop()
        return find(submission, since)

    vendor.find = woken  # type: ignore[method-assign]
    harness.until(asleep_in_doubt(harness, 6 * 3600.0), "done")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())


def test_while_the_machine_slept_nobody_could_call_back(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.CALLBACK)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    run = asleep_in_doubt(harness, 6 * 3600.0)
    for _ in range(20):
        harness.work()
        harness.clock.pass_by(5.0)
    assert harness.run(run).status is RunStatus.GENERATING
    (gen,) = generations(harness, run)
    job = vendor.bought[0].job_id
    callback.receive(harness.services, "acme", "again", generation_token=gen.callback_token, job_id=job)
    harness.until(run, "done")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())


def test_a_list_that_answers_late_settles_it(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    vendor = harness.vendor()
    vendor.script("a lamp", Outcome.AMBIGUOUS)
    back = harness.clock.now() + 600.0

    def late(submission: Submission, since: float) -> list[Job]:
        if harness.clock.now() < back:
            raise Unavailable("502")
        return ScriptedProvider.find(vendor, submission, since)

    vendor.find = late  # type: ignore[method-assign]
    harness.until(order(harness, "a lamp"), "done")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())
    assert [event.detail.by for event in history(harness, "adopted")] == ["list"]


def test_a_server_without_a_list_is_asked_once_and_a_person_decides(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    harness.vendor().script("a lamp", Outcome.AMBIGUOUS)
    tries: list[float] = []

    def no_list(submission: Submission, since: float) -> list[Job]:
        tries.append(since)
        raise Ambiguous("this server does not list its jobs")

    harness.vendor().find = no_list  # type: ignore[method-assign]
    run = harness.until(order(harness, "a lamp"), "needs_attention")
    assert len(tries) == 1
    assert_left_to_person(harness, run)


def assert_left_to_person(harness: StageHarness, run: Run) -> None:
    """Bought once, never again unasked; the money stays counted, and the row asks."""
    assert (harness.bought, problems(harness)) == (["a lamp"], ())
    assert [gen.status for gen in generations(harness, run.id)] == [_G.UNKNOWN]
    with harness.services.store.read() as tx:
        assert (tx.balance("committed"), tx.balance("spent")) == (400_000, 0)
    assert "wait, write it off and retry, or cancel" in (run.error or "")


def test_a_provider_that_cannot_be_reached_for_hours_does_not_keep_a_run_moving_for_ever(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    harness.vendor().script("a lamp", Outcome.AWAY)
    run = harness.until(order(harness, "a lamp"), "needs_attention", rounds=20_000)
    assert (harness.bought, problems(harness)) == ([], ())
    assert "again and again" in (run.error or "")


def test_a_job_that_never_ends_is_written_off_and_not_bought_again_unasked(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    harness.vendor().script("a lamp", Outcome.NEVER)
    run = harness.until(order(harness, "a lamp"), "needs_attention", rounds=20_000)
    assert "may still be charged" in (run.error or "")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())


@pytest.mark.logs_errors
def test_what_is_paid_for_is_fetched_when_the_key_is_put_right(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    vendor = harness.vendor()

    def refuse(job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:
        if harness.clock.now() < mended_at:
            raise NotConfigured("ACME_API_KEY is refused")
        ScriptedProvider.fetch(vendor, job, request, dest, accept)

    mended_at = harness.clock.now() + 1200.0
    vendor.fetch = refuse  # type: ignore[method-assign]
    harness.until(order(harness, "a lamp"), "done")
    assert harness.bought == ["a lamp"]
