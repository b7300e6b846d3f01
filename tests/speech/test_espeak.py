"""The program espeak-ng as a voice: real speech from the real one, and programs of its name that behave badly."""

from __future__ import annotations

import hashlib
import shutil
import wave
from datetime import date
from pathlib import Path

import pytest

from pipelines.domain.errors import NotConfigured, ProviderFailed
from pipelines.domain.languages import LANGUAGES
from pipelines.domain.planning.narration import Line
from pipelines.settings import load_settings
from pipelines.speech import build_speech, embedded, espeak

HERE = pytest.mark.skipif(shutil.which(espeak.PROGRAM) is None, reason=f"{espeak.PROGRAM} is not on this machine")
LINES = {
    "de": "Der Fuchs läuft durch den Schnee.",
    "fr-CA": "Le renard court dans la neige.",
    "es-MX": "El zorro corre por la nieve.",
    "pt-BR": "A raposa corre pela neve.",
    "ru": "Лиса бежит по снегу.",
    "ar": "الثعلب يركض في الثلج.",
    "hi": "लोमड़ी बर्फ में दौड़ती है।",
    "ja": "きつねが ゆきのなかを はしります。",
    "ko": "여우가 눈 속을 달립니다.",
    "zh-Hans": "狐狸在雪里奔跑。",
    "zh-Hant": "狐狸在雪裡奔跑。",
}
LISTED = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  fr-be           --/M      French_(Belgium)   roa/fr-BE            (fr 8)
 5  fr-fr           --/M      French_(France)    roa/fr               (fr 5)
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)
 5  yue             --/M      Chinese_(Cantonese) sit/yue              (zh-yue 5)(zh 8)
"""
VOICES = {"de": "de"}
TODAY = date(2026, 11, 30)


def program(folder: Path, script: str) -> str:
    """A program of that name which does as it is told."""
    path = folder / espeak.PROGRAM
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@HERE
def test_each_language_is_spoken_in_a_voice_of_its_own_and_the_same_words_are_the_same_sound(tmp_path: Path) -> None:
    sums = {}
    with espeak.speaking() as speaker:
        for number, (language, text) in enumerate([*LINES.items(), ("de", LINES["de"])]):
            line, dest = Line(text=text, voice=espeak.VOICE, language=language), tmp_path / f"{number}.wav"
            assert (espeak.speaks(language), espeak.cannot_say(line)) == (True, None)
            assert speaker.say(line, dest).words == ()
            with wave.open(str(dest)) as file:
                assert 1.0 < file.getnframes() / file.getframerate() < 6.0
            sums[number] = hashlib.sha256(dest.read_bytes()).hexdigest()
    assert sums[0] == sums[len(LINES)]
    assert len(set(sums.values())) == len(LINES)


@HERE
def test_it_speaks_by_itself_what_the_built_in_voice_does_not_and_nothing_else(tmp_path: Path) -> None:
    voices = build_speech(load_settings({}, root=tmp_path))
    assert [voices.voice_for(language) for language in ("en", "en-GB", "de", "zh-Hant")] == [
        embedded.VOICE, embedded.VOICE, espeak.VOICE, espeak.VOICE,
    ]  # fmt: skip
    assert len([language for language in LANGUAGES if voices.voice_for(language) == espeak.VOICE]) > len(LANGUAGES) / 2
    chosen = build_speech(load_settings({"SPEECH_VOICE": "gemini/Kore", "GEMINI_API_KEY": "k"}, root=tmp_path))
    assert chosen.voice_for("de") == "gemini/Kore"


@HERE
@pytest.mark.parametrize(
    ("text", "language", "told"),
    [
        ("Der Fuchs ist wach und läuft nach Hause.", "en", "choose it in Languages"),
        ("狐が走る。", "ja", "kana only"),
        ("Saluton!", "tlh-Latn-x", "does not speak"),
    ],
)
def test_what_would_be_noise_or_another_languages_voice_is_not_said(
    text: str, language: str, told: str, tmp_path: Path
) -> None:
    line = Line(text=text, voice=espeak.VOICE, language=language)
    assert told in (espeak.cannot_say(line) or "")
    with espeak.speaking() as speaker, pytest.raises(ProviderFailed, match=told):
        speaker.say(line, tmp_path / "no.wav")


def test_its_languages_are_those_that_it_lists_in_the_voice_that_it_prefers(tmp_path: Path) -> None:
    path = program(tmp_path, f"cat <<'END'\n{LISTED}END")
    voices = espeak.voices_of(path, 0)
    assert (voices["fr"], voices["en"], voices["en-us"], "zh" in voices) == ("fr-fr", "en-gb", "en-us", False)
    better = LISTED + " 5  cmn-latn-pinyin --/M Chinese_(Mandarin,_latin_as_Pinyin) sit/cmn-Latn-pinyin (zh 5)\n"
    path = program(tmp_path, f"cat <<'END'\n{better}END")
    assert espeak.voices_of(path, 1)["zh"] == espeak.MANDARIN


def test_a_text_is_never_an_option_and_no_key_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRTABLE_API_KEY", "pat-secret")
    script = f'cd {tmp_path}; printf "%s\\n" "$@" > options; env > environment; cat > text; echo RIFF > line.wav'
    text = "--help [[heloU]] \x01; rm -rf / -w"
    dest = tmp_path / "line.wav"
    espeak.Program(program(tmp_path, script), VOICES).say(Line(text=text, language="de"), dest)
    assert (tmp_path / "options").read_text().split() == ["-v", "de", "-b", "1", "-w", str(dest), "--stdin"]
    assert (tmp_path / "text").read_text().split() == ["--help", "heloU", ";", "rm", "-rf", "/", "-w"]
    assert "secret" not in (tmp_path / "environment").read_text()


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo RIFF > $6; exit 3", "exec sleep 60"])
def test_a_program_that_fails_says_nothing_or_hangs_loses_its_line_only(script: str, tmp_path: Path) -> None:
    speaker = espeak.Program(program(tmp_path, script), VOICES, longest_s=0.5)
    with pytest.raises(ProviderFailed) as caught:
        speaker.say(Line(text="Hallo.", language="de"), tmp_path / "line.wav")
    assert "choose another Voice" in caught.value.marketer


def test_a_program_that_does_not_answer_is_not_asked_again_for_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program(tmp_path, f"echo asked >> {tmp_path}/asked; exit 1")
    assert [espeak.speaks("de"), espeak.silent() is None, espeak.speaks("fr")] == [False] * 3
    assert (tmp_path / "asked").read_text().split() == ["asked"]


@pytest.mark.parametrize("script", [None, "exit 1", "echo nothing that is a voice"])
def test_where_there_is_no_program_there_is_no_such_voice_and_all_is_as_without(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        program(tmp_path, script)
    voices = build_speech(load_settings({}, root=tmp_path))
    assert voices.voice_for("de") == embedded.VOICE
    assert voices.unknown(espeak.VOICE) is None
    assert "is not installed" in (voices.silent(espeak.VOICE, TODAY) or "")
    listed = {one.name: one.silent for one in voices.known(TODAY)}[espeak.VOICE]
    assert listed == "needs the program espeak-ng on this machine"
    with pytest.raises(NotConfigured), voices.speaking(espeak.VOICE):
        pass
