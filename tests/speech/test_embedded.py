"""The voice that comes with Reelgrid: real speech from a process of its own."""

from __future__ import annotations

import hashlib
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.domain.errors import ProviderFailed
from pipelines.domain.planning.narration import Line, is_english
from pipelines.settings import load_settings
from pipelines.speech import build_speech, embedded

NO_VOICE = "hibari-tts and onnxruntime are not installed on this machine"
LINES = ("A fox wakes up in the snow.", "And then it runs, all the way home.")


@pytest.mark.skipif(find_spec("hibari") is None or find_spec("onnxruntime") is None, reason=NO_VOICE)
def test_it_speaks_all_lines_of_a_film_in_one_process_that_we_do_not_load(tmp_path: Path) -> None:
    sums = set()
    with embedded.speaking() as narrator:
        for number, text in enumerate((*LINES, LINES[0])):
            dest = tmp_path / f"{number}.wav"
            narrator.say(Line(text=text, voice=embedded.VOICE), dest)
            with wave.open(str(dest)) as file:
                assert 1.0 < file.getnframes() / file.getframerate() < 5.0
            sums.add(hashlib.sha256(dest.read_bytes()).hexdigest())
    assert len(sums) == 2, "the same words are the same sound"
    assert not {"hibari", "onnxruntime"} & set(sys.modules)


def test_it_does_not_read_another_language(tmp_path: Path) -> None:
    voices = build_speech(load_settings({}, root=tmp_path))
    line = Line(text="Der Fuchs ist wach und läuft nach Hause.", voice=embedded.VOICE)
    assert "English only" in (voices.cannot_say(line) or "")
    with pytest.raises(ProviderFailed):
        embedded.Narrator(sys.stdin, sys.stdout).say(line, tmp_path / "no.wav")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Meet the fox.", True),
        ("Lumen Four. Light, wherever you are.", True),
        ("Buy now!", True),
        ("The café on Main Street is open.", True),
        ("Le renard est dans la neige.", False),
        ("El zorro corre por la nieve.", False),
        ("狐が走る。", False),
        ("Лиса бежит.", False),
        ("ثعلب", False),
    ],
)
def test_the_language_of_a_line_is_told_by_its_small_words(text: str, english: bool) -> None:
    assert is_english(text) is english
