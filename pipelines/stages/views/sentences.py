"""What happened and what is happening, in sentences for a marketer. Pure: from rows to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.domain.keys import scene_of
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import show
from pipelines.domain.records import Event, Generation, Run

_S = RunStatus
_NOW: Mapping[RunStatus, str] = {
    _S.QUEUED: "Waiting for its turn.",
    _S.WRITING: "Writing the scenes.",
    _S.NEEDS_APPROVAL: "Waiting for your approval.",
    _S.GENERATING: "Making the clips.",
    _S.STITCHING: "All clips are here. Joining them into your film.",
    _S.DELIVERING: "The film is ready. Putting it where you asked for it.",
    _S.DONE: "Your film is ready.",
    _S.FAILED: "This did not work out.",
    _S.CANCELLED: "Cancelled. What is paid for is kept.",
    _S.NEEDS_ATTENTION: "This needs a decision from you.",
}
_RUN: Mapping[str, str] = {
    "queued": "Ordered",
    "writing": "Started writing the scenes",
    "needs_approval": "Asked for approval",
    "generating": "Started making the clips",
    "stitching": "All clips are here; joining them",
    "delivering": "The film is ready to be delivered",
    "done": "Finished",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "needs_attention": "Stopped, because a person has to decide",
}
_GENERATION: Mapping[str, str] = {
    "planned": "planned",
    "submitting": "sending the request",
    "submitted": "accepted by the video service",
    "running": "being made",
    "succeeded": "made; fetching the file",
    "fetched": "clip is here",
    "failed": "did not work out",
    "unknown": "no answer; it is not known whether the request was taken",
    "adopted": "found again at the video service; nothing is bought twice",
    "abandoned": "given up and counted as spent",
    "cancelled": "cancelled",
}
_SPEECH: Mapping[str, str] = {
    "planned": "a line is to be spoken again",
    "submitting": "asking the voice for a line",
    "fetched": "a line is spoken",
    "failed": "a line was not spoken",
    "unknown": "no answer about a line, which counts as spent",
    "cancelled": "a line is not needed any more",
}
_SHORTENING: Mapping[str, str] = {
    "planned": "a line is to be said shorter after all",
    "submitting": "asking the writer to say a line shorter",
    "fetched": "a line is said shorter, to fit its clip",
    "failed": "a line could not be said shorter",
    "unknown": "no answer about a shorter line, which counts as spent",
    "cancelled": "a shorter line is not needed any more",
}
_TRANSLATION: Mapping[str, str] = {
    "planned": "to be translated again",
    "submitting": "asking the writer",
    "fetched": "translated",
    "failed": "not translated",
    "unknown": "no answer, which counts as spent",
    "cancelled": "not needed any more",
}
_PURCHASES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "speech": ("Narrator", _SPEECH),
    "shortening": ("Narrator", _SHORTENING),
    "translation": ("Words in another language", _TRANSLATION),
}
_PICTURE: Mapping[str, str] = {
    "planned": "to be made again",
    "submitting": "asking the image model",
    "fetched": "made",
    "failed": "not made",
    "unknown": "no answer, which counts as spent",
    "cancelled": "not needed any more",
}
_CUT: Mapping[str, str] = {
    "planned": "planned",
    "made": "joined",
    "delivering": "handed over",
    "delivered": "delivered",
}
_REASONS: Mapping[str, str] = {
    "refused": "refused by the video service's moderation",
    "invalid": "the video service did not accept the request",
    "quota": "the account at the video service is out of credit",
    "provider_error": "the video service gave up on it",
    "expired": "the video service no longer has it",
}
_PEOPLE = frozenset({"link", "open"})
"""Names of actors that say nothing to a reader."""


_NAMED: Mapping[str, str] = {
    "approved": "approved",
    "drafts_shown": "the drafts can be looked at",
    "dearer": "it costs more now than was approved, so a person is asked again",
    "retried": "going on where it stopped",
    "regenerate": "ordered again",
    "scenes_edited": "the scenes were edited before approval",
    "written": "the scenes are written",
    "reused": "unchanged, so its clip is reused at no cost",
    "over_budget": "a new clip would go over the budget",
    "in_doubt": "it is not known whether the request was taken",
    "not_taken": "the video service never got the request; it is sent again",
    "looked_for": "it may have been bought before the database was restored, so it is looked for first",
    "lost": "the video service no longer has the clip",
    "unreachable": "the video service does not answer",
    "kept_aside": "a late clip arrived and is kept",
    "another_take": "the video service made one more take, which costs nothing",
    "take_lost": "one more take came with the clip, and the video service no longer has it",
    "not_prepared": "the clip could not be prepared ahead",
    "shared": "shared by a link",
    "unshared": "the link was withdrawn",
    "attached": "the files are in the row",
    "attached_again": "Airtable has not fetched the film; it is sent once more",
    "not_attached": "Airtable could not fetch a copy of the film; its link works",
}
_RUNGS: Mapping[str, str] = {
    "again": "trying once more",
    "rewrite": "trying a softer wording",
    "other_model": "trying another model",
    "placeholder": "a placeholder stands in, until somebody changes the prompt",
    "ask": "a person has to decide",
}
_FOUND_BY: Mapping[str, str] = {
    "callback": "its callback",
    "list": "the video service's list",
    "key": "its idempotency key",
}
_OPERATORS = frozenset({"not_prepared", "unreachable", "kept_aside", "in_doubt", "looked_for", "not_taken", "adopted"})
"""Events that repeat in other words what a status says, or that only the operator can use."""
_DECIDED: Mapping[str, str] = {
    "wait": "decided to wait for it",
    "write_off": "given up; counted as spent and bought again",
    "cancel": "given up; the run is cancelled",
}


def now_sentence(run: Run) -> str:
    """One sentence: where the run is, or why it stopped and what to do."""
    if run.status in {_S.FAILED, _S.NEEDS_ATTENTION} and run.error:
        return run.error
    if run.status in {_S.DONE, _S.CANCELLED}:
        return run.detail if run.detail and run.status is _S.DONE else _NOW[run.status]
    return run.detail or _NOW[run.status]


def event_sentence(event: Event, scenes: Mapping[str, int]) -> str:
    """One line of the history. `scenes` maps scene ids to their numbers."""
    about = event.detail.scene or event.entity_id
    scene = scenes.get(scene_of(about))
    if event.entity == "airtable":
        return f"Airtable: {event.detail.verb or ''} {event.detail.what or ''}."
    if event.name != "status":
        return event.detail.sentence or _named(event, scene)
    new = event.new or ""
    if event.entity == "run":
        return _ended(_RUN.get(new, new), event.detail.error, event.actor)
    if event.entity == "generation":
        text = _of_request(event, new)
        text = f"the draft: {text}" if about != scene_of(about) else text
        return f"Scene {scene}: {text}." if scene else f"{_capital(text)}."
    if event.entity == "purchase":
        name, words = _PURCHASES.get(event.detail.what or "", _PURCHASES["speech"])
        return f"{name}: {words.get(new, new)}."
    if event.entity == "picture":
        return f"Picture: {_PICTURE.get(new, new)}."
    if event.entity == "cut":
        return f"Film {event.detail.format or ''}: {_CUT.get(new, new)}.".replace("  ", " ")
    return f"{_capital(event.entity)}: {new}."


def _of_request(event: Event, new: str) -> str:
    """What became of a paid request, with what it cost once that is known."""
    text, cost = _GENERATION.get(new, new), event.detail.cost_micro
    why = _REASONS.get(event.detail.reason or "") if new == "failed" else None
    text = f"{text}: {why}" if why else text
    if cost:
        return f"{text}, for {show(cost)}"
    return f"{text}, at no cost" if new == "failed" else text


def _named(event: Event, scene: int | None) -> str:
    text = _NAMED.get(event.name) or event.name.replace("_", " ").replace(".", " ")
    if event.name == "decided":
        text = _DECIDED.get(event.detail.choice or "", text)
    elif event.name in _TOLD:
        text = _TOLD[event.name](event)
    number = scene or event.detail.number
    return f"Scene {number}: {text}." if number else f"{_capital(text)}."


def _ladder(event: Event) -> str:
    """What is tried after a refusal or failure."""
    text = _RUNGS.get(event.detail.rung or "", "trying something else")
    model, price = event.detail.model, event.detail.price_micro
    return text + (f", with {model}" if model else "") + (f", for up to {show(price)}" if price else "")


def _explained(event: Event) -> str:
    """Why a prompt was probably refused, and what a softer one cost."""
    culprit, cost = event.detail.culprit, event.detail.cost_micro
    text = f"the likely culprit is {culprit}" if culprit else "nothing in the prompt or its pictures stands out"
    if not event.detail.softer:
        return text
    return f"{text}; a softer wording is suggested" + (f", for {show(cost)}" if cost else "")


def _adopted(event: Event) -> str:
    """By what a request whose answer was lost was found."""
    by = event.detail.by or ""
    return f"found again by {_FOUND_BY.get(by, by)}"


def _paid_in_vain(event: Event) -> str:
    """An answer of the language model that was of no use."""
    return f"the language model was paid {show(event.detail.cost_micro or 0)} for an answer that cannot be used"


def _reviewed(event: Event) -> str:
    """What a reviewer decided."""
    return _REVIEWED.get(event.new or "", "a reviewer changed their mind")


_REVIEWED: Mapping[str, str] = {
    "accepted": "a reviewer accepted the film",
    "changes_asked": "a reviewer asked for changes",
}
_TOLD: Mapping[str, Callable[[Event], str]] = {
    "ladder": _ladder,
    "explained": _explained,
    "adopted": _adopted,
    "paid_in_vain": _paid_in_vain,
    "verdict": _reviewed,
}


def _ended(text: str, error: str | None, who: str) -> str:
    if error:
        return f"{text}: {error}"
    by = f" by {who}" if text == "Cancelled" and who and who not in _PEOPLE else ""
    return f"{text}{by}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def is_milestone(event: Event) -> bool:
    """Whether a marketer wants to read of it: the small steps of a request are the operator's."""
    small = {"planned", "submitting", "submitted", "running", "succeeded"}
    if event.name in _OPERATORS or event.entity == "airtable":
        return False
    return not (event.entity in {"generation", "purchase", "picture"} and event.new in small) and not (
        event.entity == "cut" and event.new in {"planned", "delivering"}
    )


def is_about_money(event: Event) -> bool:
    """Whether it bought, agreed to, saved or gave up something."""
    detail = event.detail
    amounts = (detail.cost_micro, detail.price_micro, detail.saved_micro)
    return event.name in _MONEY or any(amount is not None for amount in amounts)


_MONEY = frozenset(
    {"approved", "dearer", "over_budget", "decided", "paid_in_vain", "regenerate", "retried", "restored"}
)


def doubt_question(gen: Generation, scene: int) -> str:
    """What a person is asked about money in doubt."""
    return (
        f"Scene {scene}: we sent the request to {gen.model} and got no answer, so we do not know whether it was "
        f"taken. If it was, it cost up to {show(gen.reserve_micro)}. What shall we do?"
    )
