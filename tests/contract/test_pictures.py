"""What every image model has to be: the same questions to each of them, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from pipelines.domain.errors import Ambiguous, NotConfigured, ProviderFailed, Refused, Unavailable
from pipelines.domain.planning.pictures import PictureRequest, fingerprint
from pipelines.imaging import build_pictures, catalogue
from pipelines.ports import MediaInput, Pictures
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from tests.contract.bills import spent_micro

TODAY = date(2026, 11, 29)
MODELS = ["gemini/gemini-nano-banana-2.1", "openai/gpt-image-2.6-flare"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        yield sandbox.url


def built(folder: Path, url: str, model: str | None = MODELS[0], **named: str) -> Pictures:
    environ = {
        "GEMINI_API_KEY": "sandbox",
        "GEMINI_BASE_URL": f"{url}/gemini",
        "OPENAI_API_KEY": "sk-sandbox",
        "OPENAI_BASE_URL": f"{url}/openai/v1",
    }
    environ |= {"PICTURE_MODEL": model} if model else {}
    return build_pictures(load_settings({name: value for name, value in (environ | named).items() if value}, folder))


@pytest.fixture
def pictures(url: str, tmp_path: Path) -> Pictures:
    return built(tmp_path, url)


@pytest.fixture
def source(tmp_path: Path) -> MediaInput:
    path = tmp_path / "frame.jpg"
    Image.new("RGB", (640, 360), "#305090").save(path)
    return MediaInput(key="pictures/frame.jpg", path=path, content_type="image/jpeg")


def request(model: str, prompt: str, *sources: MediaInput) -> PictureRequest:
    return PictureRequest(model=model, prompt=prompt, sources=tuple(one.key for one in sources))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("from_words", [False, True])
def test_a_picture_is_made_in_its_shape_for_what_it_costs_within_its_quote(
    model: str, from_words: bool, pictures: Pictures, source: MediaInput, url: str, tmp_path: Path
) -> None:
    sources = [] if from_words else [source]
    asked = request(model, f"A poster of {model}, {from_words}.", *sources)
    before, dest = spent_micro(url), tmp_path / "made.jpg"
    assert pictures.unavailable(model, TODAY) is None
    cost = pictures.edit(asked, sources, dest, TODAY)
    with Image.open(dest) as made:
        assert made.width / made.height == pytest.approx(16 / 9, rel=0.02)
    assert cost == pytest.approx(spent_micro(url) - before, abs=1.0)
    assert 0 < cost <= pictures.quote_micro(asked, TODAY)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("mark", "error", "billed"),
    [("[[refuse]]", Refused, False), ("[[lost]]", Ambiguous, True), ("[[corrupt]]", Ambiguous, True)],
)
def test_what_goes_wrong_is_differing_prices_by_whether_it_may_cost(
    model: str,
    mark: str,
    error: type[Exception],
    billed: bool,
    pictures: Pictures,
    source: MediaInput,
    url: str,
    tmp_path: Path,
) -> None:
    before, dest = spent_micro(url), tmp_path / "made.jpg"
    asked = request(model, f"A poster of {model}. {mark}", source)
    with pytest.raises(error):
        pictures.edit(asked, [source], dest, TODAY)
    assert (spent_micro(url) > before, dest.exists()) == (billed, False)
    if billed:
        pictures.edit(asked, [source], dest, TODAY)
        assert dest.exists(), "the second try brings it"


@pytest.mark.parametrize("model", MODELS)
def test_a_service_that_is_not_there_a_wrong_key_and_a_wrong_address(
    model: str, url: str, source: MediaInput, tmp_path: Path
) -> None:
    base = "GEMINI_BASE_URL" if model.startswith("gemini") else "OPENAI_BASE_URL"
    key = base.replace("BASE_URL", "API_KEY")
    cases = (
        ({base: "http://127.0.0.1:9"}, Unavailable),
        ({base: f"{url}/nowhere"}, NotConfigured),
        ({key: "bad-key"}, NotConfigured),
        ({key: ""}, NotConfigured),
    )
    for named, error in cases:
        with pytest.raises(error):
            built(tmp_path, url, model, **named).edit(request(model, "A poster."), [], tmp_path / "no.jpg", TODAY)


@pytest.mark.parametrize("model", MODELS)
def test_what_the_service_cannot_read_is_not_paid(
    model: str, pictures: Pictures, source: MediaInput, url: str, tmp_path: Path
) -> None:
    source.path.write_bytes(b"no picture at all")
    before = spent_micro(url)
    with pytest.raises(ProviderFailed):
        pictures.edit(request(model, "A poster.", source), [source], tmp_path / "no.jpg", TODAY)
    assert spent_micro(url) == before


def test_without_a_model_a_price_or_a_day_nothing_is_bought(pictures: Pictures, url: str, tmp_path: Path) -> None:
    nothing = built(tmp_path, url, None)
    assert (nothing.model, "PICTURE_MODEL" in (nothing.unavailable(None, TODAY) or "")) == (None, True)
    with pytest.raises(NotConfigured):
        nothing.check(TODAY)
    assert "price" in (pictures.unavailable("openai/gpt-image-9", TODAY) or "")
    assert "price" in (pictures.unavailable(MODELS[0], date(2026, 10, 5)) or "")
    assert MODELS[0] in pictures.check(TODAY)


def test_a_model_that_ends_names_what_to_take_instead(pictures: Pictures) -> None:
    for name, gone in catalogue.ended().items():
        assert gone.instead in (pictures.unavailable(name, gone.ends) or "")
        assert gone.instead in catalogue.models()


def test_the_same_picture_is_one_purchase_of_one_account(source: MediaInput) -> None:
    asked = request(MODELS[0], "A poster.", source)
    assert fingerprint(asked, "acc_a") == fingerprint(request(MODELS[0], "A poster.", source), "acc_a")
    others = [request(MODELS[1], "A poster.", source), request(MODELS[0], "Another.", source)]
    marks = {fingerprint(one, "acc_a") for one in (asked, *others, request(MODELS[0], "A poster."))}
    assert len(marks | {fingerprint(asked, "acc_b"), fingerprint(asked, None)}) == 6
