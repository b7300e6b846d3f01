"""Limits and faults of the emulated Airtable: tokens, both kinds of 429, 503s, answers that are lost or slow, load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from pipelines.sandbox.airtable import FIRST_BASE
from tests.sandbox.airtable.sandbox_airtable import TOKEN, Board, error_type, until

VIDEOS = f"{FIRST_BASE}/Videos"


@pytest.fixture
def airtable() -> Iterator[Board]:
    with Board() as airtable:
        yield airtable.build()


def test_five_requests_a_second_pass_and_the_sixth_locks_the_base_out(airtable: Board) -> None:
    airtable.control("POST", "faults", {"rate_limit": 5})

    def burst() -> list[requests.Response] | None:
        """Eight calls; again from zero when the machine was too slow to make six within the second."""
        airtable.control("DELETE", "stats")
        answers = [airtable.raw("GET", VIDEOS) for _ in range(8)]
        return answers if answers[5].status_code == 429 else None

    answers = until(burst)
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
    assert answers[5].json()["errors"][0]["error"] == "RATE_LIMIT_REACHED"
    assert "Retry-After" not in answers[5].headers
    other = airtable.control("POST", "bases", {"name": "Other", "tables": []})["id"]
    assert airtable.raw("GET", f"meta/bases/{other}/tables").status_code == 200
    stats = airtable.control("GET", "stats")["bases"][FIRST_BASE]
    assert (stats["lockouts"], stats["refused_429"], stats["max_per_second"] > 5) == (1, 3, True)


@pytest.mark.slow
def test_a_lock_out_ends_by_itself(airtable: Board) -> None:
    airtable.control("POST", "faults", {"lockout_now_s": 5})
    assert airtable.raw("GET", VIDEOS).status_code == 429
    until(lambda: airtable.raw("GET", VIDEOS).status_code == 200)


def test_a_lock_out_can_be_ordered_with_a_retry_after(airtable: Board) -> None:
    airtable.control("POST", "faults", {"retry_after": True, "lockout_now_s": 30})
    answer = airtable.raw("GET", VIDEOS)
    assert (answer.status_code, error_type(answer)) == (429, "RATE_LIMIT_REACHED")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    airtable.control("DELETE", "stats")
    assert airtable.raw("GET", VIDEOS).status_code == 200


def test_the_limit_is_on_unless_it_is_turned_off(airtable: Board) -> None:
    assert airtable.control("DELETE", "faults")["rate_limit"] == 5
    assert airtable.control("GET", "faults")["lockout_seconds"] == 30


def test_a_used_up_quota_stops_data_but_not_metadata(airtable: Board) -> None:
    airtable.control("POST", "faults", {"quota_exhausted": True})
    for verb, path in (("GET", VIDEOS), ("POST", VIDEOS), ("GET", f"bases/{FIRST_BASE}/webhooks")):
        answer = airtable.raw(verb, path, {"fields": {}})
        assert (answer.status_code, error_type(answer)) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    assert airtable.raw("GET", f"meta/bases/{FIRST_BASE}/tables").status_code == 200
    airtable.control("POST", "faults", {"quota_exhausted": False})
    assert airtable.raw("GET", VIDEOS).status_code == 200


def test_tokens_are_needed_can_be_revoked_and_are_limited_to_scopes_and_bases(airtable: Board) -> None:
    def kind(token: str | None, verb: str = "GET") -> tuple[int, str]:
        answer = airtable.raw(verb, VIDEOS, {"fields": {}}, token=token)
        return answer.status_code, "" if answer.ok else error_type(answer)

    assert kind(None) == (401, "AUTHENTICATION_REQUIRED")
    assert kind("keyOldStyle") == (401, "UNAUTHORIZED")
    assert kind("patAnybody") == (200, "")
    airtable.control("POST", "tokens", {"token": "patReader", "scopes": ["data.records:read"]})
    assert (kind("patReader"), kind("patReader", "POST")) == ((200, ""), (403, "INVALID_PERMISSIONS"))
    airtable.control("POST", "tokens", {"token": "patElsewhere", "bases": ["app" + "0" * 14]})
    assert kind("patElsewhere") == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    assert airtable.raw("GET", "meta/bases", token="patElsewhere").json() == {"bases": []}
    airtable.control("POST", "faults", {"revoke_token": True})
    assert kind(TOKEN) == (401, "UNAUTHORIZED")
    airtable.control("POST", "faults", {"revoke_token": "patReader"})
    assert (kind(TOKEN)[0], kind("patReader")[0]) == (200, 401)


def test_ordered_failures_hit_the_next_matching_calls_before_or_after_the_work(airtable: Board) -> None:
    airtable.control("POST", "faults", {"fail_next": {"count": 2, "status": 503, "verb": "POST"}})
    codes = [airtable.raw(verb, VIDEOS, {"fields": {}}).status_code for verb in ("GET", "POST", "POST", "POST")]
    assert codes == [200, 503, 503, 200]
    html = {"status": 502, "body": "<html>Bad Gateway</html>", "after": True}
    airtable.control("POST", "faults", {"fail_next": [html]})
    answer = airtable.raw("POST", VIDEOS, {"fields": {"Title": "done all the same"}})
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (502, "text/html")
    assert [row["fields"] for row in airtable.videos.all()] == [{}, {"Title": "done all the same"}]


def test_a_lost_answer_leaves_the_work_done(airtable: Board) -> None:
    airtable.control("POST", "faults", {"drop_answers": {"count": 1, "verb": "PATCH"}})
    doc: Any = {"performUpsert": {"fieldsToMergeOn": ["Title"]}, "records": [{"fields": {"Title": "once"}}]}
    with pytest.raises(requests.ConnectionError):
        airtable.raw("PATCH", VIDEOS, doc)
    again = airtable.raw("PATCH", VIDEOS, doc).json()
    assert (again["createdRecords"], len(again["updatedRecords"])) == ([], 1)


def test_a_slow_answer_runs_into_the_clients_timeout_with_the_work_done(airtable: Board) -> None:
    airtable.control("POST", "faults", {"latency_s": 1})
    with pytest.raises(requests.Timeout):
        requests.post(
            f"{airtable.sandbox.url}/airtable/v0/{VIDEOS}",
            json={"fields": {"Title": "slow"}},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=0.2,
        )
    airtable.control("POST", "faults", {"latency_s": 0})
    until(lambda: [row["fields"] for row in airtable.videos.all()] == [{"Title": "slow"}])


def test_an_unknown_fault_is_named_with_the_known_ones(airtable: Board) -> None:
    url = f"{airtable.sandbox.url}/airtable/_control/faults"
    answer = requests.post(url, json={"rate_limits": 1}, timeout=60)
    assert answer.status_code == 400
    assert "rate_limits" in answer.json()["error"]
    assert "rate_limit" in answer.json()["known"]


def test_a_base_can_be_ordered_with_its_id_and_tables_once(airtable: Board) -> None:
    doc: dict[str, Any] = {
        "id": "app" + "A" * 14,
        "name": "Ordered",
        "tables": [{"name": "T", "fields": [{"name": "N", "type": "url"}]}],
    }
    assert airtable.control("POST", "bases", doc)["tables"][0]["name"] == "T"
    assert (
        airtable.api.base(doc["id"]).table("T").create({"N": "https://x.invalid"})["fields"]["N"] == "https://x.invalid"
    )
    for wrong in (doc["id"], "appTooShort"):
        url = f"{airtable.sandbox.url}/airtable/_control/bases"
        assert requests.post(url, json={"id": wrong}, timeout=60).status_code == 422
    airtable.control("DELETE", f"bases/{doc['id']}")
    assert airtable.raw("GET", f"{doc['id']}/T").status_code == 403


def test_what_a_person_does_counts_in_no_limit(airtable: Board) -> None:
    airtable.control("POST", "faults", {"rate_limit": 1})
    airtable.control("DELETE", "stats")
    rows = [airtable.person("Videos", {"Title": str(n)})["id"] for n in range(10)]
    airtable.person("Videos", {"Status": "Ready"}, rows[0])
    airtable.control("DELETE", f"person/{FIRST_BASE}/Videos/{rows[1]}")
    shown = airtable.control("GET", f"person/{FIRST_BASE}/Videos")["records"]
    assert len(shown) == 9
    assert airtable.control("GET", "stats")["total"] == 0
    assert airtable.raw("GET", f"{VIDEOS}/{rows[0]}").json()["fields"] == {"Title": "0", "Status": "Ready"}
    assert airtable.control("GET", "stats")["bases"][FIRST_BASE]["calls"] == {"GET records": 1}


def test_many_clients_at_once_lose_and_double_nothing(airtable: Board) -> None:
    def work(worker: int) -> int:
        done = 0
        for n in range(20):
            records = [{"fields": {"Title": f"{worker}-{n}", "Scene Count": n}}]
            doc = {"performUpsert": {"fieldsToMergeOn": ["Title"]}, "records": records, "typecast": True}
            done += airtable.raw("PATCH", VIDEOS, doc).status_code == 200
            done += airtable.raw("GET", f"{VIDEOS}?pageSize=5").status_code == 200
        return done

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(12))) == [40] * 12
    titles = [row["fields"]["Title"] for row in airtable.videos.all()]
    assert sorted(titles) == sorted(f"{w}-{n}" for w in range(12) for n in range(20))


def test_two_upserts_of_one_key_at_once_make_one_row(airtable: Board) -> None:
    doc = {"performUpsert": {"fieldsToMergeOn": ["Title"]}, "records": [{"fields": {"Title": "only"}}]}
    together = threading.Barrier(10)

    def upsert(_: int) -> Any:
        together.wait()
        return airtable.raw("PATCH", VIDEOS, doc).json()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(upsert, range(10)))
    assert sum(len(a["createdRecords"]) for a in answers) == 1
    assert len(airtable.videos.all()) == 1
