"""What every voice has to be: the same questions to each of them, over real pipes and real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from pipelines.domain.errors import Ambiguous, NotConfigured, ProviderFailed, Refused, Unavailable
from pipelines.domain.planning.narration import Line
from pipelines.media.editor import MediaEditor
from pipelines.ports import Speech
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from pipelines.speech import build_speech

TODAY = date(2026, 11, 29)
MISSING = "hibari-tts and onnxruntime are not installed on this machine"
HERE = pytest.mark.skipif(find_spec("hibari") is None or find_spec("onnxruntime") is None, reason=MISSING)
VOICES = [pytest.param("local/heart", marks=HERE), "speech/coral"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        yield sandbox.url


def built(folder: Path, url: str, **named: str) -> Speech:
    environ = {
        "SPEECH_BASE_URL": f"{url}/openai/v1",
        "SPEECH_API_KEY": "sk-sandbox",
        "SPEECH_MODEL": "tts-1",
        "SPEECH_USD_PER_MILLION": "15",
    }
    return build_speech(load_settings(environ | named, folder))


@pytest.fixture
def speech(url: str, tmp_path: Path) -> Speech:
    return built(tmp_path, url)


def spent_micro(url: str) -> float:
    return float(httpx.get(f"{url}/bill").json()["text_usd"]) * 1_000_000


@pytest.mark.parametrize("voice", VOICES)
def test_a_voice_says_a_line_of_the_length_that_it_takes_within_its_quote(
    voice: str, speech: Speech, url: str, tmp_path: Path
) -> None:
    line = Line(text="A fox wakes up in the snow.", voice=voice)
    before, dest = spent_micro(url), tmp_path / "line.wav"
    assert (speech.unknown(voice), speech.silent(voice, TODAY), speech.cannot_say(line)) == (None, None, None)
    with speech.speaking(voice) as speaker:
        speaker.say(line, dest)
    seconds = MediaEditor().sound_seconds(dest)
    assert 1.0 < seconds < 5.0
    billed = spent_micro(url) - before
    assert billed <= speech.cost_micro(line, seconds) + 0.001
    assert speech.cost_micro(line, seconds) <= speech.quote_micro(line)


@pytest.mark.parametrize("voice", ["local/nobody", "acme/anna", "speech/", "speech/a b", ""])
def test_a_voice_that_there_is_not_is_named(voice: str, speech: Speech) -> None:
    assert "no voice" in (speech.unknown(voice) or "")


@pytest.mark.parametrize(
    ("text", "error", "billed"),
    [("No. [[refuse]]", Refused, False), ("Gone. [[lost]]", Ambiguous, True)],
)
def test_what_goes_wrong_at_a_server_is_told_apart_by_whether_it_may_cost(
    text: str, error: type[Exception], billed: bool, speech: Speech, url: str, tmp_path: Path
) -> None:
    before = spent_micro(url)
    with pytest.raises(error), speech.speaking("speech/coral") as speaker:
        speaker.say(Line(text=text, voice="speech/coral"), tmp_path / "line.wav")
    assert (spent_micro(url) > before) is billed


def test_a_server_that_is_not_there_a_wrong_voice_and_a_wrong_model(url: str, tmp_path: Path) -> None:
    line = Line(text="A fox.", voice="speech/nobody")
    cases = (
        (built(tmp_path, "http://127.0.0.1:9"), Unavailable),
        (built(tmp_path, url), ProviderFailed),
        (built(tmp_path, url, SPEECH_MODEL="tts-9"), NotConfigured),
        (built(tmp_path, f"{url}/nowhere"), NotConfigured),
    )
    for speech, error in cases:
        with pytest.raises(error), speech.speaking(line.voice) as speaker:
            speaker.say(line, tmp_path / "line.wav")


def test_a_server_without_a_known_price_is_not_asked(url: str, tmp_path: Path) -> None:
    voices = build_speech(load_settings({"SPEECH_BASE_URL": f"{url}/openai/v1", "SPEECH_MODEL": "tts-1"}, tmp_path))
    assert "price" in (voices.silent("speech/coral", TODAY) or "")


def test_openai_ends_on_its_day_and_names_what_to_take_instead(tmp_path: Path) -> None:
    environ = {"SPEECH_BASE_URL": "https://api.openai.com/v1", "SPEECH_MODEL": "gpt-4o-mini-tts"}
    voices = build_speech(load_settings(environ, tmp_path))
    assert voices.silent("speech/coral", date(2027, 1, 5)) is None
    assert "local/heart" in (voices.silent("speech/coral", date(2027, 1, 6)) or "")
    minute = Line(text="x" * 840, voice="speech/coral")
    assert voices.cost_micro(minute, 60.0) == 15_000
    assert voices.quote_micro(minute) >= 15_000
