"""A new video on a page: the price of exactly what stands there, before the click and as the most it may cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from pipelines.domain.footage import Captions, Footage
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.order import with_brand
from pipelines.domain.records import Clip, Generation, Kind
from pipelines.domain.state.base import BrandSeen, BrandsSeen
from pipelines.stages.decisions import control
from pipelines.testing import ServicesHarness
from tests.web.test_pages import SORA_KEY, form, html
from tests.web.two_accounts import belongings, customer, signed_in
from tests.web.web_fixtures import BASE, WebHarness

FILM = {"kind": "idea", "master_prompt": "A lighthouse at dawn.", "model": "sora/sora-2", "scene_count": "3"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, {**SORA_KEY, "MAX_COST_PER_DAY_USD": "5"}) as made:
        yield made


def most(page: Any) -> float | None:
    found = re.search(r'name="most" value="([^"]+)"', html(page))
    return float(found.group(1)) if found else None


def offered(settings: str, name: str) -> list[str]:
    """What can be chosen of a setting."""
    (select,) = re.findall(rf'<select id="f-{name}".*?</select>', settings, re.DOTALL)
    return [value for value, more in re.findall(r'<option value="([^"]*)"([^>]*)>', select) if "disabled" not in more]


def test_a_film_is_quoted_as_the_api_quotes_it_and_started_once(home: WebHarness) -> None:
    """Without a script: the first press shows the price, the second starts, and a double click is one run."""
    client = home.client
    asked = client.post("/new", data=form(client.get("/new"), **FILM, do="start", clip_seconds="8"))
    assert (asked.status_code, home.runs()) == (200, [])
    body = {"master_prompt": FILM["master_prompt"], "model": "sora/sora-2", "scene_count": 3, "clip_seconds": 8}
    api: Any = client.post("/api/estimate", json={**body, "adapt": True})
    assert most(asked) == api.json["quote_usd"] == 2.4
    sent = form(asked, **FILM, do="start", clip_seconds="8", most="2.4")
    for _ in range(2):
        started = client.post("/new", data=sent)
    (run,) = home.runs()
    assert (started.status_code, started.headers["Location"]) == (303, f"/runs/{run.id}")
    order = run.known_order
    assert (run.quote_micro, order.scene_count, order.clip_seconds, order.max_cost_micro) == (2_400_000, 3, 8.0, None)


def test_what_is_there_already_counts_against_no_budget_of_a_day(tmp_path: Path) -> None:
    """$0.40 of today's $0.50 are set aside for the first film; the second would have the same clip."""
    with WebHarness(tmp_path, {**SORA_KEY, "MAX_COST_PER_DAY_USD": "0.5"}) as home:
        client, wish = home.client, {"kind": "scenes", "scene": "A heron at dawn.", "model": "sora/sora-2"}
        client.post("/new", data=form(client.get("/new"), **wish, do="start", most="0.4"))
        (run,) = home.runs()
        made = ServicesHarness(home.services)
        while made.run(run.id).status is not RunStatus.GENERATING or not generations(home):
            made.step(Kind.RUN, run.id)
        refused: Any = client.post("/new/quote", data=form(client.get("/new"), **wish)).json
        assert refused["most"] is None
        home.put(clip_of(home, generations(home)[0]))
        again: Any = client.post("/new/quote", data=form(client.get("/new"), **wish)).json
        assert again["most"] == 0.4


def generations(home: WebHarness) -> list[Generation]:
    with home.store.read() as tx:
        return tx.generations.find()


def clip_of(home: WebHarness, gen: Generation) -> Clip:
    """What a generation has brought."""
    return Clip(
        id="clip_heron",
        run_id=gen.run_id,
        scene_id=gen.scene_id or "",
        fingerprint=gen.fingerprint,
        sha256="0" * 64,
        key=home.store_file("heron.mp4", b"mp4"),
        size=3,
        model=gen.model,
        footage=Footage(duration_s=4.0, width=1280, height=720),
        created_at=home.clock.now(),
    )


def test_drafts_are_in_the_price_and_the_page_says_that_it_will_ask(tmp_path: Path) -> None:
    """Also where nothing else is asked about."""
    keys = {**SORA_KEY, "BYTEPLUS_API_KEY": "k", "MAX_COST_PER_RUN_USD": "50", "MAX_COST_PER_DAY_USD": "50"}
    model = "byteplus/dreamina-seedance-2-5-260628"
    wish = {**FILM, "model": model, "resolution": "1080p", "clip_seconds": "5"}
    with WebHarness(tmp_path, keys) as home:
        client = home.client
        page = client.get("/new")
        plain = client.post("/new", data=form(page, **wish, do="quote"))
        shown = client.post("/new", data=form(plain, **wish, preview="Draft", do="quote"))
        body = {"master_prompt": FILM["master_prompt"], "model": model, "scene_count": 3, "clip_seconds": 5}
        answer: Any = client.post("/api/estimate", json={**body, "resolution": "1080p", "preview": "Draft"})
        (line,) = [one["usd"] for one in answer.json["plan"]["lines"] if one["label"].startswith("Drafts")]
    assert line == pytest.approx(3 * (5 * 0.1076 + 0.0045))
    assert most(shown) == pytest.approx((most(plain) or 0) + line)
    assert most(shown) == answer.json["quote_usd"]
    assert ["The drafts are bought at once." in html(page) for page in (plain, shown)] == [False, True]


def test_dearer_than_what_was_shown_nothing_starts(home: WebHarness) -> None:
    client = home.client
    asked = client.post("/new", data=form(client.get("/new"), **FILM, do="quote"))
    refused = client.post("/new", data=form(asked, **FILM, do="start", most="1"))
    assert (refused.status_code, most(refused), home.runs()) == (402, 1.2, [])
    assert "above the $1.00 that you saw" in html(refused)


def test_over_the_rest_of_the_day_the_number_that_would_do_is_named(home: WebHarness) -> None:
    """And the button cannot be pressed, nor the form be sent past it."""
    client = home.client
    wish = {**FILM, "scene_count": "20"}
    asked = client.post("/new", data=form(client.get("/new"), **wish, do="quote"))
    text = html(asked)
    assert "At least $8.00 would do." in text
    assert re.search(r"data-buys disabled", text)
    assert client.post("/new", data=form(asked, **wish, do="start", most="8")).status_code == 422
    quoted: Any = client.post("/new/quote", data=form(asked, **wish)).json
    assert (quoted["most"], home.runs()) == (None, [])


def test_that_spending_is_stopped_is_said_before_the_click(home: WebHarness) -> None:
    client = home.client
    wish = form(client.get("/new"), **FILM)
    for on in (True, False):
        control.set_stop(home.services, on=on, reason="night", actor="Ann")
        quoted: Any = client.post("/new/quote", data=wish).json
        assert ("Spending is stopped. The film waits" in quoted["html"]) is on


def test_what_is_wrong_is_said_where_it_is_and_on_top(home: WebHarness) -> None:
    client = home.client
    page = client.get("/new")
    wish = {**FILM, "scene_count": "many", "seed": "-1", "logo": "ftp://x"}
    wrong = client.post("/new", data=form(page, **wish, do="start"))
    text = html(wrong)
    assert (wrong.status_code, home.runs()) == (422, [])
    assert "<title>Error: New video" in text
    for name in ("scene_count", "seed", "logo"):
        assert f'href="#f-{name}"' in text
        assert re.search(rf'id="f-{name}"[^>]*aria-describedby="[^"]*f-{name}-wrong"[^>]*aria-invalid="true"', text)
    assert text.count("Scene Count: must be a whole number.") == 2, "on top and beside the price, under its name"
    assert "A lighthouse at dawn." in text
    empty = html(client.post("/new", data=form(page, kind="scenes", scene=" ", do="start")))
    assert "Write at least one scene." in empty


def test_scenes_are_added_moved_and_removed_without_a_script(home: WebHarness) -> None:
    client = home.client
    page = client.get("/new")
    wish = MultiDict([*form(page, kind="scenes", model="sora/sora-2").items(), ("scene", "A cat"), ("scene", "A dog")])

    def pressed(button: str) -> list[str]:
        answer = client.post("/new", data=MultiDict([*wish.items(multi=True), ("do", button)]))
        return re.findall(r'name="scene"[^>]*>([^<]*)</textarea>', html(answer))

    assert pressed("up-2") == ["A dog", "A cat"]
    assert pressed("drop-1") == ["A dog"]
    assert pressed("add") == ["A cat", "A dog", "", "", ""]
    assert pressed("drop-9") == pressed("up-1") == ["A cat", "A dog"]
    said = [("scene_caption", "Meow"), ("scene_caption", ""), ("scene_narration", ""), ("scene_narration", "It barks.")]
    wish = MultiDict([*wish.items(multi=True), *said])
    moved = html(client.post("/new", data=MultiDict([*wish.items(multi=True), ("do", "up-2")])))
    assert re.findall(r'name="scene_narration"[^>]*>([^<]*)</textarea>', moved) == ["It barks.", ""]
    started = client.post("/new", data=MultiDict([*wish.items(multi=True), ("do", "start"), ("most", "0.8")]))
    assert started.status_code == 303
    (run,) = home.runs()
    ordered = [(scene.prompt, scene.caption, scene.narration) for scene in run.known_order.scenes]
    assert ordered == [("A cat", "Meow", None), ("A dog", None, "It barks.")]
    again = html(client.get(f"/new?from={run.id}"))
    assert 'name="scene"' in again


def test_a_form_that_nobody_touched_orders_nothing_beside_the_film(home: WebHarness) -> None:
    """A browser sends the first word of a list in which none is selected: there it stands for nothing."""
    client = home.client
    page = client.get("/new")
    settings = re.sub(r"^.*<details", "", html(page), flags=re.DOTALL)
    sent = dict.fromkeys(re.findall(r'<select id="[^"]*" name="(\w+)"', settings), "")
    for name, more in re.findall(r'<select id="[^"]*" name="(\w+)"[^>]*>(.*?)</select>', settings, re.DOTALL):
        listed = re.findall(r'<option value="([^"]*)"( selected)?', more)
        sent[name] = next((value for value, selected in listed if selected), listed[0][0])
    assert "music_mood" in sent
    assert client.post("/new", data=form(page, **FILM, **sent, do="start", most="1.2")).status_code == 303
    plain = client.post("/new", data=form(client.get("/new"), **FILM, do="start", most="1.2"))
    assert plain.status_code == 303
    touched, untouched = home.runs()
    assert touched.known_order == untouched.known_order


def test_the_language_of_the_texts_is_chosen_and_comes_first_whatever_the_page_lists_first(home: WebHarness) -> None:
    client = home.client
    wish = form(client.get("/new"), **FILM, captions="Burned", title_card="Guten Morgen", do="start", most="2")

    def order(*languages: str) -> Any:
        return client.post("/new", data=MultiDict([*wish.items(), *(("languages", one) for one in languages)]))

    unsaid = order("", "en", "de")
    assert (unsaid.status_code, home.runs()) == (422, [])
    assert '<a href="#f-languages">Choose the language that the video is written in.</a>' in html(unsaid)
    assert re.findall(r'value="(\w+)" checked> (\w+)', html(unsaid))[-2:] == [("en", "English"), ("de", "German")]
    order("de", "en", "de")
    (run,) = home.runs()
    assert run.known_order.languages == ("de", "en")
    again = html(client.get(f"/new?from={run.id}"))
    assert '<option value="de" selected>German</option>' in again
    assert 'name="languages" value="en" checked' in again


def test_a_price_that_all_sizes_have_is_said_once(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**SORA_KEY, "KIE_API_KEY": "a key of kie"}) as home:
        page = html(home.client.get("/new"))
    told = re.findall(r'<span class="soft">((?:\$[\d.]+(?:, )?)+) a second \(([^)]*)\)', page)
    assert any("," in sizes and "," not in prices for prices, sizes in told)
    for prices, sizes in told:
        assert prices.count(",") in {0, sizes.count(",")}
        assert len(set(prices.split(", "))) > 1 or "," not in prices


@pytest.mark.parametrize("model", ["local/animatic", "sora/sora-2", "sora/sora-2-pro"])
def test_whatever_can_be_chosen_can_be_made_and_the_rest_says_why_not(home: WebHarness, model: str) -> None:
    """With all else as it stands."""
    client = home.client
    wish = {**FILM, "model": model, "scene_count": "1"}
    page = client.get("/new")
    answer: Any = client.post("/new/quote", data=form(page, **wish)).json
    settings = answer["swap"]["settings"]
    for name in ("aspect_ratio", "resolution", "clip_seconds"):
        for value in offered(settings, name):
            quoted: Any = client.post("/new/quote", data=form(page, **wish, **{name: value})).json
            assert quoted["most"] is not None, (name, value, quoted["html"])
    if model == "sora/sora-2":
        assert "1080p" not in offered(settings, "resolution")
        assert "1080p: Sora 2 offers 720p, not 1080p." in settings


def test_an_earlier_order_comes_back_with_its_price_and_only_to_whose_it_is(
    home: WebHarness, harness: WebHarness
) -> None:
    client = home.client
    wish = {**FILM, "captions": "Burned", "formats": "9:16", "title": "Hero", "style_notes": "Film noir"}
    sent = form(client.get("/new"), **wish, do="start", most="1.2")
    assert client.post("/new", data=sent).status_code == 303
    (run,) = home.runs()
    again = client.get(f"/new?from={run.id}")
    for words in ('value="Hero"', ">Film noir<", 'value="9:16" checked', '<option value="Burned" selected'):
        assert words in html(again)
    assert most(again) == 1.2
    first, second = customer(harness, "zebrafinch"), customer(harness, "second")
    ids = belongings(harness, first)
    assert signed_in(harness, second).get(f"/new?from={ids['run_id']}").status_code == 404
    assert signed_in(harness, first).get(f"/new?from={ids['run_id']}").status_code == 200


def test_a_brand_of_ones_bases_is_chosen_and_lends_what_was_left_as_it_is(
    home: WebHarness, harness: WebHarness
) -> None:
    client = home.client
    assert "f-brand" not in html(client.get("/new")), "nothing changes where there are none"
    seen = BrandsSeen(rows=(BrandSeen("recZest0000000001", "Zest"), BrandSeen("recLumen000000001", "Lumen")))
    home.services.base_tools.bases.remember(BASE, lambda state: replace(state, brands=seen))
    page = client.get("/new")
    value = f"{BASE}/recLumen000000001"
    assert offered(html(page), "brand") == ["", value, f"{BASE}/recZest0000000001"]
    wish = {**FILM, "brand": value, "captions": "None", "end_card": "Bye"}
    quoted: Any = client.post("/new/quote", data=form(page, **wish)).json
    body = {"master_prompt": FILM["master_prompt"], "model": "sora/sora-2", "scene_count": 3, "end_card": "Bye"}
    api: Any = client.post("/api/estimate", json={**body, "adapt": True, "brand": "recLumen000000001"})
    assert quoted["most"] == api.json["quote_usd"]
    assert client.post("/new", data=form(page, **wish, do="start", most="1.2")).status_code == 303
    (run,) = home.runs()
    row = run.known_order.brand_row
    assert row is not None
    assert ((row.base_id, row.record_id), {"end_card", "captions"} & {*row.given}) == (
        (BASE, "recLumen000000001"),
        {"end_card"},
    )
    assert f'<option value="{value}" selected' in html(client.get(f"/new?from={run.id}"))
    # Once the run has begun it has a copy: what that lent is not said again as the order's own.
    lumen = Brand(name="Lumen", look="35 mm", never_show="smoke", caption_style=Captions.BURNED, row=row)
    own = replace(run.known_order, style_notes="slow", brand_row=None)
    home.change("runs", run.id, order=with_brand(own, lumen, row.given))
    again = html(client.get(f"/new?from={run.id}"))
    assert f'<option value="{value}" selected' in again
    assert re.search(r'name="style_notes"[^>]*>slow</textarea>', again)
    assert '<option value="Burned" selected' not in again
    theirs = signed_in(harness, customer(harness, "zebrafinch"))
    assert "f-brand" not in html(theirs.get("/new"))
    refused: Any = theirs.post("/new/quote", data=form(theirs.get("/new"), **wish)).json
    assert refused["most"] is None


def test_a_key_that_only_reads_orders_nothing(harness: WebHarness) -> None:
    who = customer(harness, "reader", "read")
    client = signed_in(harness, who)
    assert client.get("/new").status_code == 403
    assert client.post("/new", data={**FILM, "do": "start", "most": "9"}).status_code == 403
    assert 'href="/new"' not in html(client.get("/"))


def test_the_scenes_are_written_first_where_that_is_asked_for_and_it_is_said_what_that_costs(home: WebHarness) -> None:
    client = home.client
    asked = client.post("/new", data=form(client.get("/new"), **FILM, do="quote"))
    assert "To have the scenes written first costs nothing; the clips wait for your word." in html(asked)
    for press in ("write", "start"):
        sent = form(client.get("/new"), **FILM, do=press, most="1.2")
        assert client.post("/new", data=sent).status_code == 303
    assert sorted(run.known_order.ask_first for run in home.runs()) == [False, True]
    body = {"master_prompt": FILM["master_prompt"], "model": "sora/sora-2", "ask_first": True}
    assert client.post("/api/process-master-prompt", json=body).status_code == 202
    assert sum(run.known_order.ask_first for run in home.runs()) == 2


def test_a_draft_is_kept_as_it_stands_until_it_is_ordered(home: WebHarness, harness: WebHarness) -> None:
    """Twice pressed it is one; it is its account's alone, and gone once a film was started from it."""
    client = home.client
    wish = MultiDict([*form(client.get("/new"), kind="scenes", seed="no number", do="save").items()])
    for words in ("A cat", "", "A dog"):
        wish.add("scene", words)
    kept = [client.post("/new", data=wish) for _ in range(2)]
    assert [one.status_code for one in kept] == [303, 303]
    assert kept[0].headers["Location"] == kept[1].headers["Location"]
    opened = client.get(kept[0].headers["Location"])
    text = html(opened)
    assert "Nothing was ordered." in text
    assert re.findall(r'name="scene"[^>]*>([^<]*)</textarea>', text) == ["A cat", "", "A dog"]
    assert 'value="no number"' in text
    assert "One draft of yours" in text
    assert home.runs() == []
    ours = MultiDict([*wish.items(multi=True), ("draft", kept[0].headers["Location"].partition("=")[2])])
    ours.setlist("scene", ["A hare"])
    ours["title"] = "Hares"
    assert client.post("/new", data=ours).headers["Location"] == kept[0].headers["Location"]
    assert "Hares" in html(client.get("/new"))
    for name, value in {"do": "start", "seed": "", "most": "0.4", "model": "sora/sora-2"}.items():
        ours[name] = value
    assert client.post("/new", data=ours).status_code == 303
    assert "of yours" not in html(client.get("/new"))
    assert client.get(kept[0].headers["Location"]).status_code == 404

    theirs = signed_in(harness, customer(harness, "zebrafinch"))
    place = theirs.post("/new", data=form(theirs.get("/new"), **FILM, do="save")).headers["Location"]
    assert theirs.get(place).status_code == 200
    other = signed_in(harness, customer(harness, "second"))
    assert other.get(place).status_code == 404
    draft = place.partition("=")[2]
    remove = f"/new/drafts/{draft}/remove"
    assert other.post(remove, data=form(other.get("/new"))).status_code == 303
    assert theirs.get(place).status_code == 200
    assert theirs.post(remove, data=form(theirs.get("/new"))).status_code == 303
    assert theirs.get(place).status_code == 404


TYPED = {
    "title": "Herbst",
    "master_prompt": "Ein Leuchtturm.",
    "scene_count": "2",
    "clip_seconds": "8",
    "aspect_ratio": "9:16",
    "resolution": "720p",
    "model": "sora/sora-2",
    "film_seconds": "16",
    "fit": "Blur",
    "style_notes": "Film noir",
    "references": "https://a.example/1.png",
    "seed": "not a number",
    "hooks": "2",
    "negative_prompt": "rain",
    "max_cost_usd": "3",
    "project": "Autumn",
    "transition": "Crossfade",
    "transition_seconds": "0.4",
    "captions": "Burned",
    "logo": "ftp://x",
    "logo_position": "Bottom Left",
    "title_card": "Hallo",
    "end_card": "Tschüss",
    "loudness_lufs": "-16",
    "voice": "none/such",
    "poster_style": "Title",
}


def test_a_refused_order_keeps_everything_that_was_typed(home: WebHarness) -> None:
    client = home.client
    refused = client.post("/new", data=form(client.get("/new"), **TYPED, do="start", most="3"))
    assert (refused.status_code, home.runs()) == (422, [])
    text = html(refused)
    shown = {name: unescape(value) for name, value in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)<', text)}
    shown |= {
        name: unescape(value)
        for name, value in re.findall(r'<input type="text"[^>]* name="(\w+)" value="([^"]*)"', text)
    }
    for name, options in re.findall(r'<select id="[^"]*" name="(\w+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        shown[name] = next(iter(re.findall(r'<option value="([^"]*)" selected', options)), "")
    shown["model"] = re.findall(r'name="model" value="([^"]*)" checked', text)[0]
    assert {name: shown.get(name) for name in TYPED} == TYPED
