"""Who and what comes back in a film, and the pictures that show every clip how they look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.domain.planning.pictures import PictureRequest, fingerprint

MAX_CAST = 3
"""Two characters and a place."""
MAX_TOKEN, MAX_LOOKS = 40, 400
LONGEST_CHAIN = 3
"""After so many scenes that continue one another the next begins from the cast again: what a model repeats from a last
picture drifts.
"""

_CHARACTER = (
    "A character sheet for a film. {}: {} The same figure three times on a plain light grey ground: from the front, "
    "from the side, and the face close up. Even light. No text, no other figures."
)
_PLACE = (
    "A reference picture of a place in a film. {}: {} One wide view in even light. No text, no people, no camera "
    "effects."
)
_NOTE = "Reference picture {} shows {}: keep exactly its looks and take nothing else from it, neither pose nor ground."


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    """A character or a place: what every prompt calls it, and what of it never changes."""

    token: str
    looks: str = ""
    place: bool = False


def sheet_of(member: CastMember, model: str) -> PictureRequest:
    """The picture of a member, made of words alone."""
    words = (_PLACE if member.place else _CHARACTER).format(member.token, member.looks)
    return PictureRequest(model=model, prompt=words)


def sheets_of(cast: Sequence[CastMember], model: str | None, account_id: str | None) -> dict[str, CastMember]:
    """The members by the fingerprints of their pictures."""
    return {fingerprint(sheet_of(member, model or ""), account_id): member for member in cast}


def seen_in(prompt: str, cast: Sequence[CastMember]) -> list[CastMember]:
    """Those whom a prompt names."""
    said = prompt.casefold()
    return [one for one in cast if re.search(rf"(?<!\w){re.escape(one.token.casefold())}(?!\w)", said)]


def coming_back(members: Sequence[CastMember], prompts: Sequence[str]) -> tuple[CastMember, ...]:
    """Those whom several of these prompts name, in words of the prompts."""
    return tidied([one for one in members if sum(bool(seen_in(prompt, [one])) for prompt in prompts) > 1])


def note_on(members: Sequence[CastMember], first: int) -> str:
    """What goes with a prompt about its pictures, of which the first is number `first`."""
    return " ".join(_NOTE.format(number, one.token) for number, one in enumerate(members, start=first))


def tidied(members: Sequence[CastMember]) -> tuple[CastMember, ...]:
    """At most two characters and one place, each once and named by words."""
    kept: dict[str, CastMember] = {}
    for one in members:
        token, looks = " ".join(one.token.split())[:MAX_TOKEN], " ".join(one.looks.split())[:MAX_LOOKS]
        room = 1 if one.place else MAX_CAST - 1
        if token and looks and sum(other.place is one.place for other in kept.values()) < room:
            kept.setdefault(token.casefold(), CastMember(token=token, looks=looks, place=one.place))
    return tuple(kept.values())
