"""Names that follow from content: the same inputs always give the same key, so that repeating is harmless."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from urllib.parse import unquote

_WRAPPED = re.compile(r"litellm:.*?;video_id:([^;]+)", re.DOTALL)


def digest(*parts: object) -> str:
    """SHA-256 (64 hex digits) over the canonical JSON of the parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def new_id(prefix: str) -> str:
    """A fresh random id such as `run_3f9c2a…` (80 bits): letters, digits and `_` only, as RQ and URLs like it."""
    return f"{prefix}_{secrets.token_hex(10)}"


def storage_folder(kind: str, account_id: str | None) -> str:
    """Where files of a kind are stored: those of each account apart, the operator's directly."""
    return f"{kind}/{account_id}" if account_id else kind


def new_token() -> str:
    """An unguessable URL-safe token of 256 bits."""
    return secrets.token_urlsafe(32)


def idempotency_key(generation_id: str, attempt: int) -> str:
    """Sent to providers that honour one; stable over crashes because both parts are committed first."""
    return digest("generation", generation_id, attempt)[:32]


def scene_key(record_id: str, run_number: int, scene_number: int) -> str:
    """The upsert key of a `Scenes` row."""
    return f"{record_id}-r{run_number}-{scene_number:02d}"


_DRAFT = ".draft"


def draft_key(scene_id: str) -> str:
    """What the draft of a scene is bought for, which is no try at the scene's clip."""
    return scene_id + _DRAFT


def scene_of(key: str) -> str:
    """The scene of a `draft_key`; of any other key itself."""
    return key.removesuffix(_DRAFT)


def version_key(record_id: str, run_number: int) -> str:
    """The upsert key of a `Versions` row."""
    return f"{record_id}-r{run_number}"


def job_key(job_id: str) -> str:
    """What a provider's job is known by. A LiteLLM proxy wraps the vendor's own id in base64 together with how the
    request was routed, in another way in its answer to a create than in its list; inside is the same id.
    """
    text = unquote(job_id).removeprefix("video_").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        inside = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return job_id
    found = _WRAPPED.match(inside)
    return found[1] if found else job_id
