"""`gemini/…`: image models of the Gemini API, asked by `models/{model}:generateContent`.

Source: google-genai 3.3.0 (types.ImageConfig, models.generate_content) and ai.google.dev, read 2026-11.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.errors import Ambiguous, Refused
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.imaging import answers
from pipelines.imaging.catalogue import Price
from pipelines.ports import MediaInput
from pipelines.settings import Settings

NAME = "gemini"
SIZE = "1K"
_SAID_NO = ("SAFETY", "PROHIBITED", "BLOCKLIST", "RECITATION", "SPII")


def edit(
    settings: Settings,
    http: httpx.Client,
    request: PictureRequest,
    sources: Sequence[MediaInput],
    dest: Path,
    price: Price,
) -> int:
    """One POST; the picture is written, and what it cost is returned."""
    key = settings.gemini_api_key
    url = f"{settings.gemini_base_url}/v1beta/models/{request.model.partition('/')[2]}:generateContent"
    headers = {"x-goog-api-key": key.get_secret_value() if key else ""}
    body = answers.asked(http, http.build_request("POST", url, json=body_of(request, sources), headers=headers))
    data, why = _picture_in(body)
    if data is None and any(word in why.upper() for word in _SAID_NO):
        raise Refused(f"the picture service ended with {why}", marketer=answers.DECLINED)
    if data is None:
        raise Ambiguous(f"the picture service answered without a picture: {why[:200]}")
    answers.write_picture(data, dest)
    return price.picture_micro


def body_of(request: PictureRequest, sources: Sequence[MediaInput]) -> dict[str, Any]:
    """The words, then the pictures that they are about."""
    pictures = [
        {"inlineData": {"mimeType": one.content_type, "data": base64.b64encode(one.path.read_bytes()).decode()}}
        for one in sources
    ]
    return {
        "contents": [{"role": "user", "parts": [{"text": request.prompt}, *pictures]}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": request.aspect_ratio, "imageSize": SIZE},
        },
    }


def _picture_in(body: Mapping[str, Any]) -> tuple[str | None, str]:
    """The last picture of the first candidate; without one, why there is none."""
    candidates = body.get("candidates")
    first = _object(candidates[0] if isinstance(candidates, list) and candidates else None)
    parts = _object(first.get("content")).get("parts")
    listed = [_object(part) for part in (parts if isinstance(parts, list) else ())]
    # Google's own servers take and gateways write both ways.
    held = [_object(part.get("inlineData") or part.get("inline_data")) for part in listed]
    found = [one["data"] for one in held if one.get("data")]
    blocked = _object(body.get("promptFeedback")).get("blockReason")
    return (str(found[-1]) if found else None), str(blocked or first.get("finishReason") or "no candidate")


def _object(value: Any) -> Mapping[str, Any]:
    """What is no object holds nothing."""
    return value if isinstance(value, Mapping) else {}
