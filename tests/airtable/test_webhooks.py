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
    with Web() as web, AirtableHarness(tmp_path_factory.mktemp("push"), PUBLIC_URL=web.url) as harness:
        harness.faults(ping_delay_s=0.0, ping_retry_s=0.05)
        harness.build()
        yield harness, web


@pytest.fixture
def harness(running: tuple[AirtableHarness, Web]) -> AirtableHarness:
    """The module's base without webhooks and rows."""
    harness = running[0]
    api = harness.tools.client.api(BASE)
    for hook in hooks(harness):
        api.delete(api.build_url("bases", BASE, "webhooks", hook))
    harness.tools.bases.disconnect(BASE)
    for table in ("Videos", "Scenes"):
        for row in harness.rows(table):
            harness.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    # Payload times are the sandbox's; ours only has to agree roughly with the webhook's expiry.
    harness.clock.set(time.time())
    return harness


@pytest.fixture
def web(running: tuple[AirtableHarness, Web]) -> Web:
    web = running[1]
    web.posts.clear()
    web.post_answers.clear()
    return web


def the_ping(harness: AirtableHarness, web: Web) -> tuple[bytes, str | None]:
    """The first ping of the webhook that lives now, with its MAC: those of earlier ones may still arrive."""
    hook = harness.tools.webhooks.known(BASE)
    assert hook is not None
    headers, body = until(lambda: next((post for post in web.posts if hook.id.encode() in post[1]), None))
    return body, {name.lower(): value for name, value in headers.items()}.get("x-airtable-content-mac")


def hooks(harness: AirtableHarness, airtable: AirtableTools | None = None) -> list[str]:
    client = (airtable or harness.tools).client
    api = client.api(BASE)
    return [hook["id"] for hook in api.get(api.build_url("bases", BASE, "webhooks"))["webhooks"]]


def test_a_ticked_box_arrives_as_a_change_with_its_row(harness: AirtableHarness, web: Web) -> None:
    harness.tools.webhooks.register(BASE)
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.edit("Videos", record, {"Generate": True})
    body, mac = the_ping(harness, web)
    assert harness.tools.webhooks.verify(body, mac) == BASE
    [change] = harness.tools.webhooks.read(BASE).rows
    assert (change.table, change.record_id, change.ticks) == ("Videos", record, frozenset({"Generate"}))
    assert "Generate" in change.changed


def test_many_changes_of_one_row_come_as_one(harness: AirtableHarness) -> None:
    harness.tools.webhooks.register(BASE)
    record = harness.add("Videos", {"Master Prompt": "A cat.", "Status": "Draft"})
    for _ in range(30):
        harness.edit("Videos", record, {"Generate": True})
        harness.edit("Videos", record, {"Generate": False})
    harness.edit("Videos", record, {"Status": "Ready"})
    [change] = harness.tools.webhooks.read(BASE).rows
    assert (change.ticks, change.status) == (frozenset(), "Ready")
    assert change.changed >= {"Generate", "Status"}


def test_the_cursor_moves_only_when_changes_were_acted_on(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    push.register(BASE)
    first = harness.add("Videos", {"Generate": True})
    seen = push.read(BASE)
    assert push.read(BASE) == seen, "a process that dies after reading loses nothing"
    push.advance(BASE, seen.cursor)
    assert push.read(BASE).rows == ()
    push.advance(BASE, 1)
    assert push.read(BASE).rows == (), "a late twin does not bring the cursor back"
    second = harness.add("Videos", {"Generate": True})
    assert [change.record_id for change in push.read(BASE).rows] == [second] != [first]


def test_our_own_writes_are_not_heard(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    push.register(BASE)
    harness.airtable.flush(BASE, [want("w", "Videos", {"Status": "Done", "Generate": False}, record_id=record)])
    assert push.read(BASE).rows == ()


def test_edits_of_a_scene_say_what_changed(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    scene = harness.add("Scenes", {"Prompt": "A cat.", "Video": [video], "Status": "Done"})
    push.register(BASE)
    harness.edit("Scenes", scene, {"Prompt": "A dog."})
    harness.edit("Scenes", scene, {"Clip URL": "https://elsewhere.example/"})
    [change] = push.read(BASE).rows
    assert (change.table, change.record_id, change.status) == ("Scenes", scene, "Done")
    assert change.changed == {"Prompt"}
    assert change.fields["Prompt"] == "A dog."
    assert change.fields["Video"][0]["id"] == video


def test_a_ping_for_nothing_finds_nothing(harness: AirtableHarness) -> None:
    harness.tools.webhooks.register(BASE)
    assert harness.tools.webhooks.read(BASE).rows == ()
    assert harness.tools.webhooks.read("appOtherBase00001").rows == ()


@pytest.mark.parametrize("change", ["body", "mac", "none", "stranger", "garbage", "list"])
def test_what_airtable_did_not_send_is_not_believed(harness: AirtableHarness, web: Web, change: str) -> None:
    push = harness.tools.webhooks
    push.register(BASE)
    harness.add("Videos", {"Generate": True})
    body, mac = the_ping(harness, web)
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


def test_registering_again_keeps_the_webhook_and_its_cursor(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    hook = push.register(BASE)
    harness.add("Videos", {"Generate": True})
    push.advance(BASE, push.read(BASE).cursor)
    again = push.register(BASE)
    assert (again.id, again.cursor) == (hook.id, 2)
    assert hooks(harness) == [hook.id]


def test_a_webhook_of_ours_whose_secret_is_lost_is_replaced_and_a_foreign_one_stays(harness: AirtableHarness) -> None:
    api = harness.tools.client.api(BASE)
    url = api.build_url("bases", BASE, "webhooks")
    specification = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    foreign = api.post(url, json={"notificationUrl": "https://other.example/", "specification": specification})["id"]
    lost = api.post(url, json={"notificationUrl": harness.tools.webhooks.url, "specification": specification})["id"]
    ours = harness.tools.webhooks.register(BASE)
    assert lost not in hooks(harness)
    assert set(hooks(harness)) == {foreign, ours.id}


def test_the_mac_secret_is_sealed_at_rest(harness: AirtableHarness) -> None:
    hook = harness.tools.webhooks.register(BASE)
    kept = harness.tools.bases.state(BASE).webhook
    assert kept
    assert kept.secret == hook.secret
    assert len(harness.tools.bases.unseal(kept.secret)) > 40
    assert harness.tools.bases.unseal(kept.secret) not in kept.secret


def test_the_webhook_is_renewed_once_a_day(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    assert not push.renew(BASE), "there is none"
    push.register(BASE)
    assert not push.renew(BASE)
    harness.clock.wait(90_000)
    assert push.renew(BASE)
    assert not push.renew(BASE)


def test_a_webhook_that_airtable_dropped_is_registered_anew(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    old = push.register(BASE)
    api = harness.tools.client.api(BASE)
    api.delete(api.build_url("bases", BASE, "webhooks", old.id))
    with pytest.raises(RecordGone):
        push.read(BASE)
    assert push.health(BASE).problem
    harness.clock.wait(90_000)
    assert push.renew(BASE)
    assert hooks(harness) != [old.id]
    assert push.health(BASE).problem == ""


def test_notifications_that_airtable_switched_off_are_seen_and_switched_on_again(
    harness: AirtableHarness, web: Web
) -> None:
    push = harness.tools.webhooks
    hook = push.register(BASE)
    api = harness.tools.client.api(BASE)
    api.post(api.build_url("bases", BASE, "webhooks", hook.id, "enableNotifications"), json={"enable": False})
    assert "switched notifications off" in push.health(BASE).problem
    assert push.register(BASE).id == hook.id
    assert push.health(BASE).problem == ""


def test_pings_that_do_not_arrive_are_reported(harness: AirtableHarness, web: Web) -> None:
    harness.tools.webhooks.register(BASE)
    web.post_answers += [500] * 20
    harness.add("Videos", {"Generate": True})
    until(lambda: harness.tools.webhooks.health(BASE).problem)


def test_push_is_switched_off_without_a_trace(harness: AirtableHarness) -> None:
    push = harness.tools.webhooks
    push.register(BASE)
    assert push.unregister(BASE)
    assert hooks(harness) == []
    assert push.known(BASE) is None
    assert not push.unregister(BASE)


def test_push_without_the_scope_is_refused_with_a_reason(harness: AirtableHarness) -> None:
    harness.control(
        "POST", "tokens", {"token": "patReelgrid.few", "scopes": ["data.records:read", "schema.bases:read"]}
    )
    with pytest.raises(AirtableDenied):
        harness.connect(AIRTABLE_API_KEY="patReelgrid.few").webhooks.register(BASE)


def test_a_webhook_that_was_made_before_all_tables_were_there_is_made_anew(
    running: tuple[AirtableHarness, Web], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a busy machine the worker registers while `flask airtable setup` is still building: it must not stay deaf to
    the Stop box for a day.
    """
    web = running[1]
    with AirtableHarness(tmp_path_factory.mktemp("early"), PUBLIC_URL=web.url) as early:
        early.clock.set(time.time())
        api = early.tools.client.api(BASE)
        fields = [{"name": "Title", "type": "singleLineText"}, {"name": "Status", "type": "singleLineText"}]
        api.post(api.build_url("meta/bases", BASE, "tables"), json={"name": "Videos", "fields": fields})
        first = early.tools.webhooks.register(BASE)
        early.build()
        second = early.tools.webhooks.register(BASE)
        assert second.id != first.id
        assert hooks(early) == [second.id]
        assert early.tools.webhooks.register(BASE).id == second.id
        row = early.add("Settings", {"Name": "Reelgrid", "Stop Spending": True})
        assert [change.record_id for change in early.tools.webhooks.read(BASE).rows] == [row]
