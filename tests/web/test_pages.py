"""Pages for people: a GET never acts, a signed link opens exactly one thing, a button does one thing once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.plan import SceneSettings
from pipelines.domain.records import Run
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.security import api_keys, links
from pipelines.security.secret_keys import SecretKeys
from pipelines.stages.orders import plan_run
from pipelines.stages.review import shares
from pipelines.stages.spending import ledger
from tests.web.web_fixtures import BASE, BEARER, KEY, OUTSIDE, RECORD, WebHarness
from webapp.pages.filters import differing_prices, unit_price, usd, usd_enough
from webapp.pages.runs import MOST_RUNS

OTHER = "recZ9y8X7w6V5u4T3"
COPY = "appCopyOfDemo0001"


@pytest.fixture
def based(airtable: WebHarness) -> WebHarness:
    """With a complete base."""
    airtable.services.base_tools.setup(BASE, ["local/animatic"])
    return airtable


def token(kind: str, subject: str, expires_at: float | None = None, *, base: str = BASE) -> str:
    subject = links.row_subject(base, subject) if kind == "record" else subject
    return links.sign_page(SecretKeys(OUTSIDE["SECRET_KEY"]), kind, subject, expires_at)


def hidden(page: Any, name: str) -> str:
    """The value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.get_data(as_text=True))
    assert found, name
    return found.group(1)


def person(harness: WebHarness) -> Any:
    """A browser in which somebody signed in: a link only shows."""
    client = harness.client
    client.post("/sign-in", data=form(client.get("/sign-in"), key=KEY, next="/"))
    return client


def form(page: Any, **more: str) -> dict[str, str]:
    """What a browser would post."""
    once = re.search(r'name="once" value="([^"]*)"', page.get_data(as_text=True))
    return {"csrf_token": hidden(page, "csrf_token"), "once": once.group(1) if once else "", **more}


def html(answer: Any) -> str:
    assert answer.mimetype == "text/html", answer.data[:300]
    return str(answer.get_data(as_text=True))


def live(harness: WebHarness, path: str) -> dict[str, Any]:
    """What the script of a page asks for now and then."""
    answer: Any = harness.client.get(path).json
    return dict(answer)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/runs/run_finished", "/runs/run_unknown", f"/r/{RECORD}", "/r/nonsense"])
def test_a_stranger_is_asked_to_sign_in_whatever_exists(harness: WebHarness, path: str) -> None:
    """401 comes before 404."""
    harness.finished()
    answer = harness.client.get(path, headers=BROWSER)
    assert answer.status_code == 401
    assert 'name="key"' in html(answer)


def test_signing_in_with_a_key_leads_back_to_the_page(harness: WebHarness) -> None:
    """The session knows whose key it is, and ends when the person leaves."""
    harness.finished()
    client = harness.client
    asked = client.get("/runs/run_finished", headers=BROWSER)
    wrong = client.post("/sign-in", data=form(asked, key="wrong", next="/runs/run_finished"))
    assert wrong.status_code == 401
    entered = client.post("/sign-in", data=form(asked, key=KEY, next=hidden(asked, "next")))
    assert (entered.status_code, entered.headers["Location"]) == (303, "/runs/run_finished")
    assert KEY not in str(entered.headers)
    assert "A fox at dawn" in html(client.get("/runs/run_finished"))
    home = client.get("/")
    client.post("/sign-out", data=form(home))
    assert client.get("/", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_signing_in_never_leads_elsewhere(harness: WebHarness, target: str) -> None:
    """An open redirect would lend our name to anybody."""
    client = harness.client
    asked = client.get("/sign-in")
    entered = client.post("/sign-in", data=form(asked, key=KEY, next=target))
    assert entered.headers["Location"] == "/"


def test_a_signed_link_opens_one_run_and_nothing_else(harness: WebHarness) -> None:
    """Tampered, expired and foreign links do not."""
    harness.finished()
    harness.finished("run_other")
    good = token("run", "run_finished")
    assert harness.client.get(f"/runs/run_finished?t={good}").status_code == 200
    assert harness.client.get(f"/runs/run_other?t={good}").status_code == 403
    assert harness.client.get(f"/runs/run_unknown?t={good}").status_code == 403
    assert harness.client.get(f"/?t={good}", headers=BROWSER).status_code == 403
    assert harness.client.get(f"/r/{RECORD}?t={good}").status_code == 403
    assert harness.client.get(f"/runs/run_finished?t={good[:-2]}xx").status_code == 403
    assert harness.client.get(f"/runs/run_finished?t={token('record', 'run_finished')}").status_code == 403
    assert harness.client.get(f"/runs/run_finished?t={token('run', 'run_finished', 1.0)}").status_code == 410


def test_the_link_of_a_record_opens_all_of_its_runs(harness: WebHarness) -> None:
    """And of no other record."""
    harness.finished("run_a", record_id=RECORD, base_id=BASE)
    harness.finished("run_b", record_id=OTHER, base_id=BASE)
    good = token("record", RECORD)
    assert "A fox at dawn" in html(harness.client.get(f"/r/{RECORD}?t={good}"))
    assert harness.client.get(f"/runs/run_a?t={good}").status_code == 200
    assert harness.client.get(f"/runs/run_b?t={good}").status_code == 403
    assert harness.client.get(f"/r/{OTHER}?t={good}").status_code == 403


def test_the_link_of_a_row_does_not_open_the_row_of_the_same_id_in_a_copy_of_its_base(harness: WebHarness) -> None:
    """Airtable's *Duplicate base* keeps the ids of rows: the link is signed for the base, too."""
    harness.finished("run_ours", record_id=RECORD, base_id=BASE)
    harness.finished("run_copy", record_id=RECORD, base_id=COPY)
    for base, mine, other in ((BASE, "run_ours", "run_copy"), (COPY, "run_copy", "run_ours")):
        link = f"t={token('record', RECORD, base=base)}"
        page = html(harness.client.get(f"/r/{RECORD}?{link}"))
        assert f"/runs/{mine}/live?{link}" in page
        assert other not in page
        foreign = COPY if base == BASE else BASE
        assert harness.client.get(f"/r/{RECORD}?{link}&base_id={foreign}").status_code == 403
        assert harness.client.get(f"/r/{RECORD}/live?{link}&base_id={foreign}").status_code == 403
        assert harness.client.get(f"/runs/{mine}?{link}").status_code == 200
        assert harness.client.get(f"/runs/{other}?{link}").status_code == 403
        client = harness.client
        sent = {"csrf_token": hidden(client.get("/sign-in"), "csrf_token"), "once": "x"}
        assert client.post(f"/r/{RECORD}/start?{link}&base_id={foreign}", data=sent).status_code == 401
    assert len(harness.runs()) == 2


def test_a_link_of_before_bases_were_named_opens_nothing_and_says_where_to_get_a_fresh_one(harness: WebHarness) -> None:
    harness.finished("run_a", record_id=RECORD, base_id=BASE)
    old = links.sign_page(SecretKeys(OUTSIDE["SECRET_KEY"]), "record", RECORD)
    for path in (f"/r/{RECORD}", "/runs/run_a", f"/r/{RECORD}/live"):
        answer = harness.client.get(f"{path}?t={old}", headers=BROWSER)
        assert answer.status_code == 403
        assert "earlier version of Reelgrid" in html(answer)
        assert "flask runs link" in html(answer)
    page = harness.app.test_cli_runner().invoke(args=["runs", "link", RECORD]).output.strip()
    assert harness.client.get(page.removeprefix(OUTSIDE["PUBLIC_URL"])).status_code == 200


def test_a_person_who_is_signed_in_sees_the_row_of_the_base_that_is_named_else_of_the_default_one(
    harness: WebHarness,
) -> None:
    harness.finished("run_ours", record_id=RECORD, base_id=BASE)
    harness.clock.shift = 60.0
    harness.finished("run_copy", record_id=RECORD, base_id=COPY)
    client = harness.client
    client.post("/sign-in", data=form(client.get("/sign-in"), key=KEY, next="/"))
    assert "/runs/run_ours/live" in html(client.get(f"/r/{RECORD}"))
    assert "/runs/run_copy/live" in html(client.get(f"/r/{RECORD}?base_id={COPY}"))
    harness.finished("run_there", record_id=OTHER, base_id=COPY)
    assert "/runs/run_there/live" in html(client.get(f"/r/{OTHER}")), "a row that is only known elsewhere"


def test_a_page_lists_the_newest_runs_of_its_row_however_many_there_were(harness: WebHarness) -> None:
    """A look costs no more after the thousandth run than after the fiftieth."""
    for number in range(1, MOST_RUNS + 3):
        harness.finished(f"run_{number}", record_id=RECORD, base_id=BASE, number=number)
    page = html(person(harness).get(f"/r/{RECORD}"))
    assert f"/runs/run_{MOST_RUNS + 2}/live" in page
    listed = re.findall(r">Run (\d+)</a>", page)
    assert listed == [str(number) for number in range(MOST_RUNS + 2, 2, -1)]


def test_a_page_shows_film_scenes_cost_and_history(harness: WebHarness) -> None:
    """All a marketer wants to know, without another host being asked."""
    cut = harness.finished()
    page = html(harness.client.get(f"/runs/run_finished?t={token('run', 'run_finished')}"))
    assert f'src="/v/{cut.token}"' in page
    assert "A fox walks through dew." in page
    assert "Finished." in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_more_films_than_can_be_looked_over_are_folded_by_language(harness: WebHarness) -> None:
    """On the page of the run and on that of a reviewer: the first language is seen, the others are named. The first
    film is large, the others are small, and none of those is fetched before it is played.
    """
    first = harness.finished()
    shapes = ("16:9", "9:16", "1:1", "4:5")
    places = [(language, shape) for language in ("en", "ar") for shape in shapes]
    harness.change("cuts", first.id, language="en")
    more = [
        replace(first, id=f"cut_{n}", token=f"film_{n}" * 6, language=of, format=shape)
        for n, (of, shape) in enumerate(places[1:])
    ]
    harness.put(*more)
    page = html(harness.client.get(f"/runs/run_finished?t={token('run', 'run_finished')}"))
    assert re.findall(r"<h2>(English) <span class=\"soft\">(.*?)</span>", page) == [("English", "4 of 8 films")]
    seen, folded = page.split('<details class="more"><summary><strong>Arabic</strong>')
    assert [seen.count(f'preload="{what}"') for what in ("metadata", "none")] == [1, 3]
    assert [folded.count(f'preload="{what}"') for what in ("metadata", "none")] == [0, 4]
    assert [part.count("<summary>More<") for part in (seen, folded)] == [3, 4]
    share = shares.create(harness.services, "run_finished", "Ann")
    shown = html(harness.client.get(f"/s/{share.token}"))
    seen, folded = shown.split('<details class="more"><summary><strong>Arabic</strong>')
    assert (seen.count(", English"), folded.count(", Arabic")) == (4, 4)
    assert [part.count('<div class="films">') for part in (seen, folded)] == [1, 1]
    assert shown.count("<div") == shown.count("</div>")
    assert set(re.findall(r'id="film-(\d)"', shown)) == set(re.findall(r"/film/(\d)", shown)) == set("12345678")


def test_a_page_that_is_not_there_leads_on_whoever_may_go_on(harness: WebHarness) -> None:
    """Somebody who signed in, and not the holder of a link."""
    harness.finished()
    client = harness.client
    client.post("/sign-in", data=form(client.get("/sign-in"), key=KEY))
    lost = client.get("/runs/run_unknown", headers=BROWSER)
    assert (lost.status_code, '<a href="/queue">' in html(lost)) == (404, True)
    for path in (f"/runs/run_unknown?t={token('run', 'run_finished')}", "/s/unknown", "/decide?t=garbage"):
        refused = harness.client.get(path, headers=BROWSER)
        assert refused.status_code in {401, 403, 404}
        assert '<a href="/queue">' not in html(refused)


def test_a_run_without_a_row_begins_again_with_its_order(harness: WebHarness) -> None:
    harness.put(Run(id="run_x", status=RunStatus.FAILED, source="rest", order=Order(title="Fox")))
    client = harness.client
    client.post("/sign-in", data=form(client.get("/sign-in"), key=KEY))
    page = html(client.get("/runs/run_x"))
    assert "Begins again, with the same order." in page
    assert "the row" not in page


def test_what_people_write_cannot_become_code(harness: WebHarness) -> None:
    """Titles and prompts are text."""
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    harness.put(Run(id="run_e", status=RunStatus.FAILED, source="rest", order=Order(title=evil), error=evil))
    page = html(harness.client.get(f"/runs/run_e?t={token('run', 'run_e')}"))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    parts = live(harness, f"/runs/run_e/live?t={token('run', 'run_e')}")["parts"]
    assert "<script>alert" not in str(parts)


def test_the_parts_of_a_page_keep_their_mark_until_they_look_different(harness: WebHarness) -> None:
    """So that nothing moves under the reader's hands."""
    harness.finished()
    address = f"/runs/run_finished/live?t={token('run', 'run_finished')}"
    first, second = live(harness, address)["parts"], live(harness, address)["parts"]
    marks = {name: part["mark"] for name, part in first.items()}
    assert marks == {name: part["mark"] for name, part in second.items()}
    harness.change("scenes", "scene_run_finished_1", prompt="A hare.")
    third = {name: part["mark"] for name, part in live(harness, address)["parts"].items()}
    assert [name for name in marks if marks[name] != third[name]] == ["scene-1"]


def row(harness: WebHarness, **fields: Any) -> str:
    """A row of the base, as a person makes one."""
    import requests

    assert harness.sandbox
    url = f"{harness.sandbox.url}/airtable/_control/person/{BASE}/Videos"
    answer = requests.post(url, json={"fields": fields}, timeout=20)
    answer.raise_for_status()
    return str(answer.json()["id"])


@pytest.mark.slow
def test_a_row_without_a_run_shows_what_will_happen_and_starts_only_on_the_button(based: WebHarness) -> None:
    """GET three times: nothing. POST twice: one run."""
    record = row(based, Title="Boots", **{"Master Prompt": "Boots in the rain", "Scene Count": 3})
    client, link = person(based), f"/r/{record}?t={token('record', record)}"
    for _ in range(3):
        assert client.get(link).status_code == 200
    client.get(link.replace("?", "/live?"))
    assert based.runs() == []
    page = client.get(f"{link}&estimate=1")
    assert "Boots" in html(page)
    assert "3 scenes" in html(page)
    sent = form(page)
    answers = [client.post(link.replace("?", "/start?"), data=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    (run,) = based.runs()
    assert run.record_id == record
    assert "Waiting for its turn" in html(client.get(link))


@pytest.mark.slow
def test_a_row_that_cannot_be_made_says_why_and_has_no_button(based: WebHarness) -> None:
    """In the words of the row."""
    record = row(based, Title="Empty")
    page = html(based.client.get(f"/r/{record}?t={token('record', record)}&estimate=1"))
    assert "Master Prompt" in page
    assert "<button>Start" not in page


@pytest.mark.slow
def test_a_finished_row_can_be_made_anew_after_a_warning(based: WebHarness) -> None:
    """The old film is kept, and the page says so; an old form starts nothing."""
    record = row(based, Title="Boots", **{"Master Prompt": "Boots"})
    based.finished("run_a", record_id=record, base_id=BASE)
    client, link = person(based), f"/r/{record}?t={token('record', record)}"
    assert "Make a new version" in html(client.get(link))
    page = client.get(f"{link}&new=1&estimate=1")
    assert "already has a film" in html(page)
    stale = form(page) | {"once": "first"}
    assert client.post(link.replace("?", "/start?"), data=stale).status_code == 303
    assert len(based.runs()) == 1
    client.post(link.replace("?", "/start?"), data=form(page))
    assert [run.number for run in sorted(based.runs(), key=lambda run: run.number)] == [1, 2]


@pytest.mark.slow
def test_a_row_whose_run_failed_early_is_not_said_to_have_a_film(based: WebHarness) -> None:
    record = row(based, Title="Boots", **{"Master Prompt": "Boots"})
    based.put(Run(id="run_a", status=RunStatus.FAILED, source="record", record_id=record, base_id=BASE))
    page = html(person(based).get(f"/r/{record}?t={token('record', record)}&new=1&estimate=1"))
    assert "<button>Start" in page
    assert "already has a film" not in page


def approval(harness: WebHarness) -> tuple[Any, str]:
    harness.put(
        Run(id="run_p", status=RunStatus.NEEDS_APPROVAL, source="rest", approval="asked", quote_micro=2_000_000)
    )
    return person(harness), f"?t={token('run', 'run_p')}"


def test_a_button_needs_our_own_page(harness: WebHarness) -> None:
    """No token: 400. Another site: 403. Ours: done."""
    client, link = approval(harness)
    page = client.get(f"/runs/run_p{link}")
    assert "up to $2.00" in html(page)
    target = f"/runs/run_p/approve{link}"
    assert client.post(target, data={"once": "x"}).status_code == 400
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert client.post(target, data=form(page), headers=header).status_code == 403
    assert harness.run("run_p").approval == "asked"
    good = client.post(
        target, data=form(page), headers={"Sec-Fetch-Site": "same-origin", "Origin": "https://films.example.com"}
    )
    assert good.status_code == 303
    assert harness.run("run_p").approval == "given"


def test_a_link_shows_and_cannot_do_anything(harness: WebHarness) -> None:
    """No button for its holder, who is told where to decide; and whatever is sent with it is refused like a stranger's.
    It may have been passed on.
    """
    approval(harness)
    harness.finished()
    client, link = harness.client, f"?t={token('run', 'run_p')}"
    page = client.get(f"/runs/run_p{link}")
    assert "<button" not in html(page)
    assert "This page only shows" in html(page)
    sent = {
        "csrf_token": hidden(client.get("/sign-in"), "csrf_token"),
        "once": "x",
        "prompt": "A hare.",
        "choice": "wait",
    }
    posts = [
        f"/runs/run_p/approve{link}",
        f"/runs/run_p/cancel{link}",
        f"/runs/run_p/generations/gen_1/decide{link}",
        f"/runs/run_finished/retry?t={token('run', 'run_finished')}",
        f"/runs/run_finished/scenes/1/regenerate?t={token('run', 'run_finished')}",
        f"/r/{RECORD}/start?t={token('record', RECORD)}",
    ]
    for path in posts:
        assert client.post(path, data=sent).status_code == 401, path
    assert harness.run("run_p").approval == "asked"
    assert len(harness.runs()) == 2


def test_a_key_that_only_reads_sees_no_buttons(harness: WebHarness) -> None:
    """And cannot press them anyway."""
    from pipelines.domain.records import ApiKey

    harness.finished()
    key = api_keys.new_api_key()
    with harness.store.write() as tx:
        tx.keys.add(ApiKey(id=key.id, name="reader", sha256=key.sha256, scopes=("read",)))
    client = harness.client
    client.post("/sign-in", data=form(client.get("/sign-in"), key=key.key, next="/"))
    page = client.get("/runs/run_finished")
    assert "Make this scene again" not in html(page)
    sent = {"csrf_token": hidden(client.get("/sign-in"), "csrf_token"), "once": "x", "prompt": "A hare."}
    assert client.post("/runs/run_finished/scenes/1/regenerate", data=sent).status_code == 403
    harness.change("keys", key.id, revoked_at=1.0)
    assert client.get("/runs/run_finished", headers=BROWSER).status_code == 401


def test_a_double_click_makes_one_new_clip(harness: WebHarness) -> None:
    """The same form twice is one order."""
    harness.finished()
    client, link = person(harness), f"?t={token('run', 'run_finished')}"
    page = client.get(f"/runs/run_finished{link}")
    sent = form(page, prompt="A hare.", model="local/animatic")
    for _ in range(2):
        assert client.post(f"/runs/run_finished/scenes/1/regenerate{link}", data=sent).status_code == 303
    assert harness.run("run_finished").take == 1


def test_money_in_doubt_is_decided_on_the_page(harness: WebHarness) -> None:
    """Three buttons; the address of another run decides nothing here."""
    harness.put(
        Run(id="run_x", status=RunStatus.NEEDS_ATTENTION, source="rest"),
        harness.scene("run_x"),
        harness.generation("run_x", status=GenerationStatus.UNKNOWN, provider_id=None),
        Run(id="run_y", status=RunStatus.NEEDS_ATTENTION, source="rest"),
    )
    client, link = person(harness), f"?t={token('run', 'run_x')}"
    page = client.get(f"/runs/run_x{link}")
    assert html(page).count('name="choice"') == 3
    assert "Make this scene again" not in html(page), "that would be refused while its payment is in doubt"
    elsewhere = f"/runs/run_y/generations/gen_1/decide?t={token('run', 'run_y')}"
    client.post(elsewhere, data=form(page, choice="write_off"))
    with harness.store.read() as tx:
        generation = tx.generations.get("gen_1")
    assert generation
    assert generation.status == GenerationStatus.UNKNOWN
    client.post(f"/runs/run_x/generations/gen_1/decide{link}", data=form(page, choice="cancel"))
    assert harness.run("run_x").status == RunStatus.CANCELLED


def test_counting_a_lost_request_as_spent_names_what_the_new_clip_costs(sora: WebHarness) -> None:
    """As the API says it of the same choice."""
    sora.change("runs", "run_finished", status=RunStatus.NEEDS_ATTENTION)
    settings = replace(sora.scene("run_finished").settings, price_micro=404_000)
    sora.change("scenes", "scene_run_finished_1", clip_id=None, status=SceneStatus.GENERATING, settings=settings)
    sora.put(sora.generation("run_finished", status=GenerationStatus.UNKNOWN, provider_id=None, reserve_micro=404_000))
    asked = {"choice": "write_off", "dry_run": True}
    dry: Any = sora.client.post("/api/generations/gen_1/decide", json=asked).json
    assert dry["quote_usd"] == 0.404
    page = html(sora.client.get("/runs/run_finished"))
    assert "Count it as spent and make the scene again — up to $0.41</button>" in page
    assert "Wait and look again</button>" in page


def test_a_link_to_a_run_with_money_in_doubt_leads_to_the_sign_in(harness: WebHarness) -> None:
    """The row cannot decide it, so nobody is sent there."""
    doubtful = Run(id="run_x", status=RunStatus.NEEDS_ATTENTION, source="record", record_id=RECORD)
    harness.put(
        doubtful,
        harness.scene("run_x"),
        harness.generation("run_x", status=GenerationStatus.UNKNOWN, provider_id=None),
    )
    page = html(harness.client.get(f"/runs/run_x?t={token('run', 'run_x')}"))
    assert "To choose how it goes on" in page
    assert "use the row" not in page


def test_the_history_page_lists_filters_and_stops(home: WebHarness) -> None:
    """Everything of the deployment at one address."""
    home.finished()
    home.put(
        Run(id="run_f", status=RunStatus.FAILED, source="rest", order=Order(title="Glass city"), error="No prompt.")
    )
    page = home.client.get("/")
    assert "A fox at dawn" in html(page)
    assert "Glass city" in html(page)
    assert "A fox at dawn" not in html(home.client.get("/?show=failed"))
    assert home.client.get("/?cursor=nonsense", headers=BROWSER).status_code == 404
    assert live(home, "/live")["every"] > 0
    client = home.client
    page = client.get("/")
    client.post("/stop", data=form(page, on="1"))
    assert "Go on spending" in html(client.get("/"))


def test_films_are_found_by_words_status_and_day(home: WebHarness) -> None:
    """All of it stands in the address; what is looked for is text, whatever it looks like."""
    orders = {"Autumn launch": "A 100%_sure \\ promise", "Summer teaser": "قطة تمشي", "Winter": "A fox"}
    began = []
    for title, prompt in orders.items():
        answer: Any = home.client.post("/api/process-master-prompt", json={"master_prompt": prompt, "title": title})
        began.append(answer.json["run_id"])
    home.change("runs", began[2], status=RunStatus.FAILED, created_at=1_700_000_000.0)

    def shown(query: str) -> list[str]:
        page = html(home.client.get(f"/?{query}"))
        return [title for title in orders if f'<strong dir="auto">{title}</strong>' in page]

    assert shown("") == list(orders)
    assert shown("q=AUTUMN++launch") == shown("q=100%25_sure") == shown("q=%5C+promise") == ["Autumn launch"]
    assert shown("q=%D9%82%D8%B7%D8%A9") == ["Summer teaser"]
    assert shown("q=100__sure") == shown("q=a_fox") == []
    assert shown("show=failed") == shown("q=winter&show=failed&since=2020-01-01") == ["Winter"]
    assert shown("q=winter") == []
    assert shown("until=2023-11-14") == shown("q=fox&since=2023-11-14&until=2023-11-14") == ["Winter"]
    assert shown("since=2023-11-15") == list(orders)[:2]
    assert shown("since=soon") == list(orders)
    assert "Nothing fits." in html(home.client.get("/?q=zebra"))


def test_a_further_page_on_which_nothing_is_leads_back_to_the_first(home: WebHarness) -> None:
    """Words and filters are as before there: fewer of them would not bring what stands on the pages before."""
    page = home.client.get("/?q=zebra&show=done&cursor=1700000000.0~run_a")
    assert page.status_code == 200
    assert "Nothing more fits." in html(page)
    assert '<a href="/?show=done&amp;q=zebra">Back to the first page</a>' in html(page)
    assert "fewer words" not in html(page)


def test_films_are_narrowed_down_by_model_shape_and_key_and_ordered_by_price(home: WebHarness) -> None:
    """By a plain form; what was chosen stands chosen in the page, and the other links keep it."""
    wishes: dict[str, dict[str, Any]] = {
        "Tall": {"aspect_ratio": "9:16"},
        "Long": {"scene_count": 8},
        "Short": {},
    }
    for title, wish in wishes.items():
        body = {"master_prompt": "A fox", "title": title, **wish}
        answer: Any = home.client.post("/api/process-master-prompt", json=body)
        assert answer.status_code == 202
        home.change("runs", answer.json["run_id"], quote_micro=100_000 * wish.get("scene_count", 4))

    def shown(query: str) -> list[str]:
        return re.findall(r'<strong dir="auto">(\w+)</strong>', html(home.client.get(f"/?{query}")))

    assert shown("shape=9:16") == ["Tall"]
    assert shown("model=local/animatic&shape=16:9") == ["Short", "Long"]
    assert shown("order=dearest&shape=16:9") == ["Long", "Short"]
    assert shown("order=dearest")[0] == "Long"
    assert shown("q=fox&shape=9:16&show=moving") == ["Tall"]
    assert shown("key=key_of_nobody") == shown("base=app1&show=done") == []
    for cursor in ("-inf~x", "nan~x", "-1e300~x", "1e999~x"):
        assert home.client.get(f"/?order=dearest&cursor={cursor}").status_code < 500
    page = html(home.client.get("/?model=local/animatic&shape=9:16&order=dearest"))
    for chosen in ("local/animatic", "9:16", "dearest"):
        assert f'<option value="{chosen}" selected>' in page
    assert "show=done&amp;model=local/animatic&amp;shape=9:16&amp;order=dearest" in page
    assert shown("q=fox&order=dearest") == shown("q=fox")
    page = html(home.client.get("/?q=fox&order=dearest"))
    assert "not sorted by price" in page
    assert '<input type="hidden" name="order" value="dearest">' in page, "without words it counts again"
    assert "Dearest quote first" not in page


def test_a_get_never_changes_anything(harness: WebHarness) -> None:
    """Scanners, prefetchers and histories follow every link."""
    harness.finished("run_a", record_id=RECORD, base_id=BASE)
    before = harness.run("run_a"), len(harness.runs())
    for rule in harness.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            path = rule.rule.replace("<run_id>", "run_a").replace("<record_id>", RECORD)
            harness.client.get(re.sub(r"<[^>]+>", "x", path), headers=BEARER)
            harness.client.get(f"{re.sub(r'<[^>]+>', 'x', path)}?t={token('record', RECORD)}")
    assert (harness.run("run_a"), len(harness.runs())) == before


def test_a_scene_that_opens_a_film_says_the_letter_of_its_hook(harness: WebHarness) -> None:
    harness.finished()
    harness.put(harness.scene("run_finished", 2, hook="b"))
    page = html(harness.client.get(f"/runs/run_finished?t={token('run', 'run_finished')}"))
    assert re.findall(r'<h3><span class="soft">([^<]*)</span>', page) == ["1", "2 · hook b"]


def test_a_failed_run_without_scenes_promises_none_and_may_be_tried_again(harness: WebHarness) -> None:
    """Nothing was made, so there is no version to make anew."""
    harness.put(
        Run(id="run_x", status=RunStatus.FAILED, source="record", base_id=BASE, record_id=RECORD, error="No row.")
    )
    page = html(person(harness).get("/runs/run_x"))
    assert "There are no scenes." in page
    assert "appear here" not in page
    for words in ("Try again", "Start anew", "Reads the row again"):
        assert words in page
    assert "Make a new version" not in page


@pytest.mark.parametrize(
    ("status", "word"),
    [(RunStatus.NEEDS_APPROVAL, "Planned"), (RunStatus.CANCELLED, "Not made"), (RunStatus.GENERATING, "Queued")],
)
def test_a_scene_is_only_called_queued_while_its_turn_will_come(
    harness: WebHarness, status: RunStatus, word: str
) -> None:
    """What nobody makes any more does not wait in a queue."""
    harness.put(Run(id="run_x", status=status, source="rest"), harness.scene("run_x"))
    assert f"</span> {word}" in html(harness.client.get(f"/runs/run_x?t={token('run', 'run_x')}"))


def test_a_film_with_a_stand_in_says_so_and_the_suggested_prompt_is_at_hand(harness: WebHarness) -> None:
    """It is not the film yet; the marketer changes a word instead of writing anew."""
    harness.finished()
    harness.change("clips", "clip_run_finished", placeholder=True)
    scene = "scene_run_finished_1"
    harness.change(
        "scenes", scene, status=SceneStatus.REFUSED, attempt_level=AttemptLevel(softened="A fox rests in dew.")
    )
    page = html(person(harness).get("/runs/run_finished"))
    assert "Your film, with a placeholder for scene 1" in page
    assert "with the suggested prompt" in page
    assert ">A fox rests in dew.</textarea>" in page


def test_what_is_delivered_with_a_placeholder_is_not_gone_on_with_in_a_circle(harness: WebHarness) -> None:
    """What helps is another prompt; and what is wrong stands at the scene, not a second time in the head."""
    refused = "The video service refused this scene: the prompt (violence)."
    harness.finished()
    harness.change("clips", "clip_run_finished", placeholder=True)
    harness.change("scenes", "scene_run_finished_1", status=SceneStatus.REFUSED, error=refused)
    detail = f"Scene 1 is a placeholder. {refused}"
    harness.change("runs", "run_finished", status=RunStatus.NEEDS_ATTENTION, detail=detail, error=detail)
    page = html(person(harness).get("/runs/run_finished"))
    assert '<p class="sentence">Scene 1 is a placeholder.</p>' in page
    assert page.count(refused) == 1
    assert "Open scene 1 below, change its prompt and make it again" in page
    assert ">Go on" not in page
    harness.change("scenes", "scene_run_finished_1", clip_id=None)
    assert ">Go on" in html(person(harness).get("/runs/run_finished"))


def test_money_too_little_to_be_written_is_not_nothing() -> None:
    """A fraction of a cent stands in no bill as zero; a ceiling is never below what may be spent, and what a second
    costs keeps its parts of a cent.
    """
    assert [usd(amount) for amount in (None, 0.0, 0.00003, 0.0002, 0.01, 1.5)] == [
        "–", "$0.00", "under 1 ¢", "under 1 ¢", "$0.01", "$1.50",
    ]  # fmt: skip
    assert [usd_enough(amount) for amount in (0.0, 0.0002, 0.152)] == ["$0.00", "$0.01", "$0.16"]
    assert unit_price(0.0033) == "$0.0033"
    assert differing_prices(400_000, 810_000) == ("$0.40", "$0.81")
    assert differing_prices(200, 400) == ("$0.0002", "$0.0004"), "never the same twice"


def test_a_model_has_one_name_on_every_page(sora: WebHarness) -> None:
    """That by which it was chosen on New video; its id is where it is copied from."""
    run, now = sora.run("run_finished"), sora.clock.now()
    gen = sora.generation(run.id, id="gen_a", idem_key="a", callback_token="a", provider_id="a")
    gen = replace(gen, model="sora/sora-2", reserve_micro=400)
    sora.put(gen)
    with sora.store.write() as tx:
        ledger.hold(tx, now, run, 400, sora.services.policy)
        ledger.reserve(tx, now, run, gen)
        ledger.capture(tx, now, run, gen, 400, 4.0)
    for path in ("/", "/new", "/runs/run_finished", "/usage"):
        seen = re.sub(r'value="[^"]*"', "", html(sora.client.get(path)))
        assert "Sora 2" in seen, path
        assert "sora/sora-2" not in seen, path
        assert "under 1 ¢" in seen or path == "/new", path
    assert 'Sora 2 <code class="soft">sora/sora-2</code>' in html(sora.client.get("/usage?by=model"))
    (line,) = sora.client.get("/usage.csv?by=model").text.splitlines()[1:]
    assert line.startswith("sora/sora-2,0.000400,0.000400,4,1,")


def test_making_a_scene_again_is_priced_for_every_model_before_the_click(tmp_path: Path) -> None:
    """As the API says; what a model cannot do cannot be chosen."""
    keys = {"KIE_API_KEY": "key", "GEMINI_API_KEY": "key", "OPENROUTER_API_KEY": "key"}
    with WebHarness(tmp_path, keys) as home:
        home.finished()
        order = Order(master_prompt="A fox at dawn", title="A fox at dawn")
        plan = plan_run.plan_order(home.services, order, [SceneOrder(prompt="A fox walks through dew.")])
        settings = SceneSettings(width=1280, height=720, aspect_ratio="16:9", resolution="720p", buy_seconds=4.0)
        home.change("runs", "run_finished", plan=plan, order=order)
        home.change("scenes", "scene_run_finished_1", settings=settings)
        page = html(home.client.get("/runs/run_finished"))
        options = dict(re.findall(r'<option value="([^"]+)"[^>]*>([^<]+)</option>', page))
        assert len(options) > 3
        for value, said in options.items():
            model, _, most = value.partition(" ")
            path = "/api/runs/run_finished/scenes/1/regenerate"
            answer: Any = home.client.post(path, json={"dry_run": True, "model": model})
            assert answer.status_code in {200, 422}, answer.json
            wanted = (
                f"up to {usd_enough(answer.json['quote_usd'])}"
                if answer.status_code == 200
                else "cannot make this scene"
            )
            assert said.endswith(wanted), (said, wanted)
            assert most == ("" if answer.status_code != 200 else str(answer.json["quote_usd"]))


SORA_KEY = {"SORA_API_KEY": "sk-test", "SORA_BASE_URL": "http://127.0.0.1:9/v1"}


@pytest.fixture
def sora(tmp_path: Path) -> Iterator[WebHarness]:
    """A finished run of a paid model, whose scene can be made again."""
    with WebHarness(tmp_path, SORA_KEY) as home:
        home.finished()
        order = Order(master_prompt="A fox at dawn", title="A fox at dawn", model="sora/sora-2")
        plan = plan_run.plan_order(home.services, order, [SceneOrder(prompt="A fox walks through dew.")])
        home.change("runs", "run_finished", plan=plan, order=order)
        settings = SceneSettings(width=1280, height=720, aspect_ratio="16:9", resolution="720p", buy_seconds=4.0)
        home.change("scenes", "scene_run_finished_1", settings=settings, model="sora/sora-2")
        yield home


AGAIN = "/runs/run_finished/scenes/1"


def test_the_price_that_was_shown_is_the_most_that_making_a_scene_again_costs(sora: WebHarness) -> None:
    """Also without a script: what was shown beside the model goes along, and dearer than that nothing is bought."""
    client = sora.client
    page = client.get("/runs/run_finished")
    shown = dict(re.findall(r'<option value="(sora/sora-2) ([^"]+)"', html(page)))["sora/sora-2"]
    assert float(shown) == 0.4
    words = {"prompt": "A hare.", "seed": "", "negative_prompt": ""}
    stale = form(page, model="sora/sora-2 0.2", seconds="4", **words)
    refused = client.post(f"{AGAIN}/regenerate", data=stale, headers=BROWSER)
    assert (refused.status_code, sora.run("run_finished").take) == (402, 0)
    assert "$0.40" in html(refused)
    assert "$0.20" in html(refused)
    longer = form(page, model=f"sora/sora-2 {shown}", seconds="8", **words)
    assert client.post(f"{AGAIN}/regenerate", data=longer, headers=BROWSER).status_code == 402
    quoted: Any = client.post(f"{AGAIN}/quote", data=longer).json
    dry: Any = client.post(f"/api{AGAIN}/regenerate", json={"dry_run": True, "model": "sora/sora-2", "seconds": 8}).json
    assert quoted["most"] == dry["quote_usd"] == 0.8
    assert quoted["label"] == "Make it again — up to $0.80"
    assert client.post(f"{AGAIN}/regenerate", data={**longer, "most": "0.8"}).status_code == 303
    assert (sora.run("run_finished").take, sora.run("run_finished").quote_micro) == (1, 800_000)


def test_a_scene_is_made_again_in_another_size_and_shape_for_the_price_of_that(tmp_path: Path) -> None:
    """The film keeps its own; the scene remembers, so that the next clip is like this one."""
    with WebHarness(tmp_path, {"GEMINI_API_KEY": "key"}) as home:
        home.finished()
        model = "omni/gemini-omni-1.2-flash"
        order = Order(master_prompt="A fox at dawn", model=model)
        plan = plan_run.plan_order(home.services, order, [SceneOrder(prompt="A fox walks through dew.")])
        home.change("runs", "run_finished", plan=plan, order=order)
        settings = SceneSettings(width=1280, height=720, aspect_ratio="16:9", resolution="720p", buy_seconds=4.0)
        home.change("scenes", "scene_run_finished_1", settings=settings, model=model)
        client = home.client
        page = client.get("/runs/run_finished")
        assert "As it was: 720p" in html(page)
        wish = form(page, prompt="A fox walks through dew.", model=model, resolution="1080p", aspect_ratio="9:16")
        quoted: Any = client.post(f"{AGAIN}/quote", data=wish).json
        body = {"dry_run": True, "model": model, "resolution": "1080p", "aspect_ratio": "9:16"}
        dry: Any = client.post(f"/api{AGAIN}/regenerate", json=body).json
        plain: Any = client.post(f"/api{AGAIN}/regenerate", json={"dry_run": True}).json
        assert quoted["most"] == dry["quote_usd"] > plain["quote_usd"]
        assert client.post(f"{AGAIN}/regenerate", data={**wish, "most": str(quoted["most"])}).status_code == 303
        with home.store.read() as tx:
            (scene,) = tx.scenes.find(run_id="run_finished")
        made = scene.settings
        assert (made.resolution, made.aspect_ratio, made.height > made.width) == ("1080p", "9:16", True)
        assert home.run("run_finished").known_plan.formats == ("16:9",)
        home.change("runs", "run_finished", status=RunStatus.DONE)
        again: Any = client.post(f"/api{AGAIN}/regenerate", json={"dry_run": True, "prompt": "A hare."}).json
        assert again["quote_usd"] == dry["quote_usd"]


def test_a_scene_goes_on_from_the_one_before_it_for_the_price_that_the_api_says(sora: WebHarness) -> None:
    """Of pictures, start and transition only what was changed is ordered."""
    settings = SceneSettings(width=1280, height=720, aspect_ratio="16:9", resolution="720p", buy_seconds=4.0)
    second = sora.scene("run_finished", 2, settings=settings, model="sora/sora-2", status=SceneStatus.DONE)
    sora.put(second)
    client, path = sora.client, "/runs/run_finished/scenes/2"
    page = client.get("/runs/run_finished")
    assert html(page).count("Start from the last picture of scene 1") == 1
    usual = form(page, prompt=second.prompt, model="sora/sora-2 0.4", joined="1", transition="", references="")
    for body, fields in (
        ({"continues": True, "transition": "Crossfade"}, {"continues": "1", "transition": "Crossfade"}),
        ({"references": ["https://example.com/a.png"]}, {"references": " https://example.com/a.png\n"}),
        ({"references": []}, {"no_references": "1"}),
    ):
        quoted: Any = client.post(f"{path}/quote", data={**usual, **fields}).json
        dry: Any = client.post(f"/api{path}/regenerate", json={"dry_run": True, **body}).json
        assert quoted["most"] == dry["quote_usd"] == 0.4
    refused: Any = client.post(f"{path}/quote", data={**usual, "references": "http://10.0.0.1/a.png"}).json
    assert refused["most"] is None
    wish = {**usual, "continues": "1", "transition": "Crossfade"}
    assert client.post(f"{path}/regenerate", data=wish).status_code == 303
    with sora.store.read() as tx:
        (scene,) = tx.scenes.find(run_id="run_finished", number=2)
    assert (scene.continues, scene.transition, scene.references) == (True, "Crossfade", ())


def test_what_was_typed_still_stands_where_a_scene_is_refused(sora: WebHarness) -> None:
    """With why, and what it did not cost; a page that follows leaves it alone."""
    client = sora.client
    page = client.get("/runs/run_finished")
    words = {"prompt": "A hare & a fox", "seconds": "50", "seed": "7", "negative_prompt": "rain", "resolution": "480p"}
    sent = form(page, model="sora/sora-2 0.4", **words)
    refused = client.post(f"{AGAIN}/regenerate", data=sent, headers=BROWSER)
    text = html(refused)
    assert (refused.status_code, sora.run("run_finished").take) == (422, 0)
    assert "<title>Error: " in text
    assert "makes clips of" in text
    assert "Nothing was bought." in text
    scene = text[text.index('id="part-scene-1"') :]
    for kept in ("A hare &amp; a fox<", 'value="50"', 'value="7"', ">rain<", "<option selected>480p", "data-typed"):
        assert kept in scene, kept
    pictures = form(page, model="sora/sora-2 0.4", **words, references="https://example.com/a.png ftp://b")
    wrong = html(client.post(f"{AGAIN}/regenerate", data=pictures, headers=BROWSER))
    assert "Picture 2 must " in wrong
    assert "References[" not in wrong
    moving = RunStatus.GENERATING
    sora.change("runs", "run_finished", status=moving)
    able = {**sent, "seconds": "4", "seed": "", "negative_prompt": ""}
    later = client.post(f"{AGAIN}/regenerate", data=able, headers=BROWSER)
    assert later.status_code == 409
    assert "Wait until this run has stopped" in html(later)


@pytest.mark.logs_errors
def test_a_scene_that_was_ordered_again_by_a_request_that_died_is_not_ordered_twice(sora: WebHarness) -> None:
    """The new clip was committed, the answer never was: the repeat under the same key finds it, made or not."""
    headers, body = {"Idempotency-Key": "once"}, {"prompt": "A hare."}
    path = f"/api{AGAIN}/regenerate"
    with sora.unanswered():
        assert sora.client.post(path, json=body, headers=headers).status_code == 500
    for status in (RunStatus.GENERATING, RunStatus.DONE):
        sora.change("runs", "run_finished", status=status)
        with sora.unanswered():
            assert sora.client.post(path, json=body, headers=headers).status_code == 500
        assert sora.run("run_finished").take == 1
    assert sora.client.post(path, json=body, headers=headers).status_code == 200
    assert sora.run("run_finished").take == 1
    assert sora.client.post(path, json=body, headers={"Idempotency-Key": "another"}).status_code == 200
    assert sora.run("run_finished").take == 2


def test_a_quote_says_what_cannot_be_made_and_buys_nothing(sora: WebHarness) -> None:
    """In the words of the field; nothing can be pressed then."""
    client = sora.client
    page = client.get("/runs/run_finished")
    for wrong, said in ({"seconds": "soon"}, "Seconds"), ({"seconds": "50"}, "Seconds"), ({"seed": "x"}, "Seed"):
        sent = form(page, model="sora/sora-2 0.4", prompt="A hare.", **{"seconds": "4", "seed": "", **wrong})
        quoted: Any = client.post(f"{AGAIN}/quote", data=sent).json
        assert (quoted["most"], quoted["html"].startswith(said)) == (None, True), quoted
    api: Any = sora.client.post(f"/api{AGAIN}/regenerate", json={"model": "sora/sora-2", "max_cost_usd": 0.39})
    assert (api.status_code, sora.run("run_finished").take) == (402, 0)


def test_a_page_is_sent_only_what_it_does_not_have(home: WebHarness) -> None:
    """Nothing changed: a few hundred bytes. One scene changed: that scene and nothing else."""
    home.put(Run(id="run_w", status=RunStatus.WRITING, source="rest", order=Order(title="Fox")))
    home.put(*(home.scene("run_w", number) for number in range(1, 31)))
    page = html(home.client.get("/runs/run_w"))
    marks = ".".join(re.findall(r'data-mark="([^"]+)"', page))
    assert len(home.client.get(f"/runs/run_w/live?marks={marks}").data) <= 500
    home.change("scenes", "scene_run_w_3", caption="x", seconds=5.0)
    assert list(live(home, f"/runs/run_w/live?marks={marks}")["parts"]) == ["scene-3"]


def test_a_prompt_to_be_approved_is_shown_whole_and_a_page_that_waits_may_be_closed(harness: WebHarness) -> None:
    long = "A fox walks through dew, " * 20
    for run, status in (("run_ask", RunStatus.NEEDS_APPROVAL), ("run_go", RunStatus.GENERATING)):
        harness.put(Run(id=run, status=status, source="rest", order=Order(master_prompt="x")), harness.scene(run))
        harness.change("scenes", f"scene_{run}_1", prompt=long)
    asked = html(harness.client.get(f"/runs/run_ask?t={token('run', 'run_ask')}"))
    assert '<p class="prompt" dir="auto">' in asked
    assert "The preview is being made and appears here." in asked
    going = html(harness.client.get(f"/runs/run_go?t={token('run', 'run_go')}"))
    assert '<details class="prompt">' in going
    assert "You may close this page" in going


def test_a_provider_s_own_words_and_numbers_stand_on_no_page_for_people(harness: WebHarness) -> None:
    """They are for whoever runs the service, in the log and in the API."""
    harness.finished()
    error = "HTTP 422 invalid_request_error req_0815"
    gen = harness.generation("run_finished", status=GenerationStatus.FAILED, error=error, provider_id="video_0815")
    harness.put(gen)
    for page in (person(harness).get("/runs/run_finished"), person(harness).get("/runs/run_finished?history=money")):
        assert "0815" not in html(page)
    assert "video_0815" in str(harness.get("/api/runs/run_finished").json)


def test_going_on_names_its_price_on_the_button(sora: WebHarness) -> None:
    """As the API would quote it; where nothing has to be bought there is none."""
    sora.change("runs", "run_finished", status=RunStatus.NEEDS_ATTENTION)
    assert "<button>Go on</button>" in html(sora.client.get("/runs/run_finished"))
    settings = replace(sora.scene("run_finished").settings, price_micro=404_000)
    sora.change("scenes", "scene_run_finished_1", clip_id=None, status=SceneStatus.FAILED, settings=settings)
    page = html(sora.client.get("/runs/run_finished"))
    dry: Any = sora.client.post("/api/runs/run_finished/retry", json={"dry_run": True}).json
    assert dry["quote_usd"] == 0.404
    assert "<button>Go on — up to $0.41</button>" in page
