"""A refusal, a failure, a lost answer or a damaged file never costs the whole film: through the real processes.

Each case has a model of its own, so that the faults of one do not break the circuit of another.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.films import Ordered, Result, assert_shows, bill, history, order, pictures, rate
from tools.stack import ROOT, Stack

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

OTHER = "kie/bytedance/seedance-2-mini"
CLIP_USD, OTHER_USD = 0.40, 0.164
"""Of four seconds."""


@dataclass(frozen=True)
class Case:
    """What is ordered, and of which of the sandbox's models; `row` changes its row of the catalogue."""

    prompts: list[str]
    like: str = "sora/sandbox-none"
    row: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)


CASES = {
    "refused": Case(["A lake in fog", "A brawl [[refuse]] in a bar"]),
    "softened": Case(["A duel [[refuse]] at noon"], fields={"Allow Rewrite": True}),
    "flagged": Case(["A pier at night", "A riot [[flag]] in a street"]),
    "fickle": Case(["A cat [[fickle]] on a wall"], row={"fickle_filter": True}),
    "failing-once": Case(["A kite [[fail-once]] over a dune"]),
    "failing": Case(["A ferry in the morning", "A storm [[fail:openai]] at sea"]),
    "damaged": Case(
        ["A fox [[corrupt:html]] in snow", "A hare [[corrupt:truncated]] in grass", "An elk [[corrupt:missing]] in fog"]
    ),
    "odd": Case(["A mill [[odd:size]]", "A barn [[odd:fps]]", "A well [[odd:silent]]", "A gate [[odd:sar]]"]),
    "slow": Case(["A snail [[slow]] on a leaf"]),
    "never": Case(["A river delta", "A glacier [[never]] in spring"], row={"maximum_s": 4}),
    "lost-key": Case(["A lamp [[lost]] by the road"], like="sora/sandbox-key"),
    "lost-list": Case(["A boat [[lost]] by the lake"], like="sora/sandbox-list", row={"list_grace_s": 10}),
    "lost-callback": Case(["A tent [[lost]] by the wood"], like="sora/sandbox-callback"),
    "lost-none": Case(["A quiet bay", "A cart [[lost]] by the mill"], row={"submit_timeout_s": 5}),
}
FOUND_BY = {
    "lost-key": "its idempotency key",
    "lost-list": "the video service's list",
    "lost-callback": "its callback",
}
LOST_AT = {
    "kie/bytedance/seedance-2-mini": ["A swan [[lost]] on a pond"],
    "omni/gemini-omni-1.2-flash": ["A crane [[lost]] on a roof"],
}


def catalogue(folder: Path) -> Path:
    """The sandbox's models, and one more for each case."""
    rows = tomllib.loads((ROOT / "pipelines" / "sandbox" / "catalogue.toml").read_text())["models"]
    for name, case in CASES.items():
        slug = case.like.partition("/")[2]
        rows[f"sora/{name}"] = {**rows[case.like], "label": name, "options": {"slug": slug}, **case.row}
    path = folder / "catalogue.json"
    path.write_text(json.dumps({"models": rows}, default=str))
    return path


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("refusals")
    settings = {"FALLBACK_MODELS": OTHER, "CATALOGUE": str(catalogue(folder))}
    with Stack(folder / "var", extra=settings, sandbox_environ={"SANDBOX_GENERATION_S": "0.4"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def ordered(harness: Stack) -> dict[str, Ordered]:
    """Everything at once, because trouble does not queue."""
    cases = {
        name: order(harness, case.prompts, Model=f"sora/{name}", **{"Title": name, **case.fields})
        for name, case in CASES.items()
    }
    return cases | {model: order(harness, prompts, Model=model) for model, prompts in LOST_AT.items()}


AGAIN, SOFTER = "trying once more, for up to $0.40.", "trying a softer wording, for up to $0.40."
ELSEWHERE = f"trying another model, with {OTHER}, for up to $0.16."
PLACEHOLDER = "a placeholder stands in, until somebody changes the prompt."


def ladder(result: Result) -> list[str]:
    """What was tried, in the words of the history, without the scene."""
    return [sentence.partition(": ")[2] for sentence in result.told("ladder")]


def sold(harness: Stack, name: str) -> list[tuple[str, bool]]:
    """What the vendors took for a case: vendor, and whether it is charged."""
    return [(line["vendor"], line["charged"]) for line in bill(harness, CASES[name].prompts)]


@pytest.mark.slow
def test_a_scene_that_every_model_refuses_becomes_a_placeholder_and_its_sibling_keeps_its_clip(
    harness: Stack, ordered: dict[str, Ordered]
) -> None:
    """The film is there, the row names the culprit and suggests another wording, and asks for attention."""
    result = ordered["refused"].wait("needs_attention")
    assert result.row["Status"] == "Needs Attention"
    error = result.row["Error"]
    assert "Scene 2 is a placeholder" in error
    assert "the prompt" in error
    assert "Suggested prompt" in error
    assert [scene["Status"] for scene in result.scenes] == ["Done", "Refused"]
    assert ladder(result) == [ELSEWHERE, PLACEHOLDER]
    assert sold(harness, "refused") == [("openai", True)]
    assert len(pictures(result.film(harness))) == 8 * 24
    assert result.row["Actual Cost"] == pytest.approx(CLIP_USD, abs=0.002)
    first, second = result.told("explained")
    assert "the likely culprit is the prompt" in first
    assert "a softer wording is suggested, for " in second
    refusals = [sentence for sentence in result.told("status") if "did not work out" in sentence]
    assert [sentence.rpartition(", ")[2] for sentence in refusals] == ["at no cost.", "at no cost."]


@pytest.mark.slow
def test_a_softer_wording_is_used_where_the_row_allows_it(harness: Stack, ordered: dict[str, Ordered]) -> None:
    """The run shows the wording that was bought, and it costs no more than was quoted."""
    result = ordered["softened"].wait()
    assert ladder(result) == [SOFTER]
    prompt = result.view["scenes"][0]["prompt"]
    assert "[[" not in prompt
    assert [line["charged"] for line in bill(harness, [prompt])] == [True]
    assert CLIP_USD < result.row["Actual Cost"] <= result.row["Estimated Cost"]


@pytest.mark.slow
def test_a_result_that_moderation_takes_back_costs_nothing_and_ends_in_a_placeholder(
    harness: Stack, ordered: dict[str, Ordered]
) -> None:
    result = ordered["flagged"].wait("needs_attention")
    assert sold(harness, "flagged") == [("openai", True), ("openai", False), ("kie", False)]
    assert "Scene 2 is a placeholder" in result.row["Error"]
    assert len(pictures(result.film(harness))) == 8 * 24


@pytest.mark.slow
def test_a_fickle_filter_is_asked_again(harness: Stack, ordered: dict[str, Ordered]) -> None:
    result = ordered["fickle"].wait()
    assert ladder(result) == [AGAIN]
    assert sold(harness, "fickle") == [("openai", True)]


@pytest.mark.slow
def test_a_job_that_failed_once_is_bought_again_and_paid_once(harness: Stack, ordered: dict[str, Ordered]) -> None:
    result = ordered["failing-once"].wait()
    assert ladder(result) == [AGAIN]
    assert sold(harness, "failing-once") == [("openai", False), ("openai", True)]
    assert result.row["Actual Cost"] == pytest.approx(CLIP_USD)


@pytest.mark.slow
def test_a_film_of_two_models_is_one_clean_film(harness: Stack, ordered: dict[str, Ordered]) -> None:
    """The first model fails three times on the second scene; another, within what is set aside, takes it over."""
    result = ordered["failing"].wait()
    assert ladder(result) == [AGAIN, AGAIN, ELSEWHERE]
    assert [scene["Model"] for scene in result.scenes] == ["sora/failing", OTHER]
    assert_shows(result.film(harness), [line for line in bill(harness, CASES["failing"].prompts) if line["charged"]])
    assert "looks right" in result.row["Verdict"]
    assert result.row["Actual Cost"] == pytest.approx(CLIP_USD + OTHER_USD)


@pytest.mark.slow
def test_damaged_files_are_fetched_again_and_not_bought_again(harness: Stack, ordered: dict[str, Ordered]) -> None:
    """A page of HTML, half a file, and none yet."""
    result, lines = ordered["damaged"].wait(), bill(harness, CASES["damaged"].prompts)
    assert_shows(result.film(harness), lines)
    assert [line["fetches"] for line in lines] == [2, 2, 2]
    assert result.row["Actual Cost"] == pytest.approx(3 * CLIP_USD)


@pytest.mark.slow
def test_clips_of_another_size_rate_shape_or_without_sound_become_one_even_film(
    harness: Stack, ordered: dict[str, Ordered]
) -> None:
    result = ordered["odd"].wait()
    assert "looks right" in result.row["Verdict"]
    film = result.film(harness)
    # The film takes the rate of the clip that arrived first; nobody says which of the four that is.
    assert rate(film) in (24, 30)
    assert_shows(film, bill(harness, CASES["odd"].prompts), fps=rate(film))


@pytest.mark.slow
def test_a_slow_job_is_waited_for(harness: Stack, ordered: dict[str, Ordered]) -> None:
    result = ordered["slow"].wait()
    assert (ladder(result), sold(harness, "slow")) == ([], [("openai", True)])


@pytest.mark.slow
def test_a_job_that_never_ends_is_counted_and_asked_about_after_its_deadline(
    harness: Stack, ordered: dict[str, Ordered]
) -> None:
    """It may be charged for, so it is not bought again by itself; the sibling's clip is kept."""
    result = ordered["never"].wait("needs_attention")
    assert "did not finish this scene in time" in result.row["Error"]
    assert sold(harness, "never") == [("openai", True), ("openai", True)]
    assert result.row["Actual Cost"] == pytest.approx(2 * CLIP_USD)
    assert [scene["Status"] for scene in result.scenes] == ["Done", "Failed"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND_BY)
def test_a_lost_answer_is_found_again_by_what_the_provider_offers(
    harness: Stack, ordered: dict[str, Ordered], name: str
) -> None:
    result = ordered[name].wait()
    assert result.told("adopted") == [f"Scene 1: found again by {FOUND_BY[name]}."], history(result.view)
    assert sold(harness, name) == [("openai", True)]


@pytest.mark.slow
@pytest.mark.parametrize("model", LOST_AT)
def test_a_lost_answer_is_found_again_at_vendors_that_call_back(
    harness: Stack, ordered: dict[str, Ordered], model: str
) -> None:
    """The callback carries our own token, so it can only be this request's."""
    result = ordered[model].wait()
    assert result.told("adopted") == ["Scene 1: found again by its callback."], history(result.view)
    assert [line["charged"] for line in bill(harness, LOST_AT[model])] == [True]


@pytest.mark.slow
def test_a_lost_answer_that_nobody_can_find_is_a_persons_to_decide(harness: Stack, ordered: dict[str, Ordered]) -> None:
    """Counted as committed, never sent again, and the sibling's clip is kept."""
    result = ordered["lost-none"].wait("needs_attention")
    assert sold(harness, "lost-none") == [("openai", True), ("openai", True)]
    assert "never answered, and may have charged for it" in result.row["Error"]
    assert [scene["Status"] for scene in result.scenes] == ["Done", "Generating"]


@pytest.mark.slow
def test_the_books_balance_after_all_that(harness: Stack, ordered: dict[str, Ordered]) -> None:
    for one in ordered.values():
        harness.wait_run(one.run_id)
    told = json.loads(harness.flask("ledger", "audit", "--json").stdout)
    assert told["balanced"] is True, told


def test_a_refused_scene_never_costs_its_sibling(stack: Stack) -> None:
    """Without any other model: a card stands in, and the row says what to do."""
    prompts = ["A harbour in the rain", "A raid [[refuse]] on it"]
    result = order(stack, prompts, Model="sora/sandbox-none").wait("needs_attention")
    assert [line["charged"] for line in bill(stack, prompts)] == [True]
    assert len(pictures(result.film(stack))) == 8 * 24
    assert "Scene 2 is a placeholder" in result.row["Error"]
