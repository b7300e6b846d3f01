"""Every recorded exchange with a voice service, played back over loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.domain import errors
from pipelines.domain.planning.narration import Line
from pipelines.settings import load_settings
from pipelines.speech import build_speech
from pipelines.speech.catalogue import shipped
from tests.wire.replay import Replay

HERE = Path(__file__).parent
EXAMPLES = [path for vendor in shipped().vendors for path in sorted(HERE.glob(f"{vendor}/*.json"))]


def test_every_vendor_of_the_catalogue_has_its_folder() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(shipped().vendors)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_line_is_asked_for_once_and_its_answer_understood(path: Path, tmp_path: Path) -> None:
    example = json.loads(path.read_text())
    assert example["says"].endswith(".")
    assert example["source"]
    gives, dest = example["gives"], tmp_path / "line.wav"
    with Replay(example["exchange"]) as replay:
        environ = {
            "SPEECH_BASE_URL": f"{replay.url}/v1",
            "SPEECH_API_KEY": "test-key",
            "SPEECH_MODEL": "tts-1",
            "GEMINI_BASE_URL": replay.url,
            "GEMINI_API_KEY": "test-key",
            "ELEVENLABS_BASE_URL": replay.url,
            "ELEVENLABS_API_KEY": "test-key",
        }
        voices = build_speech(load_settings(environ, tmp_path))
        with voices.speaking(example["voice"]) as speaker:
            line = Line(text=example["line"], voice=example["voice"])
            if "error" in gives:
                with pytest.raises(getattr(errors, gives["error"])) as caught:
                    speaker.say(line, dest)
                assert "test-key" not in caught.value.operator
                assert getattr(caught.value, "retry_after", None) == gives.get("retry_after")
            else:
                said = speaker.say(line, dest)
                assert dest.stat().st_size == gives["bytes"]
                assert [[word.text, word.start, word.end] for word in said.words] == gives.get("words", [])
                assert [said.text_tokens, said.audio_tokens] == gives.get("tokens", [0, 0])
    assert replay.complaints == []
