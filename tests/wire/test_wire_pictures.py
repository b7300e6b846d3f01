"""Pictures that are paid for are kept in whatever form a server writes them, and odd answers are told as paid."""

from __future__ import annotations

import base64
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.domain.errors import Ambiguous
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.imaging import build_pictures
from pipelines.settings import load_settings
from tests.wire.replay import Replay

TODAY = date(2026, 11, 29)
GEMINI, OPENAI = "gemini-nano-banana-2.1", "gpt-image-2.6-flare"


def picture() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(file, "JPEG")
    return file.getvalue()


PICTURE = picture()
PLAIN = base64.b64encode(PICTURE).decode()
FORMS = {
    "plain": PLAIN,
    "in lines": base64.encodebytes(PICTURE).decode(),
    "as an address": f"data:image/jpeg;base64,{PLAIN}",
    "for addresses": base64.urlsafe_b64encode(PICTURE).decode().rstrip("="),
}


def drawn(name: str, body: Any, folder: Path) -> bytes:
    path = f"/v1beta/models/{GEMINI}:generateContent" if name == GEMINI else "/images/generations"
    with Replay([{"method": "POST", "path": path, "answer": {"body": body}}]) as replay:
        model = f"{'gemini' if name == GEMINI else 'openai'}/{name}"
        environ = {"GEMINI_BASE_URL": replay.url, "OPENAI_BASE_URL": replay.url, "PICTURE_MODEL": model}
        keys = {"GEMINI_API_KEY": "test-key", "OPENAI_API_KEY": "test-key"}
        asked = PictureRequest(model=model, prompt="A poster.")
        build_pictures(load_settings(environ | keys, folder)).edit(asked, [], folder / "made.jpg", TODAY)
    assert replay.complaints == []
    return (folder / "made.jpg").read_bytes()


def candidate(content: Any) -> dict[str, Any]:
    return {"candidates": [{"content": content, "finishReason": "STOP"}]}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_read_in_every_form_of_base64(form: str, tmp_path: Path) -> None:
    assert drawn(OPENAI, {"data": [{"b64_json": FORMS[form]}]}, tmp_path) == PICTURE
    for name in ("inlineData", "inline_data"):
        assert drawn(GEMINI, candidate({"parts": [{name: {"data": FORMS[form]}}]}), tmp_path) == PICTURE


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (OPENAI, {"data": [{"b64_json": "no base64!"}]}),
        (OPENAI, {"data": "none"}),
        (GEMINI, candidate("here it is")),
        (GEMINI, candidate({"parts": "here it is"})),
        (GEMINI, {"candidates": [], "promptFeedback": "blocked"}),
    ],
)
def test_an_answer_without_a_picture_may_have_cost(name: str, body: Any, tmp_path: Path) -> None:
    with pytest.raises(Ambiguous):
        drawn(name, body, tmp_path)
