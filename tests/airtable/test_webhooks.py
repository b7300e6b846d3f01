"""Push without a script: registered at the sandbox's Airtable, its real pings verified, its payloads read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from pipelines.airtable.connections import AirtableTools
from pipelines.domain.errors import AirtableDenied, RecordGone
from pipelines.security.webhook_signatures import BadWebhook
from tests.airtable.airtable_fixtures import BASE, AirtableHarness, want
from tests.sandbox.airtable.sandbox_airtable import Web, until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AirtableHarness, Web]]:
    with Web() as web, AirtableHarness(tmp_path_factory.mktemp("push"), PUBLIC_URL=web.url) as world:
        world.faults(ping_delay_s=0.0, ping_retry_s=0.05)
        world.build()
        yield world, web


@pytest.fixture
def world(running: tuple[AirtableHarness, Web]) -> AirtableHarness:
    """The module's base without webhooks and rows."""
    world = running[0]
    api = world.tools.client.api(BASE)
    for hook in hooks(world):
        api.delete(api.build_url("bases", BASE, "webhooks", hook))
    world.tools.bases.disconnect(BASE)
    for table in ("Videos", "Scenes"):
        for row in world.rows(table):
            world.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    # Payload times are the sandbox's; ours only has to agree roughly with the webhook's expiry.
    world.clock.set(time.time())
    return world


@pytest.fixture
def web(running: tuple[AirtableHarness, Web]) -> Web:
    web = running[1]
    web.posts.clear()
    web.post_answers.clear()
    return web


def the_ping(world: AirtableHarness, web: Web) -> tuple[bytes, str | None]:
    """The first ping of the webhook that lives now, with its MAC: those of earlier ones may still arrive."""
    hook = world.tools.webhooks.known(BASE)
    assert hook is not None
    headers, body = until(lambda: next((post for post in web.posts if hook.id.encode() in post[1]), None))
    return body, {name.lower(): value for name, value in headers.items()}.get("x-airtable-content-mac")


def hooks(world: AirtableHarness, airtable: AirtableTools | None = None) -> list[str]:
    client = (airtable or world.tools).client
    api = client.api(BASE)
    return [hook["id"] for hook in api.get(api.build_url("bases", BASE, "webhooks"))["webhooks"]]


def test_a_ticked_box_arrives_as_a_change_with_its_row(world: AirtableHarness, web: Web) -> None:
    world.tools.webhooks.register(BASE)
    record = world.add("Videos", {"Master Prompt": "A cat."})
    world.edit("Videos", record, {"Generate": True})
    body, mac = the_ping(world, web)
    assert world.tools.webhooks.verify(body, mac) == BASE
    [change] = world.tools.webhooks.read(BASE).rows
    assert (change.table, change.record_id, change.ticks) == ("Videos", record, {"Generate"})
    assert "Generate" in change.changed


def test_many_changes_of_one_row_come_as_one(world: AirtableHarness) -> None:
    world.tools.webhooks.register(BASE)
    record = world.add("Videos", {"Master Prompt": "A cat.", "Status": "Draft"})
    for _ in range(30):
        world.edit("Videos", record, {"Generate": True})
        world.edit("Videos", record, {"Generate": False})
    world.edit("Videos", record, {"Status": "Ready"})
    [change] = world.tools.webhooks.read(BASE).rows
    assert (change.ticks, change.status) == (frozenset(), "Ready")
    assert change.changed >= {"Generate", "Status"}


def test_the_cursor_moves_only_when_changes_were_acted_on(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    push.register(BASE)
    first = world.add("Videos", {"Generate": True})
    seen = push.read(BASE)
    assert push.read(BASE) == seen, "a process that dies after reading loses nothing"
    push.advance(BASE, seen.cursor)
    assert push.read(BASE).rows == ()
    push.advance(BASE, 1)
    assert push.read(BASE).rows == (), "a late twin does not bring the cursor back"
    second = world.add("Videos", {"Generate": True})
    assert [change.record_id for change in push.read(BASE).rows] == [second] != [first]


def test_our_own_writes_are_not_heard(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    record = world.add("Videos", {"Master Prompt": "A cat."})
    push.register(BASE)
    world.airtable.flush(BASE, [want("w", "Videos", {"Status": "Done", "Generate": False}, record_id=record)])
    assert push.read(BASE).rows == ()


def test_edits_of_a_scene_say_what_changed(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    video = world.add("Videos", {"Master Prompt": "A cat."})
    scene = world.add("Scenes", {"Prompt": "A cat.", "Video": [video], "Status": "Done"})
    push.register(BASE)
    world.edit("Scenes", scene, {"Prompt": "A dog."})
    world.edit("Scenes", scene, {"Clip URL": "https://elsewhere.example/"})
    [change] = push.read(BASE).rows
    assert (change.table, change.record_id, change.status) == ("Scenes", scene, "Done")
    assert change.changed == {"Prompt"}
    assert change.fields["Prompt"] == "A dog."
    assert change.fields["Video"][0]["id"] == video


def test_a_ping_for_nothing_finds_nothing(world: AirtableHarness) -> None:
    world.tools.webhooks.register(BASE)
    assert world.tools.webhooks.read(BASE).rows == ()
    assert world.tools.webhooks.read("appOtherBase00001").rows == ()


@pytest.mark.parametrize("change", ["body", "mac", "none", "stranger", "garbage", "list"])
def test_what_airtable_did_not_send_is_not_believed(world: AirtableHarness, web: Web, change: str) -> None:
    push = world.tools.webhooks
    push.register(BASE)
    world.add("Videos", {"Generate": True})
    body, mac = the_ping(world, web)
    forged = {
        "body": (body.replace(b"20", b"19"), mac),
        "mac": (body, "hmac-sha256=" + "0" * 64),
        "none": (body, None),
        "stranger": (json.dumps({"base": {"id": "appX"}, "webhook": {"id": "achX"}}).encode(), mac),
        "garbage": ("\xfféé".encode("latin-1"), mac),
        "list": (b"[1]", mac),
    }[change]
    with pytest.raises(BadWebhook):
        push.verify(*forged)


def test_registering_again_keeps_the_webhook_and_its_cursor(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    hook = push.register(BASE)
    world.add("Videos", {"Generate": True})
    push.advance(BASE, push.read(BASE).cursor)
    again = push.register(BASE)
    assert (again.id, again.cursor) == (hook.id, 2)
    assert hooks(world) == [hook.id]


def test_a_webhook_of_ours_whose_secret_is_lost_is_replaced_and_a_foreign_one_stays(world: AirtableHarness) -> None:
    api = world.tools.client.api(BASE)
    url = api.build_url("bases", BASE, "webhooks")
    specification = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    foreign = api.post(url, json={"notificationUrl": "https://other.example/", "specification": specification})["id"]
    lost = api.post(url, json={"notificationUrl": world.tools.webhooks.url, "specification": specification})["id"]
    ours = world.tools.webhooks.register(BASE)
    assert lost not in hooks(world)
    assert set(hooks(world)) == {foreign, ours.id}


def test_the_mac_secret_is_sealed_at_rest(world: AirtableHarness) -> None:
    hook = world.tools.webhooks.register(BASE)
    kept = world.tools.bases.state(BASE)["webhook"]["secret"]
    assert kept == hook.secret
    assert len(world.tools.bases.unseal(kept)) > 40
    assert world.tools.bases.unseal(kept) not in kept


def test_the_webhook_is_renewed_once_a_day(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    assert not push.renew(BASE), "there is none"
    push.register(BASE)
    assert not push.renew(BASE)
    world.clock.wait(90_000)
    assert push.renew(BASE)
    assert not push.renew(BASE)


def test_a_webhook_that_airtable_dropped_is_registered_anew(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    old = push.register(BASE)
    api = world.tools.client.api(BASE)
    api.delete(api.build_url("bases", BASE, "webhooks", old.id))
    with pytest.raises(RecordGone):
        push.read(BASE)
    assert push.health(BASE).problem
    world.clock.wait(90_000)
    assert push.renew(BASE)
    assert hooks(world) != [old.id]
    assert push.health(BASE).problem == ""


def test_notifications_that_airtable_switched_off_are_seen_and_switched_on_again(
    world: AirtableHarness, web: Web
) -> None:
    push = world.tools.webhooks
    hook = push.register(BASE)
    api = world.tools.client.api(BASE)
    api.post(api.build_url("bases", BASE, "webhooks", hook.id, "enableNotifications"), json={"enable": False})
    assert "switched notifications off" in push.health(BASE).problem
    assert push.register(BASE).id == hook.id
    assert push.health(BASE).problem == ""


def test_pings_that_do_not_arrive_are_reported(world: AirtableHarness, web: Web) -> None:
    world.tools.webhooks.register(BASE)
    web.post_answers += [500] * 20
    world.add("Videos", {"Generate": True})
    until(lambda: world.tools.webhooks.health(BASE).problem)


def test_push_is_switched_off_without_a_trace(world: AirtableHarness) -> None:
    push = world.tools.webhooks
    push.register(BASE)
    assert push.unregister(BASE)
    assert hooks(world) == []
    assert push.known(BASE) is None
    assert not push.unregister(BASE)


def test_push_without_the_scope_is_refused_with_a_reason(world: AirtableHarness) -> None:
    world.control("POST", "tokens", {"token": "patReelgrid.few", "scopes": ["data.records:read", "schema.bases:read"]})
    with pytest.raises(AirtableDenied):
        world.connect(AIRTABLE_API_KEY="patReelgrid.few").webhooks.register(BASE)
