"""Webhooks of the emulated Airtable: signed, coalesced pings that carry nothing, and payloads behind a cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyairtable.models import WebhookNotification
from pyairtable.models.webhook import CreateWebhookResponse

from pipelines.sandbox.airtable import FIRST_BASE
from pipelines.sandbox.airtable.webhooks.pings import mac
from tests.sandbox.airtable.sandbox_airtable import Board, Web, error_type, until


@pytest.fixture
def airtable() -> Iterator[Board]:
    with Board() as airtable:
        yield airtable.build()


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


def spec(*data_types: str, includes: dict[str, Any] | None = None, **filters: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"filters": {"dataTypes": list(data_types or ("tableData",)), **filters}}
    return {"options": options | ({"includes": includes} if includes else {})}


def unannounced(airtable: Board, specification: dict[str, Any]) -> CreateWebhookResponse:
    """A webhook whose changes are only fetched: Airtable needs no address, and the SDK's annotation asks for one."""
    nowhere: Any = None
    return airtable.base.add_webhook(nowhere, specification)


def payloads(airtable: Board, webhook_id: str, query: str = "") -> Any:
    return airtable.raw("GET", f"bases/{FIRST_BASE}/webhooks/{webhook_id}/payloads{query}").json()


def test_the_mac_agrees_with_a_known_vector() -> None:
    body = (
        b'{"base": {"id": "app00000000000000"}, "webhook": {"id": "ach00000000000000"}, '
        b'"timestamp": "2022-02-01T21:25:05.663Z"}'
    )
    expected = "hmac-sha256=e26da696a90933647bddc83995c3e1e3bb1c3d8ce1ff61cb7469767d50b2b2d4"
    assert mac("c2VjcmV0LWtleQ==", body) == expected


def test_a_change_is_announced_by_a_ping_that_the_sdk_verifies(airtable: Board, web: Web) -> None:
    created = airtable.base.add_webhook(web.url + "/hook", spec())
    row = airtable.videos.create({"Title": "a"})
    headers, body = until(lambda: web.posts[:1])[0]
    ping = WebhookNotification.from_request(body.decode(), headers["X-Airtable-Content-MAC"], created.mac_secret_base64)
    assert (ping.base.id, ping.webhook.id) == (FIRST_BASE, created.id)
    assert set(json.loads(body)) == {"base", "webhook", "timestamp"}
    payload = next(iter(airtable.base.webhook(created.id).payloads()))
    assert payload.action_metadata is not None
    assert payload.action_metadata.source == "publicApi"
    change = payload.changed_tables_by_id[airtable.videos.id].created_records_by_id[row["id"]]
    title = airtable.videos.schema().field("Title").id
    assert change.cell_values_by_field_id == {title: "a"}


def test_changes_close_together_share_one_ping(airtable: Board, web: Web) -> None:
    airtable.control("POST", "faults", {"ping_delay_s": 1})
    created = airtable.base.add_webhook(web.url + "/hook", spec())
    for n in range(4):
        airtable.videos.create({"Title": str(n)})
    airtable.control("POST", "faults", {"ping_delay_s": 0})
    airtable.videos.create({"Title": "the one that lets the ping go"})
    until(lambda: web.posts)
    page = payloads(airtable, created.id)
    assert (len(page["payloads"]), page["cursor"], page["mightHaveMore"]) == (5, 6, False)
    until(lambda: len(airtable.sandbox.world.background) == 0)  # the pings of the first four had nothing left to say
    airtable.videos.create({"Title": "later"})
    until(lambda: len(web.posts) > 1)
    assert len(web.posts) == 2


def test_the_cursor_moves_on_and_never_restarts(airtable: Board) -> None:
    created = unannounced(airtable, spec())
    numbers = []
    for n in range(3):
        airtable.videos.create({"Title": str(n)})
    first = payloads(airtable, created.id, "?cursor=1&limit=2")
    assert (len(first["payloads"]), first["cursor"], first["mightHaveMore"]) == (2, 3, True)
    second = payloads(airtable, created.id, f"?cursor={first['cursor']}")
    assert (len(second["payloads"]), second["cursor"], second["mightHaveMore"]) == (1, 4, False)
    assert payloads(airtable, created.id, "?cursor=4") == {"payloads": [], "cursor": 4, "mightHaveMore": False}
    numbers = [p["baseTransactionNumber"] for p in first["payloads"] + second["payloads"]]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert airtable.base.webhook(created.id).cursor_for_next_payload == 4


def test_only_watched_fields_and_wanted_sources_are_told_of(airtable: Board) -> None:
    status = airtable.videos.schema().field("Status").id
    generate = airtable.videos.schema().field("Generate").id
    created = unannounced(
        airtable,
        spec(
            fromSources=["client"],
            recordChangeScope=airtable.videos.id,
            changeTypes=["add", "update"],
            watchDataInFieldIds=[status, generate],
            includes={"includePreviousCellValues": True},
        ),
    )
    row = airtable.videos.create({"Title": "a", "Status": "Draft"})
    airtable.videos.update(row["id"], {"Status": "Ready"})
    airtable.person("Videos", {"Title": "b"}, row["id"])
    airtable.person("Scenes", {"Scene Key": "s"})
    airtable.person("Videos", {"Title": "c", "Status": "Draft", "Generate": True}, row["id"])
    airtable.control("DELETE", f"person/{FIRST_BASE}/Videos/{row['id']}")
    found = payloads(airtable, created.id)["payloads"]
    assert len(found) == 1
    assert found[0]["actionMetadata"]["source"] == "client"
    change = found[0]["changedTablesById"][airtable.videos.id]["changedRecordsById"][row["id"]]
    assert {k: change["current"]["cellValuesByFieldId"][k] for k in (generate,)} == {generate: True}
    assert set(change["current"]["cellValuesByFieldId"][status]) == {"id", "name", "color"}
    assert change["current"]["cellValuesByFieldId"][status]["name"] == "Draft"
    assert change["previous"]["cellValuesByFieldId"] == {
        status: change["previous"]["cellValuesByFieldId"][status],
        generate: None,
    }
    assert change["previous"]["cellValuesByFieldId"][status]["name"] == "Ready"


def test_links_in_payloads_have_names_and_the_inverse_cell_is_part_of_the_change(airtable: Board) -> None:
    video = airtable.videos.create({"Title": "v"})
    created = unannounced(airtable, spec())
    scene = airtable.scenes.create({"Scene Key": "s", "Video": [video["id"]]})
    airtable.scenes.delete(scene["id"])
    first, second = (p["changedTablesById"] for p in payloads(airtable, created.id)["payloads"])
    link, inverse = airtable.scenes.schema().field("Video").id, airtable.videos.schema(force=True).field("Scenes").id
    cells = first[airtable.scenes.id]["createdRecordsById"][scene["id"]]["cellValuesByFieldId"]
    assert cells[link] == [{"id": video["id"], "name": "v"}]
    told = first[airtable.videos.id]["changedRecordsById"][video["id"]]["current"]["cellValuesByFieldId"]
    assert told[inverse] == [{"id": scene["id"], "name": "s"}]
    assert second[airtable.scenes.id]["destroyedRecordIds"] == [scene["id"]]


def test_schema_changes_are_told_to_those_who_ask_for_them(airtable: Board) -> None:
    created = unannounced(airtable, spec("tableFields", "tableMetadata"))
    airtable.videos.create({"Title": "not told"})
    field = airtable.base.table(airtable.videos.id).create_field("Extra", "url")
    field.name = "More"
    field.save()
    schema = airtable.videos.schema(force=True)
    schema.name = "Films"
    schema.save()
    new = airtable.base.create_table("Versions", [{"name": "Key", "type": "singleLineText"}])
    told = payloads(airtable, created.id)["payloads"]
    changes = [p["changedTablesById"][schema.id] for p in told[:3]]
    assert changes[0] == {"createdFieldsById": {field.id: {"name": "Extra", "type": "url"}}}
    assert changes[1]["changedFieldsById"][field.id]["current"]["name"] == "More"
    assert changes[2]["changedMetadata"]["previous"]["name"] == "Videos"
    assert told[3]["createdTablesById"][new.id]["metadata"]["name"] == "Versions"


def test_a_ping_that_is_not_taken_is_repeated_and_then_notifications_stop(airtable: Board, web: Web) -> None:
    airtable.control("POST", "faults", {"ping_retry_s": 0.00001, "ping_delay_s": 0})
    created = airtable.base.add_webhook(web.url + "/hook", spec())
    web.post_answers = [500, 500]
    airtable.videos.create({"Title": "a"})
    until(lambda: len(web.posts) == 3)
    until(lambda: airtable.base.webhook(created.id).last_successful_notification_time)
    web.post_answers = [500] * 14
    airtable.videos.create({"Title": "b"})
    until(lambda: not airtable.base.webhook(created.id).are_notifications_enabled)
    hook = airtable.base.webhook(created.id)
    assert len(web.posts) == 17
    assert hook.last_notification_result is not None
    assert (hook.last_notification_result.success, hook.last_notification_result.retry_number) == (False, 13)
    airtable.videos.create({"Title": "piles up"})
    assert len(payloads(airtable, created.id)["payloads"]) == 3
    hook.enable_notifications()
    airtable.videos.create({"Title": "c"})
    until(lambda: len(web.posts) == 18)


def test_a_webhook_lives_seven_days_from_the_last_refresh_or_reading(airtable: Board) -> None:
    created = unannounced(airtable, spec())
    hook = airtable.base.webhook(created.id)
    for extend in (hook.extend_expiration, lambda: payloads(airtable, created.id)):
        airtable.control("POST", f"webhooks/{created.id}", {"expires_in_s": 60})
        extend()
        fresh = airtable.base.webhook(created.id).expiration_time
        assert fresh is not None
        assert timedelta(days=6, hours=23) < fresh - datetime.now(UTC) <= timedelta(days=7)


def test_an_expired_webhook_hears_nothing_more_but_can_still_be_read(airtable: Board, web: Web) -> None:
    created = airtable.base.add_webhook(web.url + "/hook", spec())
    airtable.videos.create({"Title": "a"})
    until(lambda: web.posts)
    airtable.control("POST", f"webhooks/{created.id}", {"expires_in_s": -1})
    airtable.videos.create({"Title": "b"})
    assert len(payloads(airtable, created.id)["payloads"]) == 1
    answer = airtable.raw("POST", f"bases/{FIRST_BASE}/webhooks/{created.id}/refresh")
    assert answer.status_code == 422


def test_webhooks_are_listed_without_their_secret_limited_to_ten_and_deleted(airtable: Board) -> None:
    made = [unannounced(airtable, spec()) for _ in range(10)]
    refused = airtable.raw("POST", f"bases/{FIRST_BASE}/webhooks", {"specification": spec()})
    assert (refused.status_code, error_type(refused)) == (422, "TOO_MANY_WEBHOOKS_IN_BASE")
    listed = airtable.raw("GET", f"bases/{FIRST_BASE}/webhooks").text
    assert made[0].mac_secret_base64 not in listed
    for hook in airtable.base.webhooks():
        hook.delete()
    assert airtable.base.webhooks() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"options": {"filters": {"dataTypes": ["everything"]}}},
        spec(fromSources=["nobody"]),
        spec(changeTypes=["rename"]),
        spec(recordChangeScope="tbl00000000000000"),
        spec(watchDataInFieldIds=["fld00000000000000"]),
    ],
)
def test_a_wrong_specification_is_refused(airtable: Board, wrong: dict[str, Any]) -> None:
    answer = airtable.raw("POST", f"bases/{FIRST_BASE}/webhooks", {"specification": wrong})
    assert (answer.status_code, error_type(answer)) == (422, "INVALID_WEBHOOK_SPECIFICATION")


def test_each_kind_of_data_needs_the_scope_that_reads_it(airtable: Board) -> None:
    airtable.control("POST", "tokens", {"token": "patHook", "scopes": ["webhook:manage", "data.records:read"]})
    path = f"bases/{FIRST_BASE}/webhooks"
    assert airtable.raw("POST", path, {"specification": spec()}, token="patHook").status_code == 200
    assert airtable.raw("POST", path, {"specification": spec("tableFields")}, token="patHook").status_code == 403
