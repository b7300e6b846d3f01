"""What people change in a base is acted on once: through Airtable's webhooks of the sandbox, or a look without them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.airtable.connections import connect
from pipelines.bootstrap import build_services
from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.records import Base, Clip, Run, Scene
from pipelines.settings import load_settings
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.base_rows.airtable_calls import CallCounter
from pipelines.stages.decisions import control
from pipelines.stages.delivery import flush
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.orders import schedule
from pipelines.stages.scheduler import steps
from pipelines.stages.views import run_view
from pipelines.testing import empty_database, made_for_tests
from tests.airtable.airtable_fixtures import BASE, TOKEN, AirtableHarness

OUTSIDE = "https://films.example.com"


class House:
    """Real services on the sandbox's Airtable, and the hands of the pump for the base."""

    def __init__(self, harness: AirtableHarness, **environ: str) -> None:
        self.world = harness
        variables = {
            "AIRTABLE_API_KEY": TOKEN,
            "AIRTABLE_BASE_ID": BASE,
            "AIRTABLE_ENDPOINT_URL": harness.url,
            "PUBLIC_URL": OUTSIDE,
            "SECRET_KEY": "a secret key for tests only",
            "API_KEYS": "tester:" + "0" * 64,
            "VAR_DIR": str(harness.folder),
            "DATABASE_URL": f"sqlite:///{harness.folder / 'truth.db'}",
            "STORAGE_URL": f"file:{harness.folder / 'media'}",
            **environ,
        }
        settings = load_settings(variables, harness.folder)
        built = build_services(settings, clock=harness.clock)
        made_for_tests(built.store)
        counter = CallCounter(built.store, harness.clock)
        airtable = connect(settings, built.store, harness.clock, on_call=counter, wait=harness.clock.wait)
        self.services: Services = replace(built, airtable=airtable.airtable, base_tools=airtable)
        self.hooks = self.services.base_tools.webhooks

    def look(self) -> None:
        """The base comes due, and one step works on it."""
        webhook_push.schedule_polls(self.services)
        with self.services.store.write() as tx:
            tx.bases.change(BASE, next_at=self.world.clock.now())
        assert steps.step(self.services, "bases", BASE)

    def runs(self) -> list[Run]:
        with self.services.store.read() as tx:
            return tx.runs.find(order="created_at")

    def base(self) -> Base:
        with self.services.store.read() as tx:
            base = tx.bases.get(BASE)
        assert base is not None
        return base

    def finish(self, run: Run) -> None:
        """The run ends, and its row says so."""
        with self.services.store.write() as tx:
            tx.runs.change(run.id, status=RunStatus.DONE, next_at=None)
        self.flush()

    def flush(self) -> None:
        self.world.clock.wait(1)
        flush.flush_due(self.services)
        self.world.clock.wait(2)

    def calls(self) -> list[str]:
        """What was asked of Airtable since the last time."""
        with self.services.store.write() as tx:
            found = tx.events.find(name="call", order="id")
            for event in found:
                tx.events.remove(event.id)  # type: ignore[arg-type]
        return [f"{event.detail.verb} {event.detail.what}".partition(":")[0] for event in found]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path_factory.mktemp("push")) as harness:
        yield harness.build()


@pytest.fixture
def house(running: AirtableHarness, tmp_path: Path) -> House:
    """The module's base without rows and webhooks, and services that know nothing of it yet."""
    running.folder = tmp_path
    # The sandbox's webhooks expire by the real clock.
    running.clock.set(time.time())
    running.control("DELETE", "faults")
    running.faults(rate_limit=0, token_rate_limit=0)
    for table in ("Videos", "Scenes", "Versions"):
        for row in running.rows(table):
            running.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    (tmp_path / "truth.db").write_bytes(empty_database())
    house = House(running)
    api = house.services.base_tools.client.api(BASE)  # type: ignore[attr-defined]
    for hook in api.get(api.build_url("bases", BASE, "webhooks"))["webhooks"]:
        api.delete(api.build_url("bases", BASE, "webhooks", hook["id"]))
    return house


def test_a_connected_base_gets_its_webhook_by_itself_and_is_looked_at_once(house: House) -> None:
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    house.look()
    assert house.hooks.known(BASE) is not None
    assert [run.record_id for run in house.runs()] == [record]
    house.calls()
    house.look()
    assert house.calls() == ["push payloads"], "afterwards a look costs one call"


def test_a_ticked_box_starts_its_row_for_two_calls_and_is_unticked_with_the_word_queued(house: House) -> None:
    house.look()
    records = [house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True}) for _ in range(3)]
    house.world.control("DELETE", "stats")
    house.calls()
    house.look()
    assert sorted(run.record_id or "" for run in house.runs()) == sorted(records)
    assert house.calls() == ["push payloads", "read ticked Videos"]
    house.flush()
    assert house.calls() == ["write write Videos"] * 3, "one request, told in the history of each of its runs"
    assert house.world.control("GET", "stats")["bases"][BASE]["calls"]["PATCH records"] == 1
    cells = house.world.cells("Videos", records[0])
    assert cells["Status"] == "Queued"
    assert "Generate" not in cells


def test_the_run_of_a_ticked_box_takes_its_order_from_the_look_that_saw_it(house: House) -> None:
    house.look()
    made = {"Prompt": "A cat.\nA dog.", "Title": "Pets", "Generate": True, "Model": "local/animatic", "Clip Seconds": 2}
    house.world.add("Videos", made)
    house.look()
    [run] = house.runs()
    house.calls()
    assert steps.step(house.services, "runs", run.id)
    assert house.calls() == ["read settings"]
    [run] = house.runs()
    assert run.status is RunStatus.GENERATING
    assert [scene.prompt for scene in run.known_plan.scenes] == ["A cat.", "A dog."]


def test_a_box_ticked_again_after_the_run_starts_the_next_one_and_is_unticked_again(house: House) -> None:
    house.look()
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    for number in (1, 2, 3):
        house.look()
        assert [run.number for run in house.runs()] == list(range(1, number + 1))
        house.finish(house.runs()[-1])
        assert "Generate" not in house.world.cells("Videos", record)
        house.world.edit("Videos", record, {"Generate": True})


def test_a_tick_that_another_trigger_has_served_starts_nothing(house: House) -> None:
    """The payload tells of a tick; by the time it is read, the run of an automation may be over."""
    house.look()
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    house.world.tools.airtable.flush(BASE, [])
    house.world.edit("Videos", record, {"Generate": False})
    house.look()
    assert house.runs() == []


def test_a_tick_that_we_could_not_clear_yet_is_not_acted_on_twice(house: House) -> None:
    """The quota is used up while the run ends: the box still shows, and must not buy the film again."""
    house.look()
    house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True, "Status": "Ready"})
    house.look()
    [run] = house.runs()
    with house.services.store.write() as tx:
        tx.runs.change(run.id, status=RunStatus.DONE, next_at=None)
    webhook_push.turn_off(house.services, BASE)
    house.look()
    assert len(house.runs()) == 1


def test_ready_starts_a_row_and_a_later_hour_is_kept(house: House) -> None:
    house.look()
    clock = house.world.clock
    hour = datetime.fromtimestamp(clock.now() + 3600, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    later = house.world.add("Videos", {"Master Prompt": "A cat.", "Status": "Ready", "Scheduled For": hour})
    now = house.world.add("Videos", {"Master Prompt": "A dog.", "Status": "Ready"})
    house.look()
    assert [run.record_id for run in house.runs()] == [now]
    assert house.base().next_at == pytest.approx(clock.now() + 3600, abs=5)
    clock.wait(3601)
    assert steps.step(house.services, "bases", BASE), "due by itself, without any ping"
    assert [run.record_id for run in house.runs()] == [now, later]


def test_a_run_waits_for_its_hour_by_what_its_history_says_whatever_its_sentence_is(house: House) -> None:
    """And one that is queued because spending is stopped is not taken for one that waits for its hour."""
    house.look()
    clock = house.world.clock
    hour = datetime.fromtimestamp(clock.now() + 3600, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    timed = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True, "Scheduled For": hour})
    house.look()
    [run] = house.runs()
    clock.wait(60)
    with house.services.store.read() as tx:
        assert schedule.waiting_run(tx, BASE, timed, clock.now()) == run.id, "nobody has to do anything about it"
    with house.services.store.write() as tx:
        tx.runs.change(run.id, detail="Wartet bis 10 Uhr.")
    control.set_stop(house.services, on=True, reason="a holiday", actor="test")
    stopped = house.world.add("Videos", {"Master Prompt": "A dog.", "Generate": True})
    house.look()
    other = next(one for one in house.runs() if one.record_id == stopped)
    assert steps.step(house.services, "runs", other.id)
    with house.services.store.read() as tx:
        assert schedule.waiting_run(tx, BASE, stopped, clock.now()) is None, "it is kept from going on"
    house.world.edit("Videos", timed, {"Scheduled For": None})
    house.look()
    moved, left = sorted(house.runs(), key=lambda one: one.record_id != timed)
    assert moved.next_at is not None
    assert moved.next_at <= clock.now(), "it is due at once"
    assert left.detail.startswith("Spending is stopped (a holiday).")
    told = [event["sentence"] for event in run_view.run_view(house.services, run.id)["events"]]
    assert any(sentence.startswith("Waiting until") for sentence in told)


def test_ready_over_a_run_that_goes_on_is_answered_by_its_status(house: House) -> None:
    house.look()
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Status": "Ready"})
    house.look()
    house.flush()
    house.world.edit("Videos", record, {"Status": "Ready"})
    house.look()
    assert len(house.runs()) == 1
    house.flush()
    assert house.world.cells("Videos", record)["Status"] == "Queued"


def test_a_ping_during_the_work_makes_the_base_due_again(house: House) -> None:
    house.look()
    services, clock = house.services, house.world.clock
    with services.store.write() as tx:
        tx.bases.change(BASE, next_at=clock.now())
    token = services.store.claim("bases", BASE, owner="another", now=clock.now(), seconds=60)
    assert token
    assert not steps.step(services, "bases", BASE), "one at a time"
    before = house.base()
    clock.wait(1)
    assert webhook_push.record_ping(services, BASE, "delivery-1")
    assert not webhook_push.record_ping(services, BASE, "delivery-1"), "a repeat is nothing"
    webhook_push._rest(services, Actor("another", clock.now(), token), before, webhook_push.PUSHED_S)
    assert house.base().next_at == clock.now()
    assert steps.step(services, "bases", BASE)


def test_pings_for_nothing_cost_one_call_and_change_nothing(house: House) -> None:
    """The first of a day, in a base that was looked at before, reads which brands there are, too."""
    house.look()
    house.calls()
    house.look()
    assert house.calls() == ["push payloads", "read brands"]
    for _ in range(3):
        house.look()
    assert house.calls() == ["push payloads"] * 3
    assert house.runs() == []


def test_the_webhook_is_looked_after_once_a_day(house: House) -> None:
    house.look()
    hook = house.hooks.known(BASE)
    house.world.clock.wait(webhook_push.CHECK_S + 60)
    house.calls()
    house.look()
    assert [call for call in house.calls() if "schema" not in call] == ["push list", "push payloads", "read brands"]
    renewed = house.hooks.known(BASE)
    assert renewed
    assert hook
    assert renewed.id == hook.id
    assert renewed.expires_at > hook.expires_at


def test_a_webhook_that_is_gone_is_registered_anew_with_one_look_at_the_rows(house: House) -> None:
    house.look()
    old = house.hooks.known(BASE)
    assert old
    api = house.services.base_tools.client.api(BASE)  # type: ignore[attr-defined]
    api.delete(api.build_url("bases", BASE, "webhooks", old.id))
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    house.look()
    new = house.hooks.known(BASE)
    assert new
    assert new.id != old.id
    assert [run.record_id for run in house.runs()] == [record]


def test_without_the_scope_the_base_is_looked_at_now_and_then(house: House) -> None:
    scopes = ["data.records:read", "data.records:write", "schema.bases:read"]
    house.world.control("POST", "tokens", {"token": "patReelgrid.poor", "scopes": scopes})
    poor = House(house.world, AIRTABLE_API_KEY="patReelgrid.poor")
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    poor.look()
    assert [run.record_id for run in poor.runs()] == [record]
    assert poor.base().state.webhook is None
    assert poor.base().next_at == pytest.approx(house.world.clock.now() + webhook_push.POLL_S, abs=5)
    assert "403" in webhook_push.known(poor.services, BASE).problem
    poor.calls()
    poor.look()
    assert not [call for call in poor.calls() if call.startswith("push")], "not asked again at once"


def test_a_deployment_that_airtable_cannot_reach_registers_nothing(house: House) -> None:
    laptop = House(house.world, PUBLIC_URL="http://127.0.0.1:8000", AIRTABLE_ENDPOINT_URL=house.world.url)
    services = replace(laptop.services, policy=replace(laptop.services.policy, airtable_reaches_us=False))
    assert webhook_push.ensure_registered(services, BASE) is webhook_push.PushState.NONE
    assert laptop.hooks.known(BASE) is None


def test_push_is_off_when_a_person_says_so_and_stays_off(house: House) -> None:
    house.look()
    assert webhook_push.turn_off(house.services, BASE)
    house.look()
    assert house.hooks.known(BASE) is None
    assert webhook_push.turn_on(house.services, BASE) is webhook_push.PushState.NEW
    assert house.hooks.known(BASE) is not None


def test_a_locked_out_base_is_read_later_and_nothing_is_lost(house: House) -> None:
    house.look()
    record = house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    house.world.faults(lockout_now_s=1)
    house.look()
    assert house.runs() == []
    assert house.base().next_at == pytest.approx(house.world.clock.now() + 30, abs=5)
    house.world.control("DELETE", "stats")
    house.world.clock.wait(31)
    assert steps.step(house.services, "bases", BASE)
    assert [run.record_id for run in house.runs()] == [record]


def made_scene(house: House, text: str) -> tuple[str, str]:
    """A finished run with one scene whose row a person sees; the row and the scene's id."""
    video = house.world.add("Videos", {"Master Prompt": "A cat."})
    row = house.world.add("Scenes", {"Prompt": text, "Video": [video], "Status": "Done", "Scene Key": f"{video}-r1-01"})
    with house.services.store.write() as tx:
        tx.runs.add(Run(id="run_1", status=RunStatus.DONE, source="record", base_id=BASE, record_id=video))
        clip = Clip(id="clip_1", run_id="run_1", scene_id="scn_1", fingerprint="f", sha256="s", key="k", size=1)
        tx.clips.add(replace(clip, model="local/animatic"))
        tx.scenes.add(
            Scene(
                id="scn_1",
                run_id="run_1",
                number=1,
                key=f"{video}-r1-01",
                prompt=text,
                clip_id="clip_1",
                status=SceneStatus.DONE,
                airtable_record_id=row,
            )
        )
    return row, "scn_1"


def test_an_edited_scene_of_a_finished_run_is_stale_until_the_edit_is_undone_and_nothing_is_bought(
    house: House,
) -> None:
    house.look()
    row, scene = made_scene(house, "A cat.")
    for text, status in (("A dog.", "Stale"), ("A cat.", "Done")):
        house.world.edit("Scenes", row, {"Prompt": text})
        house.look()
        house.flush()
        assert house.world.cells("Scenes", row)["Status"] == status
    assert len(house.runs()) == 1
    with house.services.store.read() as tx:
        assert tx.generations.count() == 0
        found = tx.scenes.get(scene)
    assert found is not None
    assert found.prompt == "A cat."


def test_the_calls_of_a_look_that_was_about_one_run_are_charged_to_it_and_others_are_shown_as_shared(
    house: House,
) -> None:
    house.look()
    house.world.add("Videos", {"Master Prompt": "A cat.", "Generate": True})
    house.look()
    [run] = house.runs()
    house.world.clock.wait(1)
    house.look()
    house.world.clock.wait(1)
    seen = run_view.run_view(house.services, run.id)
    assert (seen["airtable_calls"], seen["airtable_calls_shared"]) == (2, 1), "payloads and ticked; a look for nothing"
    both = [house.world.add("Videos", {"Master Prompt": "A dog.", "Generate": True}) for _ in range(2)]
    house.look()
    others = [other for other in house.runs() if other.record_id in both]
    assert [run_view.run_view(house.services, other.id)["airtable_calls"] for other in others] == [0, 0]
