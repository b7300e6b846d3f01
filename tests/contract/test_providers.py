"""What every provider of the catalogue promises, shown against the sandbox's servers over real HTTP.

The suite finds the providers in the catalogue: a new one is tested here as soon as it has a row.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import (
    Ambiguous,
    BadDelivery,
    Expired,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    RateLimited,
    Refused,
    Unavailable,
)
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.orders.order import MAX_SEED
from pipelines.media.editor import MediaEditor
from pipelines.ports import GenerationRequest, MediaInput
from pipelines.providers import load_catalogue
from pipelines.providers.sora import LIST_PAGE
from tests.contract.provider_fixtures import (
    DEADLINE_S,
    ProviderHarness,
    cheapest_cards,
    finished,
    more_models,
    open_house,
    request_for,
    submission,
)
from tools.stack import until

CARDS = cheapest_cards(load_catalogue(more_models()))
ON_OFFER = [card for card in load_catalogue(more_models()).values() if card.offers and not card.free]
PAID = [card for card in CARDS if not card.free]
LISTING = {card.provider for card in PAID if card.ability is Ability.LIST}
WORDLESS = {"minimax"}
"""Whose lists tell nothing of what was asked for but its measures."""
MARKED_BY_SEED = {"byteplus"}
"""Who is sent a seed also where none was asked for, because its list tells a request by it."""
every = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
every_paid = pytest.mark.parametrize("card", PAID, ids=lambda card: card.id)


@pytest.fixture(scope="module")
def open_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderHarness]:
    with open_house(tmp_path_factory.mktemp("house")) as harness:
        yield harness


@pytest.fixture
def harness(open_for_all: ProviderHarness) -> Iterator[ProviderHarness]:
    """The module's house with an empty bill and quick, quiet vendors."""
    open_for_all.turn(reset=True, generation_s=0.0, prerender=False)
    open_for_all.inbox.posts.clear()
    yield open_for_all
    open_for_all.close()


@every
def test_a_clip_is_bought_once_polled_to_its_end_and_fetched_as_ordered(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    provider, request = harness.provider(card), request_for(card, "A heron lifts off")
    job = finished(provider, provider.submit(submission(request)), request)
    assert (job.status, job.reason, job.progress) == (GenerationStatus.SUCCEEDED, None, 100)
    provider.fetch(job, request, tmp_path / "clip.mp4")
    footage = MediaEditor().probe(tmp_path / "clip.mp4")
    assert (footage.width, footage.height) == (request.width, request.height) or card.provider == "kie"
    assert footage.duration_s == pytest.approx(request.seconds, abs=0.1)
    assert len(harness.bill()) == (0 if card.free else 1)


@every_paid
def test_the_quoted_price_covers_what_the_vendor_charges(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, request = harness.provider(card), request_for(card, "A heron lifts off")
    job = finished(provider, provider.submit(submission(request)), request)
    quoted, charged = card.clip_price(request.resolution, request.seconds), round(harness.bill()[0]["usd"] * 1_000_000)
    assert charged <= quoted
    assert job.cost_micro in {None, charged} or job.cost_micro == pytest.approx(charged, abs=100)


@pytest.mark.slow
@pytest.mark.parametrize("card", ON_OFFER, ids=lambda card: card.id)
def test_every_frame_and_length_on_offer_is_taken_and_charged_no_more_than_quoted(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    harness.turn(kie_creates_per_10s=0)
    provider, lengths = harness.provider(card), card.durations or (card.min_seconds, card.max_seconds)
    for number, (offer, seconds) in enumerate(product(card.offers, {min(lengths), max(lengths)})):
        frame = {name: getattr(offer, name) for name in ("width", "height", "aspect_ratio", "resolution")}
        request = request_for(card, f"Heron {number}", seconds=seconds, **frame)
        provider.submit(submission(request, key=f"k{number}"))
        line = harness.bill()[number]
        assert line["seconds"] == seconds
        assert line["size"] == f"{offer.width}x{offer.height}" or card.provider == "kie"
        assert round(line["usd"] * 1_000_000) <= card.clip_price(offer.resolution, seconds)


@every_paid
def test_a_prompt_that_moderation_blocks_is_refused_and_costs_nothing(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    with pytest.raises(Refused):
        harness.provider(card).submit(submission(request_for(card, "[[refuse]] a fight")))
    assert harness.bill() == []


@every_paid
def test_a_result_that_moderation_blocks_ends_as_refused(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, request = harness.provider(card), request_for(card, "[[flag]] a fight")
    job = finished(provider, provider.submit(submission(request)), request)
    assert (job.status, job.reason) == (GenerationStatus.FAILED, Reason.REFUSED)
    assert job.error


@every_paid
def test_a_job_that_the_vendor_gives_up_ends_as_its_failure(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, request = harness.provider(card), request_for(card, "[[fail-once]] a storm")
    job = finished(provider, provider.submit(submission(request)), request)
    assert (job.status, job.reason) == (GenerationStatus.FAILED, Reason.PROVIDER_ERROR)


@every_paid
def test_a_rate_limit_says_how_long_to_wait_and_buys_nothing(harness: ProviderHarness, card: CatalogueModel) -> None:
    harness.turn(rate_limit_percent=100, retry_after_s=7)
    with pytest.raises(RateLimited) as caught:
        harness.provider(card).submit(submission(request_for(card, "A heron")))
    assert caught.value.retry_after == 7
    assert harness.creates() == 1
    assert harness.bill() == []


@every_paid
def test_an_answer_that_is_lost_is_ambiguous_and_the_request_was_sent_once(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    with pytest.raises(Ambiguous):
        harness.provider(card).submit(submission(request_for(card, "[[lost]] a heron")))
    assert harness.creates() == 1
    assert len(harness.bill()) == 1


@every_paid
def test_a_server_error_on_create_is_ambiguous_because_the_job_may_exist(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    harness.turn(error_after_percent=100)
    with pytest.raises(Ambiguous):
        harness.provider(card).submit(submission(request_for(card, "A heron")))
    assert harness.creates() == len(harness.bill()) == 1


@pytest.mark.parametrize("card", [card for card in PAID if card.ability is Ability.KEY], ids=lambda card: card.id)
def test_with_ability_key_sending_the_same_key_again_finds_the_job(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    provider, order = harness.provider(card), submission(request_for(card, "[[lost]] a heron"))
    with pytest.raises(Ambiguous):
        provider.submit(order)
    assert provider.submit(order).id == harness.bill()[0]["id"]
    assert len(harness.bill()) == 1


@pytest.mark.parametrize("card", [card for card in PAID if card.ability is Ability.LIST], ids=lambda card: card.id)
def test_with_ability_list_a_lost_job_is_found_among_others(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, request = harness.provider(card), request_for(card, "[[lost]] a heron")
    other = request_for(card, "Something else")
    wordless = card.provider in WORDLESS
    # Who lists neither words nor a mark tells requests apart by what they measure.
    provider.submit(submission(replace(other, seconds=other.seconds + wordless), key="k0"))
    with pytest.raises(Ambiguous):
        provider.submit(submission(request))
    lost = next(line for line in harness.bill() if "heron" in line["prompt"])
    found = [(job.id, job.wordless) for job in provider.find(submission(request), since=lost["at"])]
    assert found == [(lost["id"], wordless)]
    assert provider.find(submission(request), since=lost["at"] + 3600) == []
    assert {job.id for job in provider.jobs(lost["at"])} == {line["id"] for line in harness.bill()}
    assert provider.jobs(lost["at"] + 3600) == []


def test_the_pages_of_a_list_show_every_job_once_the_newest_first(harness: ProviderHarness) -> None:
    card = next(card for card in PAID if card.provider == "sora" and card.ability is Ability.LIST)
    provider, request = harness.provider(card), request_for(card, "A heron")
    bought = [provider.submit(submission(request, key=f"k{number}")).id for number in range(LIST_PAGE + 1)]
    pages = [[job.id for job in page] for page in provider.listed()]
    assert [job_id for page in pages for job_id in page] == bought[::-1]
    assert [len(page) for page in pages] == [LIST_PAGE, 1]
    ended = GenerationStatus.SUCCEEDED
    until(lambda: next(provider.listed())[0].status is ended, "the end of the newest", DEADLINE_S)
    harness.turn(lists=False)
    with pytest.raises(Ambiguous, match="does not list"):
        next(provider.listed())


@pytest.mark.parametrize("card", [card for card in PAID if card.provider not in LISTING], ids=lambda card: card.id)
def test_who_cannot_list_its_jobs_says_so(harness: ProviderHarness, card: CatalogueModel) -> None:
    with pytest.raises(Ambiguous, match="bill"):
        harness.provider(card).jobs(0.0)


@pytest.mark.parametrize("card", [card for card in PAID if card.ability is Ability.CALLBACK], ids=lambda card: card.id)
def test_with_ability_callback_a_lost_job_names_itself_at_our_address(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    provider, path = harness.provider(card), "/api/webhook/tok3n"
    order = submission(request_for(card, "[[lost]] a heron"), callback=f"{harness.inbox.url}{path}")
    with pytest.raises(Ambiguous):
        provider.submit(order)
    job_id = harness.bill()[0]["id"]
    until(
        lambda: any(at == path and job_id.encode() in body for at, body in harness.inbox.posts),
        "the callback",
        DEADLINE_S,
    )


@every_paid
def test_a_server_that_cannot_be_reached_has_bought_nothing(harness: ProviderHarness, card: CatalogueModel) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unavailable):
            harness.provider(card, at=nowhere).submit(submission(request_for(card, "A heron")))


@every_paid
def test_a_wrong_key_is_the_operators_to_mend(harness: ProviderHarness, card: CatalogueModel) -> None:
    with pytest.raises(NotConfigured):
        harness.provider(card, key="bad-key").submit(submission(request_for(card, "A heron")))


@every_paid
def test_an_empty_account_is_told_from_a_rate_limit(harness: ProviderHarness, card: CatalogueModel) -> None:
    with pytest.raises(OutOfCredit):
        harness.provider(card, key="empty-account").submit(submission(request_for(card, "A heron")))


@every_paid
def test_a_request_the_vendor_finds_invalid_is_named_and_not_repeated(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    wrong = replace(request_for(card, "A heron"), seconds=59.0)
    with pytest.raises(InvalidOrder):
        harness.provider(card).submit(submission(wrong))
    assert harness.creates() == 1


@every_paid
def test_a_job_that_the_vendor_forgot_is_expired(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, request = harness.provider(card), request_for(card, "A heron")
    job = provider.submit(submission(request))
    harness.turn(reset=True)
    with pytest.raises(Expired):
        provider.poll(job.id, request)


@every_paid
def test_a_paid_job_is_not_given_up_because_the_key_was_changed_meanwhile(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    request = request_for(card, "A heron")
    job = harness.provider(card).submit(submission(request))
    with pytest.raises(Unavailable):
        harness.provider(card, key="bad-key").poll(job.id, request)


@every_paid
def test_a_result_that_the_vendor_no_longer_keeps_is_expired(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    provider, request = harness.provider(card), request_for(card, "A heron")
    job = finished(provider, provider.submit(submission(request)), request)
    harness.turn(reset=True)
    with pytest.raises(Expired):
        provider.fetch(job, request, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


@every_paid
def test_a_page_of_html_in_place_of_the_clip_is_fetched_again(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    """At once where there is another way to the clip, else with the next try."""
    provider, request = harness.provider(card), request_for(card, "[[corrupt:html]] a heron")
    job = finished(provider, provider.submit(submission(request)), request)
    clip = tmp_path / "clip.mp4"
    try:
        provider.fetch(job, request, clip)
    except BadDelivery:
        assert not clip.exists()
        provider.fetch(job, request, clip)
    assert MediaEditor().probe(clip).duration_s == pytest.approx(request.seconds, abs=0.1)


def or_again(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Expired:
        return ask()


@every_paid
def test_a_clip_that_comes_a_moment_after_its_job_is_done_can_be_fetched_then(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    """Until then it is not there, which the core takes for final only after a while."""
    provider, request = harness.provider(card), request_for(card, "[[corrupt:missing]] a heron")
    bought = provider.submit(submission(request))
    job = or_again(lambda: finished(provider, bought, request))
    or_again(lambda: provider.fetch(job, request, tmp_path / "clip.mp4"))
    assert MediaEditor().probe(tmp_path / "clip.mp4").duration_s == pytest.approx(request.seconds, abs=0.1)
    assert len(harness.bill()) == 1


@every_paid
def test_a_job_is_stopped_where_the_card_says_so(harness: ProviderHarness, card: CatalogueModel) -> None:
    harness.turn(generation_s=30)
    provider, request = harness.provider(card), request_for(card, "A heron")
    job = provider.submit(submission(request))
    assert provider.cancel(job.id) is card.cancellable
    assert harness.bill()[0]["charged"] is not card.cancellable


def pictures(folder: Path, *names: str) -> tuple[MediaInput, ...]:
    for name in names:
        Image.new("RGB", (400, 300), "teal").save(folder / f"{name}.png")
    return tuple(MediaInput(key=name, path=folder / f"{name}.png", content_type="image/png") for name in names)


@pytest.mark.parametrize("card", [card for card in PAID if card.image_to_video], ids=lambda card: card.id)
def test_a_picture_to_start_from_reaches_the_vendor_whatever_its_size(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    path = tmp_path / "start.png"
    Image.new("RGB", (400, 300), "teal").save(path)
    picture = MediaInput(key="inputs/start.png", path=path, content_type="image/png")
    request = request_for(card, "A heron", first_frame=picture.key)
    harness.provider(card).submit(submission(request, inputs=(picture,)))
    assert harness.bill()[0]["image"] is True


@pytest.mark.parametrize("card", [card for card in ON_OFFER if card.first_last_frame], ids=lambda card: card.id)
def test_a_picture_to_end_on_reaches_the_vendor_beside_the_one_to_start_from(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    request = request_for(card, "A heron", first_frame="start", last_frame="end")
    harness.provider(card).submit(submission(request, inputs=pictures(tmp_path, "start", "end")))
    assert harness.bill()[0]["images"] == 2


@pytest.mark.parametrize("card", [card for card in ON_OFFER if card.max_references], ids=lambda card: card.id)
def test_pictures_to_refer_to_reach_the_vendor_whatever_their_size_for_no_more_than_was_quoted(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    sizes = {"small": (90, 60), "wide": (900, 120), "tall": (100, 800)}
    for name, size in sizes.items():
        Image.new("RGB", size, "teal").save(tmp_path / f"{name}.png")
    keys = [list(sizes)[number % len(sizes)] for number in range(card.max_references)]
    inputs = [MediaInput(key=name, path=tmp_path / f"{name}.png", content_type="image/png") for name in sizes]
    request = request_for(card, "A heron", references=tuple(keys))
    harness.provider(card).submit(submission(request, inputs=tuple(inputs)))
    line = harness.bill()[0]
    assert line["images"] == card.max_references
    assert line["usd"] * 1_000_000 <= card.clip_price(request.resolution, request.seconds) + 1


@pytest.mark.parametrize("card", [card for card in ON_OFFER if card.seed], ids=lambda card: card.id)
def test_a_seed_reaches_the_vendor_of_every_model_that_has_one(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider = harness.provider(card)
    for number, seed in enumerate((7, 0, MAX_SEED, None)):
        provider.submit(submission(request_for(card, f"Heron {number}", seed=seed), key=f"k{number}"))
    *asked, unasked = [line["seed"] for line in harness.bill()]
    assert asked == [7, 0, MAX_SEED]
    assert (unasked is not None) is (card.provider in MARKED_BY_SEED)


@pytest.mark.parametrize("card", [card for card in ON_OFFER if card.negative_prompt], ids=lambda card: card.id)
def test_what_should_not_be_seen_reaches_the_vendor_of_every_model_that_listens(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    harness.provider(card).submit(submission(request_for(card, "A heron", negative_prompt="people, boats")))
    assert harness.bill()[0]["negative_prompt"] == "people, boats"


@every
def test_the_doctor_learns_in_a_sentence_that_key_and_address_are_right(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    sentence = harness.provider(card).check()
    assert sentence.startswith(card.provider)
    assert sentence.endswith(".")
    assert harness.bill() == []


@pytest.mark.parametrize("card", [card for card in PAID if card.ability is Ability.LIST], ids=lambda card: card.id)
def test_the_doctor_says_of_a_server_that_does_not_list_who_settles_a_lost_answer(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    harness.turn(lists=False)
    sentence = harness.provider(card).check()
    assert "does not list" in sentence
    assert "a lost answer is settled by a person." in sentence
    with pytest.raises(Ambiguous, match="does not list"):
        harness.provider(card).jobs(0.0)


@pytest.mark.parametrize("card", [c for c in PAID if c.provider != "veo"], ids=lambda card: card.id)
def test_the_doctor_hears_of_a_wrong_key(harness: ProviderHarness, card: CatalogueModel) -> None:
    with pytest.raises(NotConfigured):
        harness.provider(card, key="bad-key").check()


DRAFTING = [card for card in ON_OFFER if card.draft_finals]


def drafted(card: CatalogueModel, prompt: str) -> tuple[GenerationRequest, GenerationRequest]:
    """The smallest draft of a model, and the clip that is made from it, whose job is still to be named."""
    final = min((one for one in card.offers if one.resolution in card.draft_finals), key=lambda one: one.width)
    draft = card.draft_of(final.aspect_ratio, final.resolution)
    assert draft is not None
    frames = [
        {name: getattr(one, name) for name in ("width", "height", "aspect_ratio", "resolution")}
        for one in (draft, final)
    ]
    return request_for(card, prompt, draft=True, **frames[0]), request_for(card, prompt, **frames[1])


@pytest.mark.parametrize("card", DRAFTING, ids=lambda card: card.id)
def test_a_clip_is_made_from_its_draft_and_both_are_found_again_when_their_answers_are_lost(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    provider = harness.provider(card)
    draft, final = drafted(card, "A heron lifts off [[lost]]")
    with pytest.raises(Ambiguous):
        provider.submit(submission(draft))
    look = harness.bill()[0]
    assert (look["draft"], look["size"]) == (True, f"{draft.width}x{draft.height}")
    assert [job.id for job in provider.find(submission(draft), since=look["at"])] == [look["id"]]
    final = replace(final, draft_job=look["id"])
    assert provider.find(submission(final, key="k2"), since=look["at"]) == []
    made = finished(provider, provider.submit(submission(final, key="k2")), final)
    clip = harness.bill()[1]
    assert (clip["made_from"], clip["prompt"], clip["seed"]) == (look["id"], look["prompt"], look["seed"])
    assert [job.id for job in provider.find(submission(final, key="k2"), since=look["at"])] == [made.id]
    assert [job.id for job in provider.find(submission(draft), since=look["at"])] == [look["id"]]
    for line, request in ((look, draft), (clip, final)):
        assert 0 < line["usd"] * 1_000_000 <= card.clip_price(request.resolution, request.seconds)
    provider.fetch(made, final, tmp_path / "clip.mp4")
    footage = MediaEditor().probe(tmp_path / "clip.mp4")
    assert (footage.width, footage.height) == (final.width, final.height)


@pytest.mark.parametrize("card", DRAFTING, ids=lambda card: card.id)
def test_a_draft_that_is_forgotten_or_is_none_is_refused_and_costs_nothing(
    harness: ProviderHarness, card: CatalogueModel
) -> None:
    provider = harness.provider(card)
    draft, final = drafted(card, "A heron lifts off [[lost-draft]]")
    jobs = [provider.submit(submission(draft)).id, provider.submit(submission(final, key="k2")).id, "cgt-none"]
    for job in jobs:
        with pytest.raises(InvalidOrder):
            provider.submit(submission(replace(final, draft_job=job), key=f"k-{job}"))
    assert len(harness.bill()) == 2
