"""A film by every kind of model: through the real processes, against the sandbox's server of its vendor."""

from __future__ import annotations

import pytest

from tests.acceptance.films import Ordered, assert_shows, bill, order
from tools.stack import Stack

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

SLOW = (
    "sora/sora-2",
    "sora/sandbox-key",
    "sora/sandbox-list",
    "sora/sandbox-callback",
    "sora/sandbox-none",
    "omni/gemini-omni-1.2-flash",
    "openrouter/alibaba/wan-3.0",
    "veo/veo-3.1-lite-generate-001",
    "minimax/MiniMax-H3",
    "byteplus/dreamina-seedance-2-5-260628",
    "fal/minimax/h3-max",
)


def prompts_for(model: str) -> list[str]:
    return [f"A lighthouse at dawn, for {model}", f"A ferry at dusk, for {model}"]


def check(ordered: Ordered, model: str) -> None:
    """Bought once a scene, put together to the frame, and in the row for what the vendor charged."""
    result, lines = ordered.wait(), bill(ordered.stack, prompts_for(model))
    assert [line["charged"] for line in lines] == [True, True]
    film = result.film(ordered.stack)
    assert_shows(film, lines)
    assert result.row["Status"] == "Done"
    assert result.row["Duration"] == pytest.approx(8, abs=0.05)
    charged = sum(line["usd"] for line in lines)
    assert charged <= result.row["Actual Cost"] + 1e-4
    assert result.row["Actual Cost"] <= result.row["Estimated Cost"] + 1e-4
    assert [scene["Model"] for scene in result.scenes] == [model, model]


def test_a_free_draft_is_made_here_and_nobody_is_asked(stack: Stack) -> None:
    """local/animatic."""
    prompts = prompts_for("local/animatic")
    result = order(stack, prompts, Model="local/animatic").wait()
    assert bill(stack, prompts) == []
    assert result.row["Duration"] == pytest.approx(8, abs=0.05)
    assert result.row["Actual Cost"] == 0
    assert len(result.film(stack)) > 50_000


def test_a_film_by_a_market_with_signed_callbacks(stack: Stack) -> None:
    """kie.ai: createTask, callback with HMAC, recordInfo, credits."""
    model = "kie/bytedance/seedance-2-mini"
    check(order(stack, prompts_for(model), Model=model), model)


@pytest.fixture(scope="module")
def ordered(stack: Stack) -> dict[str, Ordered]:
    """All at once, as a busy afternoon has it."""
    return {model: order(stack, prompts_for(model), Model=model) for model in SLOW}


@pytest.mark.slow
@pytest.mark.parametrize("model", SLOW)
def test_a_film_by_each_model(ordered: dict[str, Ordered], model: str) -> None:
    """The providers' own way of creating, polling, calling back and handing out the file."""
    check(ordered[model], model)
