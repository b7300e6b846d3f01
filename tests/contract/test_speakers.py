"""What every voice has to be: the same questions to each of them, over real pipes and real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from pipelines.domain.errors import Ambiguous, NotConfigured, ProviderFailed, Refused, Unavailable, UnplayableMedia
from pipelines.domain.planning.narration import Line, Said
from pipelines.media.editor import MediaEditor
from pipelines.ports import Speech
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from pipelines.speech import build_speech
from pipelines.speech.catalogue import shipped
from tests.contract.bills import spent_micro

TODAY = date(2026, 11, 29)
MISSING = "hibari-tts and onnxruntime are not installed on this machine"
HERE = pytest.mark.skipif(find_spec("hibari") is None or find_spec("onnxruntime") is None, reason=MISSING)
PROGRAM = pytest.mark.skipif(which("espeak-ng") is None, reason="espeak-ng is not installed on this machine")
BOUGHT = [
    "speech/coral",
    "gemini/Kore",
    "gemini/gemini-3.8-flash-lite-tts/Puck",
    "elevenlabs/George",
    "elevenlabs/eleven_multilingual_v2/Sarah",
]
VOICES = [pytest.param("local/heart", marks=HERE), pytest.param("local/espeak", marks=PROGRAM), *BOUGHT]
EACH = ["speech/coral", "gemini/Kore", "elevenlabs/George"]
"""One of each vendor."""


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
        "GEMINI_BASE_URL": f"{url}/gemini",
        "GEMINI_API_KEY": "sandbox",
        "ELEVENLABS_BASE_URL": f"{url}/elevenlabs",
        "ELEVENLABS_API_KEY": "sandbox",
    }
    return build_speech(load_settings(environ | named, folder))


@pytest.fixture
def speech(url: str, tmp_path: Path) -> Speech:
    return built(tmp_path, url)


def test_each_vendor_of_the_catalogue_is_asked() -> None:
    assert {voice.partition("/")[0] for voice in EACH} == set(shipped().vendors)


@pytest.mark.parametrize("voice", VOICES)
def test_a_voice_says_a_line_of_the_length_that_it_takes_within_its_quote(
    voice: str, speech: Speech, url: str, tmp_path: Path
) -> None:
    line = Line(text="A fox wakes up in the snow.", voice=voice)
    before, dest = spent_micro(url), tmp_path / "line.wav"
    assert (speech.unknown(voice), speech.silent(voice, TODAY), speech.cannot_say(line)) == (None, None, None)
    with speech.speaking(voice) as speaker:
        said = speaker.say(line, dest)
    seconds = MediaEditor().sound_seconds(dest)
    assert 1.0 < seconds < 5.0
    billed = spent_micro(url) - before
    # Whole micro-dollars: what a vendor counts in parts of one is rounded.
    assert billed <= speech.cost_micro(line, seconds, said, TODAY) + 0.5
    assert speech.cost_micro(line, seconds, said, TODAY) <= speech.quote_micro(line, TODAY)
    if said.words:
        assert [word.text for word in said.words] == line.text.split()
        assert 0 <= said.words[0].start <= said.words[-1].end <= seconds + 0.1
    listed = {one.name: one for one in speech.known(TODAY)}[voice]
    assert (listed.silent, listed.timings) == (None, bool(said.words))


@pytest.mark.parametrize(
    "voice", ["local/nobody", "acme/anna", "speech/", "speech/a b", "gemini/Korre", "elevenlabs/x"]
)
def test_a_voice_that_there_is_not_is_named(voice: str, speech: Speech) -> None:
    assert "no voice" in (speech.unknown(voice) or "")


@pytest.mark.parametrize("voice", EACH)
@pytest.mark.parametrize(
    ("text", "error", "billed"),
    [("No. [[refuse]]", Refused, False), ("Gone. [[lost]]", Ambiguous, True)],
)
def test_what_goes_wrong_at_a_service_is_differing_prices_by_whether_it_may_cost(
    voice: str, text: str, error: type[Exception], billed: bool, speech: Speech, url: str, tmp_path: Path
) -> None:
    before = spent_micro(url)
    with pytest.raises(error), speech.speaking(voice) as speaker:
        speaker.say(Line(text=f"{voice} {text}", voice=voice), tmp_path / "line.wav")
    assert (spent_micro(url) > before) is billed


@pytest.mark.parametrize("voice", EACH)
def test_an_answer_that_is_no_sound_is_paid_and_cannot_be_played(
    voice: str, speech: Speech, url: str, tmp_path: Path
) -> None:
    before, dest = spent_micro(url), tmp_path / "line.wav"
    with speech.speaking(voice) as speaker:
        speaker.say(Line(text=f"{voice} [[corrupt]]", voice=voice), dest)
    with pytest.raises(UnplayableMedia):
        MediaEditor().sound_seconds(dest)
    assert spent_micro(url) > before


@pytest.mark.slow
@pytest.mark.parametrize("voice", EACH)
def test_a_slow_service_is_waited_for(voice: str, speech: Speech, tmp_path: Path) -> None:
    began = time.monotonic()
    with speech.speaking(voice) as speaker:
        speaker.say(Line(text="At last. [[slow]]", voice=voice), tmp_path / "line.wav")
    assert time.monotonic() - began >= 3.0


def test_a_service_that_is_not_there_a_wrong_voice_a_wrong_model_and_a_wrong_key(url: str, tmp_path: Path) -> None:
    there = built(tmp_path, url)
    nowhere = "http://127.0.0.1:9"
    cases = (
        ("speech/nobody", built(tmp_path, nowhere), Unavailable),
        ("speech/nobody", there, ProviderFailed),
        ("speech/nobody", built(tmp_path, url, SPEECH_MODEL="tts-9"), NotConfigured),
        ("speech/nobody", built(tmp_path, f"{url}/nowhere"), NotConfigured),
        ("gemini/Kore", built(tmp_path, url, GEMINI_BASE_URL=nowhere), Unavailable),
        ("gemini/Zubenelgenubi", there, ProviderFailed),
        ("gemini/Kore", built(tmp_path, url, GEMINI_API_KEY="bad"), NotConfigured),
        ("elevenlabs/George", built(tmp_path, url, ELEVENLABS_BASE_URL=nowhere), Unavailable),
        ("elevenlabs/Roger", there, ProviderFailed),
        ("elevenlabs/George", built(tmp_path, url, ELEVENLABS_API_KEY="bad"), NotConfigured),
    )
    for voice, speech, error in cases:
        with pytest.raises(error), speech.speaking(voice) as speaker:
            speaker.say(Line(text="A fox.", voice=voice), tmp_path / "line.wav")


def test_a_service_that_is_not_set_up_says_what_it_needs(tmp_path: Path) -> None:
    voices = build_speech(load_settings({}, tmp_path))
    for voice, needs in (
        ("speech/coral", "SPEECH_BASE_URL and SPEECH_MODEL"),
        ("gemini/Kore", "GEMINI_API_KEY"),
        ("elevenlabs/George", "ELEVENLABS_API_KEY"),
    ):
        assert needs in (voices.unknown(voice) or "")
        assert {one.name: one.silent for one in voices.known(TODAY)}[voice] == f"needs {needs}"


def test_a_server_without_a_known_price_is_not_asked(url: str, tmp_path: Path) -> None:
    voices = build_speech(load_settings({"SPEECH_BASE_URL": f"{url}/openai/v1", "SPEECH_MODEL": "tts-1"}, tmp_path))
    assert "price" in (voices.silent("speech/coral", TODAY) or "")


def test_openai_ends_on_its_day_and_its_successor_is_named(tmp_path: Path) -> None:
    environ = {"SPEECH_BASE_URL": "https://api.openai.com/v1", "SPEECH_MODEL": "gpt-4o-mini-tts"}
    voices = build_speech(load_settings(environ, tmp_path))
    assert voices.silent("speech/coral", date(2027, 1, 5)) is None
    ended = voices.silent("speech/coral", date(2027, 1, 6)) or ""
    assert "gpt-realtime-2.1-mini" in ended
    assert "local/heart" in ended
    minute = Line(text="x" * 840, voice="speech/coral")
    assert voices.cost_micro(minute, 60.0, Said(), TODAY) == 15_000
    assert voices.quote_micro(minute, TODAY) >= 15_000


@pytest.mark.parametrize("voice", ["gemini/Kore", "gemini/gemini-3.8-flash-lite-tts/Kore"])
def test_gemini_costs_twice_as_much_from_2027_on(voice: str, speech: Speech) -> None:
    line, before, after = Line(text="x" * 840, voice=voice), date(2026, 12, 31), date(2027, 1, 1)
    assert speech.quote_micro(line, after) == 2 * speech.quote_micro(line, before)
    said = Said(text_tokens=200, audio_tokens=1500)
    assert speech.cost_micro(line, 60.0, said, after) == 2 * speech.cost_micro(line, 60.0, said, before)
    flash = speech.cost_micro(Line(text="x" * 840, voice="gemini/Kore"), 60.0, Said(audio_tokens=1500), before)
    assert flash == 13_500
