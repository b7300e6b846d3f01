"""Notices: added with the change itself, sent until they arrive, never twice under two ids, and nobody is held up."""

from __future__ import annotations

import dataclasses
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any, cast

import pytest
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.customers.notices import (
    FINAL,
    USUAL,
    DisabledReason,
    Endpoint,
    EndpointFormat,
    Facts,
    Notice,
    NoticeStatus,
    NoticeType,
)
from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Message, SendOutcome
from pipelines.stages.decisions import control
from pipelines.stages.files import erase
from pipelines.stages.kernel.transitions import Actor, transition_run
from pipelines.stages.notices import endpoints
from pipelines.stages.notices.endpoints import NewEndpoint
from pipelines.stages.notices.send import AT_ONE_ADDRESS, GIVE_UP_S, LATER_S, Notifier
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.testing import RecordingSender
from tests.stages.stage_fixtures import STOPPED, StageHarness

NO = SendOutcome(arrived=False, words="answered 500", code=500)
GONE = SendOutcome(arrived=False, words="answered 410", code=410)


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def sender(harness: StageHarness) -> RecordingSender:
    return cast("RecordingSender", harness.services.notices)


def endpoint(
    harness: StageHarness, name: str = "one", *, events: tuple[str, ...] = USUAL, form: EndpointFormat = "standard"
) -> Endpoint:
    address = SealedAddress(sealed=name, shown=name, origin=f"https://{name}.example")
    wanted = NewEndpoint(address=address, sealed_secret=f"secret of {name}", format=form, events=events)
    return endpoints.create(harness.services, wanted)


def start(harness: StageHarness, *, title: str | None = None, **told: Any) -> str:
    order = Order(scenes=(SceneOrder(prompt="a fox"),), scene_count=1, title=title)
    return accept.start(harness.services, StartRequest(source="rest", order=order, **told)).run_id


def film(harness: StageHarness, **told: Any) -> str:
    run_id = start(harness, **told)
    assert harness.until(run_id, *STOPPED).status is RunStatus.DONE
    harness.work()
    return run_id


def notices(harness: StageHarness) -> list[Notice]:
    with harness.services.store.read() as tx:
        return tx.notices.find(order="created_at")


def only(harness: StageHarness) -> Notice:
    (found,) = notices(harness)
    return found


def now_of(harness: StageHarness, endpoint_id: str) -> Endpoint:
    with harness.services.store.read() as tx:
        return endpoints.found(tx, endpoint_id)


def wait(harness: StageHarness, seconds: float) -> None:
    harness.clock.pass_by(seconds)
    Notifier(harness.services).send_due()


def body_of(message: Message) -> Any:
    return json.loads(message.body)


def test_whoever_wants_it_is_told_what_happens_to_a_run(harness: StageHarness) -> None:
    endpoint(harness)
    endpoint(harness, "two", events=(NoticeType.RUN_DONE, NoticeType.RUN_PROGRESS))
    run_id = film(harness, custom_id="film-7", metadata={"campaign": "autumn"})
    sent = sorted(((one.address.sealed, body_of(one)) for one in sender(harness).sent), key=lambda one: one[0])
    assert [(who, body["type"]) for who, body in sent] == [
        ("one", "run.queued"),
        ("one", "run.done"),
        ("two", "run.progress"),
        ("two", "run.done"),
    ]
    data = sent[1][1]["data"]
    assert data["run_id"] == run_id
    assert (data["status"], data["custom_id"], data["metadata"]) == ("done", "film-7", {"campaign": "autumn"})
    assert [one["format"] for one in data["videos"]] == ["16:9"]
    assert data["videos"][0]["url"].startswith("https://reelgrid.test/v/")
    assert data["version"] == harness.run(run_id).version > sent[0][1]["data"]["version"]
    assert sent[2][1]["data"]["progress"] == 1.0
    assert {one.status for one in notices(harness)} == {NoticeStatus.DELIVERED}
    assert all(one.id.startswith("msg_") for one in notices(harness))


def test_the_address_of_an_order_hears_how_it_ends_and_nothing_else(harness: StageHarness) -> None:
    address = SealedAddress(sealed="of the order", origin="https://ada.example")
    film(harness, webhook=address)
    (message,) = sender(harness).sent
    assert (message.address, message.sealed_secrets, message.account_id) == (address, (), None)
    assert body_of(message)["type"] in FINAL


def test_a_change_that_is_rolled_back_is_told_to_nobody(harness: StageHarness) -> None:
    endpoint(harness)
    run_id = start(harness)
    told = len(notices(harness))
    with pytest.raises(ZeroDivisionError):
        _cancel_and_die(harness, run_id)
    assert len(notices(harness)) == told == 1


def _cancel_and_die(harness: StageHarness, run_id: str) -> None:
    with harness.services.store.write() as tx:
        transition_run(tx, Actor("test", harness.clock.now()), harness.run(run_id), RunStatus.CANCELLED)
        assert tx.notices.count() == 2
        _die()


def test_it_is_tried_again_at_growing_intervals_and_given_up_after_a_day(harness: StageHarness) -> None:
    made = endpoint(harness, events=(NoticeType.RUN_QUEUED,))
    sender(harness).answers = [NO] * 100
    start(harness)
    for pause in LATER_S:
        wait(harness, 0.001)
        tried, due = len(sender(harness).sent), only(harness).next_at or 0.0
        assert 0.89 * pause < due - harness.clock.now() < 1.11 * pause
        wait(harness, 0.89 * pause)
        assert len(sender(harness).sent) == tried
        harness.clock.pass_by(due - harness.clock.now())
    wait(harness, 0.001)
    assert only(harness).status is NoticeStatus.FAILED
    assert len(sender(harness).sent) == len(LATER_S) + 1
    assert len({(one.id, one.body) for one in sender(harness).sent}) == 1
    (row,), _ = endpoints.notices_of(harness.services, made.id, limit=5, cursor=None)
    assert [one.outcome for one in row.attempts] == ["answered 500"] * 8


def test_a_receiver_may_ask_for_time_but_not_for_more_than_an_hour(harness: StageHarness) -> None:
    endpoint(harness, events=(NoticeType.RUN_QUEUED,))
    sender(harness).answers = [
        dataclasses.replace(NO, code=429, retry_after=600.0),
        dataclasses.replace(NO, code=503, retry_after=9e9),
    ]
    start(harness)
    wait(harness, 0.001)
    assert (only(harness).next_at or 0) - harness.clock.now() == pytest.approx(600.0)
    wait(harness, 601.0)
    assert (only(harness).next_at or 0) - harness.clock.now() == pytest.approx(3600.0)


def test_410_switches_an_endpoint_off_and_the_others_are_told(harness: StageHarness) -> None:
    gone = endpoint(harness, events=(NoticeType.RUN_QUEUED,))
    other = endpoint(harness, "other", events=(NoticeType.ENDPOINT_DISABLED,))
    sender(harness).answers = [GONE]
    start(harness)
    wait(harness, 0.001)
    assert now_of(harness, gone.id).off is DisabledReason.GONE
    wait(harness, 0.001)
    told = [body_of(one) for one in sender(harness).sent if one.address.sealed == "other"]
    assert [(one["type"], one["data"]["endpoint_id"]) for one in told] == [("endpoint.disabled", gone.id)]
    assert now_of(harness, other.id).off is None
    with pytest.raises(NotAllowed):
        endpoints.test(harness.services, gone.id)


def test_five_days_of_nothing_but_failures_switch_it_off_and_what_it_missed_can_be_had(harness: StageHarness) -> None:
    made = endpoint(harness, events=(NoticeType.RUN_QUEUED,))
    began = harness.clock.now()
    sender(harness).answers = [NO] * 30
    start(harness)
    wait(harness, 0.001)
    wait(harness, GIVE_UP_S - 60.0)
    assert now_of(harness, made.id).off is None
    start(harness)
    wait(harness, 120.0)
    assert now_of(harness, made.id).off is DisabledReason.FAILING
    start(harness)
    wait(harness, 40_000.0)
    assert {one.status for one in notices(harness)} == {NoticeStatus.DROPPED}
    sender(harness).answers.clear()
    sender(harness).sent.clear()
    with pytest.raises(NotAllowed):
        endpoints.recover(harness.services, made.id, began)
    endpoints.change(harness.services, made.id, enabled=True)
    assert endpoints.recover(harness.services, made.id, began) == (3, False)
    assert endpoints.recover(harness.services, made.id, began) == (0, False)
    wait(harness, 0.001)
    wait(harness, 10.0)
    assert len({one.id for one in sender(harness).sent}) == len(sender(harness).sent) == 3
    assert now_of(harness, made.id).failing_since is None


def test_one_success_ends_the_count(harness: StageHarness) -> None:
    made = endpoint(harness, events=(NoticeType.RUN_QUEUED,))
    sender(harness).answers = [NO]
    start(harness)
    wait(harness, 0.001)
    assert now_of(harness, made.id).failing_since is not None
    wait(harness, 6.0)
    assert now_of(harness, made.id).failing_since is None


def test_a_death_after_sending_sends_the_same_id_and_bytes(harness: StageHarness) -> None:
    endpoint(harness, events=(NoticeType.RUN_DONE,))
    run_id = start(harness)
    harness.until(run_id, "delivering")
    for _ in range(3):
        harness.step("runs", run_id)
    harness.points.at("notice.sent", _die)
    with pytest.raises(ZeroDivisionError):
        wait(harness, 0.001)
    with harness.services.store.write() as tx:
        tx.runs.change(run_id, error="something else", version=99)
    wait(harness, 1.0)
    assert len(sender(harness).sent) == 1
    wait(harness, 61.0)
    first, second = sender(harness).sent
    assert (first.id, first.body) == (second.id, second.body)
    assert only(harness).status is NoticeStatus.DELIVERED


def _die() -> None:
    raise ZeroDivisionError


def test_progress_is_told_at_most_every_ten_seconds_and_never_again(harness: StageHarness) -> None:
    endpoint(harness, events=(NoticeType.RUN_PROGRESS,))
    sender(harness).answers = [NO] * 9
    order = Order(scenes=tuple(SceneOrder(prompt=f"a fox {n}") for n in range(4)), scene_count=4)
    run_id = accept.start(harness.services, StartRequest(source="rest", order=order)).run_id
    harness.until(run_id, *STOPPED)
    wait(harness, 50_000.0)
    moments = [one.created_at for one in notices(harness)]
    assert all(second - first >= 10.0 for first, second in itertools.pairwise(moments))
    assert len(sender(harness).sent) == len(moments) < 4


class StuckSender(RecordingSender):
    """Some addresses do not answer until they are let go; how many attempts each had at once at most."""

    def __init__(self, *stuck: str) -> None:
        super().__init__()
        self.stuck, self.go_on = stuck, Event()
        self.began, self.answered = list[str](), list[str]()

    def send(self, message: Message, now: float) -> SendOutcome:
        self.began.append(message.address.sealed)
        if message.address.sealed in self.stuck:
            assert self.go_on.wait(30)
        self.answered.append(message.address.sealed)
        return super().send(message, now)


def test_a_dead_address_takes_two_places_and_holds_up_nobody(tmp_path: Path) -> None:
    """Hundreds wait for it, which are older than those for the one that answers."""
    stuck = StuckSender("dead")
    harness = StageHarness.build(tmp_path, notices=stuck)
    dead, alive = endpoint(harness, "dead", events=()), endpoint(harness, "alive", events=())
    with harness.services.store.write() as tx:
        for number in range(250):
            tx.notices.add(_queued(dead, number, harness.clock.now() - 500 + number))
        for number in range(20):
            tx.notices.add(_queued(alive, number, harness.clock.now() - 1))
    with ThreadPoolExecutor(32) as pool:
        notifier = Notifier(harness.services, pool)
        try:
            for _ in range(500):
                notifier.send_due()
                if stuck.answered.count("alive") == 20:
                    break
                harness.clock.pass_by(0.1)
        finally:
            stuck.go_on.set()
        assert stuck.answered.count("alive") == 20
        assert stuck.began.count("dead") == AT_ONE_ADDRESS


def test_what_waits_for_a_full_address_asks_for_no_transaction_each(tmp_path: Path) -> None:
    """A receiver that answers slowly must not keep everybody else from writing."""
    stuck = StuckSender("dead")
    harness = StageHarness.build(tmp_path, notices=stuck)
    dead = endpoint(harness, "dead", events=())
    with harness.services.store.write() as tx:
        for number in range(100):
            tx.notices.add(_queued(dead, number, harness.clock.now() - 1))
    writes: list[object] = []

    def written(connection: object) -> None:
        writes.append(connection)

    assert isinstance(harness.services.store, SqlStore)
    with ThreadPoolExecutor(4) as pool:
        event.listen(harness.services.store.engine, "commit", written)
        try:
            assert Notifier(harness.services, pool).send_due() == AT_ONE_ADDRESS
        finally:
            stuck.go_on.set()
            event.remove(harness.services.store.engine, "commit", written)
    assert len(writes) < 10


def test_two_pumps_keep_to_the_same_places(tmp_path: Path) -> None:
    stuck = StuckSender("dead")
    harness = StageHarness.build(tmp_path, notices=stuck)
    dead = endpoint(harness, "dead", events=())
    with harness.services.store.write() as tx:
        for number in range(20):
            tx.notices.add(_queued(dead, number, harness.clock.now() - 1))
    together = Barrier(2)

    def pump() -> int:
        together.wait()
        return Notifier(harness.services, pool).send_due()

    with ThreadPoolExecutor(32) as pool, ThreadPoolExecutor(2) as pumps:
        try:
            assert sum(one.result() for one in [pumps.submit(pump), pumps.submit(pump)]) == AT_ONE_ADDRESS
        finally:
            stuck.go_on.set()


def _queued(at: Endpoint, number: int, due: float) -> Notice:
    return Notice(
        id=f"msg_{at.address.sealed}_{number}",
        endpoint_id=at.id,
        type=NoticeType.ENDPOINT_TEST,
        event=str(number),
        target=at.id,
        facts=Facts(at=due),
        created_at=due,
        next_at=due,
    )


def test_slack_hears_a_sentence_that_mentions_nobody(harness: StageHarness) -> None:
    endpoint(harness, form="slack", events=(NoticeType.RUN_DONE,))
    film(harness, title="<!channel> & @here <https://evil.example|click>")
    (message,) = sender(harness).sent
    text = body_of(message)["text"]
    assert body_of(message).keys() == {"text"}
    assert text.startswith(
        "“&lt;!channel&gt; &amp; @\u200bhere &lt;https://evil.example❘click&gt;” is ready. <https://"
    )
    assert text.endswith("|16:9>")


def test_airtable_hears_fields_without_anything_inside_them(harness: StageHarness) -> None:
    endpoint(harness, form="airtable", events=(NoticeType.RUN_DONE,))
    film(harness, metadata={"row": "rec1"})
    (message,) = sender(harness).sent
    body = body_of(message)
    assert all(value is None or isinstance(value, str | int) for value in body.values())
    assert (body["type"], body["status"], body["metadata_row"]) == ("run.done", "done", "rec1")
    assert body["video_url"].startswith("https://reelgrid.test/v/")


def test_both_secrets_sign_until_the_old_one_has_ended(harness: StageHarness) -> None:
    made = endpoint(harness, events=())
    endpoints.rotate(harness.services, made.id, "another", hours=2)
    with pytest.raises(NotAllowed):
        endpoints.rotate(harness.services, made.id, "a third", hours=2)
    endpoints.test(harness.services, made.id)
    wait(harness, 0.001)
    endpoints.test(harness.services, made.id)
    wait(harness, 7200.0)
    assert [one.sealed_secrets for one in sender(harness).sent] == [("another", "secret of one"), ("another",)]


def test_what_was_erased_is_sent_no_more(harness: StageHarness) -> None:
    endpoint(harness, events=(NoticeType.RUN_DONE,))
    sender(harness).answers = [NO]
    _, run = harness.film(Prompt="a fox")
    assert run.status is RunStatus.DONE
    harness.work()
    erase.erase(harness.services, run.base_id or "", run.record_id or "")
    row = only(harness)
    assert row.erased
    assert (row.body, row.next_at) == (None, None)
    with pytest.raises(NotAllowed):
        endpoints.resend(harness.services, row.id)


def test_a_cancelled_run_is_told_as_such(harness: StageHarness) -> None:
    endpoint(harness, events=tuple(FINAL))
    run_id = start(harness)
    control.cancel(harness.services, run_id, "ann")
    wait(harness, 0.001)
    assert [body_of(one)["type"] for one in sender(harness).sent] == ["run.cancelled"]
