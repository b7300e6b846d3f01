"""Magic words: what a prompt may say in double square brackets to choose what happens to it.

`[[refuse]]`     refused at create by moderation, never charged; `[[refuse:openai]]` by that vendor only
`[[fickle]]`     refused the first time, accepted the second
`[[flag]]`       accepted, then failed by moderation of the output, not charged
`[[slow]]`       takes ten times as long
`[[fail-once]]`  the first job with this prompt fails with a provider error (not charged), the next succeeds
`[[fail]]`       every job with this prompt fails with a provider error, not charged; `[[fail:kie]]` at that vendor only
`[[lost]]`       taken and billed, and the connection is dropped without an answer: first time for this prompt
`[[corrupt]]`    the first fetch of the content is damaged: `:truncated` or `:html` chooses how; `:missing`: it is not
                 there yet, although the job is done
`[[badlink]]`    the finished job's answer names a dead link (400 `ExpiredToken`, as buckets say it); the clip is where
                 the vendor itself has it; where that is only under its link, an answer of a second or two later names
                 a good one: minimax, byteplus and fal
`[[insidelink]]` the same with an address inside the vendor's own network
`[[nolink]]`     done is said before the answer has a link, by a second or two; at /v1/videos, where an answer has no
                 link anyway, `/content` answers with JSON that names one
`[[takes]]`      one job makes two clips, where the vendor's answer has room for more than one: kie.ai
`[[lost-draft]]` its draft is forgotten before the clip can be made from it: byteplus
`[[never]]`      stays in progress for ever
`[[odd]]`        the clip differs from what was asked: `:size :fps :sar :mono :silent` chooses how
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_WORD = re.compile(r"\[\[\s*([a-z-]+)\s*(?::\s*([a-z]+)\s*)?\]\]", re.IGNORECASE)
DAMAGES = ("truncated", "html")
MISSING = "missing"
DEAD, INSIDE, LATE = "badlink", "insidelink", "nolink"
TAKES = "takes"
FORGOTTEN = "lost-draft"
ODDITIES = ("size", "fps", "sar", "mono", "silent")


def words(prompt: str) -> dict[str, str | None]:
    """The magic words of a prompt, each with its choice after the colon, if any."""
    return {name.lower(): (choice.lower() if choice else None) for name, choice in _WORD.findall(prompt)}


def spoken(prompt: str) -> list[str]:
    """The magic words as written, in order."""
    return [match.group(0) for match in _WORD.finditer(prompt)]


def without(prompt: str) -> str:
    """The prompt as a person would read it."""
    return " ".join(_WORD.sub(" ", prompt).split())


def said(prompt: str, word: str, vendor: str) -> bool:
    """Whether a prompt says `word` to this vendor: to all, or naming it."""
    found = words(prompt)
    return word in found and found[word] in {None, vendor}


def damage(prompt: str) -> str | None:
    """How the first fetch of the content is damaged, if the prompt says so."""
    return MISSING if words(prompt).get("corrupt") == MISSING else choice(prompt, "corrupt", DAMAGES)


def choice(prompt: str, word: str, options: Sequence[str]) -> str | None:
    """Which variant of `word` the prompt asks for, by its own hash if it does not say; None if the word is absent."""
    found = words(prompt)
    if word not in found:
        return None
    named = found[word]
    return named if named in options else options[hashlib.sha256(prompt.encode()).digest()[0] % len(options)]
