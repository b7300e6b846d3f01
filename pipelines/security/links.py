"""Signed links to files and pages, and the unguessable tokens of films.

Text from outside is refused with one of our own errors, whatever it looks like; nothing else is ever raised for
it. Comparisons take constant time and are made on bytes. Time is handed in as `now`, in Unix seconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, BadSignature, URLSafeSerializer

from pipelines.domain.errors import Blame, Permanent
from pipelines.domain.state.action_link import Act, ActionLink
from pipelines.security.secret_keys import SecretKeys

_VIEW_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class BadLink(Permanent):
    """A signed link that does not open."""

    blame = Blame.MARKETER
    default = "This link is not valid. Open the newest one from the row."


class Tampered(BadLink):
    """The signature does not fit: changed, made for something else, or signed with another key."""


class LinkExpired(BadLink):
    """The link was good until its time ran out."""

    default = "This link has expired. Open the newest one from the row."


class Malformed(BadLink):
    """Not a signed link at all, or one of another shape."""


class Outdated(BadLink):
    """A link to a row that does not say which base the row is in: rows of a duplicated base have the same ids."""

    default = (
        "This link is from an earlier version of Reelgrid. The row's next run puts a fresh one into Progress Page; "
        "until then use the row's button, or ask your operator for one: flask runs link, with the row's id."
    )


@dataclass(frozen=True, slots=True)
class MediaLink:
    """What a media token opens; `fetch_id` names what it was made for, where somebody wants to know of its use."""

    key: str
    fetch_id: str | None = None


def sign_media(keys: SecretKeys, key: str, expires_at: float, fetch_id: str | None = None) -> str:
    """A token for `/media/<token>` that opens the stored file `key` until `expires_at`."""
    payload = {"k": key, "e": int(expires_at)} | ({"g": fetch_id} if fetch_id else {})
    return _serializer(keys, "media").dumps(payload)


def read_media(keys: SecretKeys, token: str, now: float) -> MediaLink:
    """What a media token opens, and what it was made for. Raises `Tampered`, `Expired` or `Malformed`."""
    subject, payload = _opened(_serializer(keys, "media"), token, now)
    fetch_id = payload.get("g")
    return MediaLink(subject, fetch_id if isinstance(fetch_id, str) else None)


def sign_page(keys: SecretKeys, kind: str, subject: str, expires_at: float | None = None) -> str:
    """A token that opens the page of one `kind` (record, run) for one `subject`, for ever if no time is given. The
    subject of a record is its `row_subject`.
    """
    expiry = None if expires_at is None else int(expires_at)
    return _serializer(keys, f"page:{kind}").dumps({"k": subject, "e": expiry})


def read_page(keys: SecretKeys, kind: str, token: str, now: float) -> str:
    """The subject a page token of this `kind` opens. Raises `Tampered`, `Expired` or `Malformed`."""
    return _opened(_serializer(keys, f"page:{kind}"), token, now)[0]


def sign_action(keys: SecretKeys, link: ActionLink, expires_at: float) -> str:
    """A token that does one act, until `expires_at`."""
    payload = {"k": link.run_id, "a": link.act, "v": link.version, "c": link.ceiling_micro, "e": int(expires_at)}
    return _serializer(keys, "action").dumps(payload)


def read_action(keys: SecretKeys, token: str, now: float) -> ActionLink:
    """What an action token does. Raises `Tampered`, `Expired` or `Malformed`."""
    run_id, payload = _opened(_serializer(keys, "action"), token, now)
    match payload:
        case {"a": str(act), "v": int(version), "c": int(ceiling)} if act in set(Act):
            return ActionLink(act=Act(act), run_id=run_id, version=version, ceiling_micro=ceiling)
        case _:
            raise Malformed("a link holds something else")


def row_subject(base_id: str, record_id: str, handed_over_at: float = 0.0) -> str:
    """What the link of a row is signed for: after its base has left an account, for something else than before."""
    return f"{base_id}/{record_id}" + (f"/{int(handed_over_at)}" if handed_over_at else "")


def read_row(subject: str) -> tuple[str, str]:
    """The base and record of a `row_subject`. Raises `Outdated` for the subject of a link that names no base."""
    base_id, slash, rest = subject.partition("/")
    if not slash:
        raise Outdated("a link to a row names no base")
    return base_id, rest.partition("/")[0]


def is_view_token(text: str) -> bool:
    """Whether the text has the shape of a view token, before anything is looked up."""
    return _VIEW_TOKEN.fullmatch(text) is not None


def _serializer(keys: SecretKeys, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        keys.all[::-1],
        salt=f"reelgrid:{purpose}" + (f":{keys.epoch}" if keys.epoch else ""),
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _opened(serializer: URLSafeSerializer, token: str, now: float) -> tuple[str, Mapping[str, Any]]:
    try:
        payload: Any = serializer.loads(token)
    except BadSignature as error:
        raise (Tampered if "." in token else Malformed)("a link's signature does not fit") from error
    except (BadData, ValueError) as error:
        raise Malformed("a link cannot be read") from error
    match payload:
        case {"k": str(subject), "e": int() | None as expiry}:
            if expiry is not None and now >= expiry:
                raise LinkExpired("a link is past its time")
            return subject, payload
        case _:
            raise Malformed("a link holds something else")
