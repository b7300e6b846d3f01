"""A film shown to people without a key: what they see, what they may say, and what of it stands in the row."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.records import Run, Share
from pipelines.stages.base_rows import outbox
from pipelines.stages.review import shares
from tests.web.test_pages import form, html, person
from tests.web.web_fixtures import BASE, RECORD, WebHarness

FILM = bytes(range(256)) * 12


@pytest.fixture
def shared(harness: WebHarness) -> tuple[WebHarness, Share]:
    """A finished film of a row, and a link to it that somebody made on the run's page."""
    harness.finished("run_a", film=FILM, record_id=RECORD, base_id=BASE, quote_micro=1_230_000)
    client = person(harness)
    sent = form(client.get("/runs/run_a"), days="3")
    for _ in range(2):
        assert client.post("/runs/run_a/shares", data=sent).status_code == 303
    with harness.store.read() as tx:
        (share,) = tx.shares.find(run_id="run_a")
    return harness, share


def cells(harness: WebHarness) -> dict[str, Any]:
    """What the row is to say of the review."""
    with harness.store.read() as tx:
        entry = outbox.entry_of(tx, BASE, AirtableTable.VIDEOS, RECORD)
    fields = entry.fields if entry else {}
    told = (VideoField.REVIEW, VideoField.REVIEW_NOTES, VideoField.SHARE_PAGE)
    return {name.value: fields.get(name) for name in told}


def opened(harness: WebHarness, share: Share) -> tuple[Any, Any]:
    """A stranger's browser, and the page."""
    client = harness.client
    return client, client.get(f"/s/{share.token}")


def test_a_stranger_sees_the_film_and_nothing_of_its_cost(shared: tuple[WebHarness, Share]) -> None:
    """No price, model, other page, key or run: also not the prompts, unless they were ticked."""
    harness, share = shared
    client, page = opened(harness, share)
    text = html(page)
    assert page.status_code == 200
    assert "A fox at dawn" in text
    for hidden_from_all in ("$", "animatic", "run_a", "tester", "/runs/", "A fox walks through dew", RECORD):
        assert hidden_from_all not in text, hidden_from_all
    assert 'content="noindex' in text
    (film,) = re.findall(r'src="(/s/[^"]+/film/[^"]+)"', text)
    part = client.get(film, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.data) == (206, FILM[5:10])
    assert client.get("/runs/run_a", headers={"Accept": "text/html"}).status_code == 401


def test_what_is_said_reaches_the_row_once_and_in_order(shared: tuple[WebHarness, Share]) -> None:
    harness, share = shared
    address = f"https://films.example.com/s/{share.token}"
    assert cells(harness) == {"Review": "Waiting", "Review Notes": None, "Share Page": address}
    client, page = opened(harness, share)
    sent = form(page, name="Anna", words="The logo is too small", at="0:07")
    for _ in range(2):
        assert client.post(f"/s/{share.token}/comments", data=sent).status_code == 303
    harness.clock.shift += 60
    later = form(client.get(f"/s/{share.token}"), name="Ben", words="I love this <b>", at="")
    assert client.post(f"/s/{share.token}/comments", data=later).status_code == 303
    assert "I love this &lt;b&gt;" in html(client.get(f"/s/{share.token}"))
    assert cells(harness)["Review Notes"] == "Ben: I love this <b>\n0:07 Anna: The logo is too small"
    assert "The last answer counts" not in page.text
    asked = form(page, name="Anna", words="Mend the logo", verdict="changes_asked")
    assert client.post(f"/s/{share.token}/verdict", data=asked).status_code == 303
    assert (cells(harness)["Review"], cells(harness)["Review Notes"].split("\n")[0]) == (
        "Changes Asked",
        "Changes Asked by Anna. Mend the logo",
    )
    harness.clock.shift += 60
    assert "The last answer counts" in client.get(f"/s/{share.token}").text
    client.post(f"/s/{share.token}/verdict", data=form(page, name="Anna", words="", verdict="accepted"))
    assert cells(harness)["Review"] == "Accepted"
    told = html(person(harness).get("/runs/run_a"))
    for words in ("Accepted", "0:07", "The logo is too small", "A reviewer accepted the film."):
        assert words in told
    harness.put(Run(id="run_b", status="queued", source="record", base_id=BASE, record_id=RECORD, number=2))  # type: ignore[arg-type]
    client.post(f"/s/{share.token}/verdict", data=form(page, name="Eve", words="", verdict="changes_asked"))
    assert cells(harness)["Review"] == "Accepted"


def test_a_link_that_is_withdrawn_or_over_opens_nothing(shared: tuple[WebHarness, Share]) -> None:
    """410 without the title; an unknown one is 404. The film goes with it."""
    harness, share = shared
    film = f"/s/{share.token}/film/1"
    client, page = opened(harness, share)
    sent = form(page, name="Anna", words="x", verdict="accepted")
    owner = person(harness)
    assert owner.post(f"/shares/{share.id}/revoke", data=form(owner.get("/runs/run_a"))).status_code == 303
    for path in (f"/s/{share.token}", film):
        gone = client.get(path, headers={"Accept": "text/html"})
        assert (gone.status_code, "A fox at dawn" in gone.get_data(as_text=True)) == (410, False)
        assert ">Back<" not in gone.get_data(as_text=True), "it would lead to a sign-in that they have no key for"
    assert "No answer" in owner.get("/runs/run_a").get_data(as_text=True)
    for path in ("comments", "verdict"):
        assert client.post(f"/s/{share.token}/{path}", data=sent).status_code == 410
    assert cells(harness) == {"Review": None, "Review Notes": None, "Share Page": None}
    again = shares.create(harness.services, "run_a", "test", days=1)
    assert client.get(f"/s/{again.token}").status_code == 200
    harness.clock.shift += 86_401
    assert client.get(f"/s/{again.token}").status_code == 410
    assert client.get(f"/s/{'x' * 43}").status_code == 404
    wrong = client.get("/s/nonsense", headers={"Accept": "text/html"})
    assert (wrong.status_code, "ask whoever sent it to you" in wrong.get_data(as_text=True)) == (404, True)


def test_a_link_takes_only_so_much(shared: tuple[WebHarness, Share]) -> None:
    """Neither long texts, nor places that are none, nor a flood, nor a form of another site."""
    harness, share = shared
    client, page = opened(harness, share)
    path = f"/s/{share.token}/comments"
    for wrong in ({"words": " "}, {"words": "x" * 2001}, {"at": "soon"}, {"name": "x" * 81}):
        sent = form(page, **{"name": "Anna", "words": "fine", "at": "", **wrong})
        assert client.post(path, data=sent).status_code == 422, wrong
    assert client.post(path, data={"name": "Anna", "words": "fine"}).status_code == 400
    assert client.post(path, data=form(page, words="x"), headers={"Origin": "https://evil.example"}).status_code == 403
    harness.clock.stop()
    answers = [
        client.post(path, data={**form(page), "once": str(n), "words": "x", "name": "Anna"}).status_code
        for n in range(25)
    ]
    assert answers == [303] * 20 + [429] * 5


def test_no_film_no_link_and_prompts_only_where_they_were_ticked(harness: WebHarness) -> None:
    harness.put(Run(id="run_x", status="failed", source="rest"))  # type: ignore[arg-type]
    client = person(harness)
    sent = form(client.get("/runs/run_x"), days="3")
    assert client.post("/runs/run_x/shares", data=sent).status_code == 409
    harness.finished("run_a")
    for days in ("0", "366", "soon", "٣٣٣٣"):
        sent = form(client.get("/runs/run_a"), days=days)
        assert client.post("/runs/run_a/shares", data=sent).status_code == 422
    share = shares.create(harness.services, "run_a", "test", shows_prompts=True)
    assert "A fox walks through dew." in html(harness.client.get(f"/s/{share.token}"))


def test_a_program_that_names_no_press_says_each_thing(shared: tuple[WebHarness, Share]) -> None:
    """Two comments without the form's mark are two, not one that is kept and one that is thanked for."""
    harness, share = shared
    client, page = opened(harness, share)
    for words in ("The first", "The second"):
        sent = {**form(page), "once": "", "name": "Anna", "words": words}
        assert client.post(f"/s/{share.token}/comments", data=sent).status_code == 303
    with harness.store.read() as tx:
        assert {said.words for said in tx.comments.find(share_id=share.id)} == {"The first", "The second"}
