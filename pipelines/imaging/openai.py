"""`openai/…`: any server of `POST /images/edits` and `/images/generations`, as OpenAI's did first.

Source: openai 3.51.0 (images.edit), read 2026-11. The picture always comes as base64; `usage` tells what it took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from pipelines.domain.errors import Ambiguous
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.imaging import answers
from pipelines.imaging.catalogue import Price, Tokens
from pipelines.ports import MediaInput
from pipelines.settings import Settings

NAME = "openai"
QUALITY = "medium"
SIZES = MappingProxyType({"16:9": "1536x864", "9:16": "864x1536", "1:1": "1024x1024", "4:5": "1024x1280"})
"""Both sides of each are multiples of 16."""


def edit(
    settings: Settings,
    http: httpx.Client,
    request: PictureRequest,
    sources: Sequence[MediaInput],
    dest: Path,
    price: Price,
) -> int:
    """One POST; the picture is written, and what it cost is returned."""
    body = answers.asked(http, request_of(settings, http, request, sources))
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    if not first.get("b64_json"):
        raise Ambiguous("the picture service answered without a picture")
    answers.write_picture(first["b64_json"], dest)
    most = price.quote(request.prompt, len(sources))
    used = _tokens(body.get("usage"))
    return price.of(used) if used else most


def request_of(
    settings: Settings, http: httpx.Client, request: PictureRequest, sources: Sequence[MediaInput]
) -> httpx.Request:
    """A form with the pictures; where there are none, JSON to the route that makes one of words."""
    key = settings.openai_api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    fields = {
        "model": request.model.partition("/")[2],
        "prompt": request.prompt,
        "size": SIZES.get(request.aspect_ratio, "1024x1024"),
        "quality": QUALITY,
        "output_format": "jpeg",
    }
    if not sources:
        return http.build_request(
            "POST", f"{settings.openai_base_url}/images/generations", json=fields, headers=headers
        )
    pictures = [("image[]", (one.path.name, one.path.read_bytes(), one.content_type)) for one in sources]
    url = f"{settings.openai_base_url}/images/edits"
    return http.build_request("POST", url, data=fields, files=pictures, headers=headers)


def _tokens(usage: Any) -> Tokens | None:
    """What the answer says that it took; None where it does not tell all of it."""
    if not isinstance(usage, Mapping):
        return None
    asked = usage.get("input_tokens_details")
    asked = asked if isinstance(asked, Mapping) else {}
    words, sources, made = asked.get("text_tokens"), asked.get("image_tokens"), usage.get("output_tokens")
    if not (isinstance(words, int) and isinstance(sources, int) and isinstance(made, int)):
        return None
    return Tokens(words=max(0, words), sources=max(0, sources), made=max(0, made))
