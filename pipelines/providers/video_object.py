"""The `video` object of /v1/videos and its relatives, in our words, whatever a server left out, renamed or added.

Servers differ in the names of fields, in the words for a status, in how they write a number, and in how many wrappers
they put around a job. All of that is read here, for every adapter alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from math import isfinite
from typing import Any, TypeGuard
from urllib.parse import unquote

from pipelines.domain.errors import Unavailable
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.money import to_micro
from pipelines.domain.state.generation import JobResult
from pipelines.ports import Job
from pipelines.providers.links import links_of
from pipelines.providers.vocabulary import (
    Words,
    fields_of,
    is_no_error,
    known_status,
    parsed,
    read_error,
    reason_of,
    squeezed,
    words_of,
)

LATEST_S = 1e11
"""The year 5138: a larger number counts milliseconds."""
LATEST_MS = 1000 * LATEST_S
EARLIEST_S = 1e8
"""The year 1973: a smaller number is a length of time, or nothing."""
PER_CENT = 100
HIGHEST_STATUS = 600
DEEPEST = 4
_BARE_ID = re.compile(r"(?=\D*\d)[\w.:=-]{6,300}", re.ASCII)

_G = GenerationStatus
_WRAPPERS = (
    "data", "result", "output", "response", "resp", "job", "task", "video", "generation", "prediction", "payload",
    "body", "jobs", "tasks", "videos", "generations", "items", "results", "taskinfo", "jobinfo",
)  # fmt: skip
_STATUS = ("status", "state", "taskstatus", "jobstatus", "videostatus", "generationstatus", "taskstate", "jobstate",
           "phase")  # fmt: skip
_DONE = ("done", "isdone", "completed", "iscompleted", "finished", "isfinished")
_PROGRESS = ("progress", "percent", "percentage", "progresspercent", "progresspercentage", "taskprogress")
_IDS = ("id", "taskid", "jobid", "videoid", "generationid", "predictionid", "uuid")
_OF_A_JOB = ("id", "taskid", "jobid")
"""Ids that a job is asked for by; the rest may name a file or a bill, and only confirm."""
_OF_A_REQUEST = ("requestid", "name")
_BARE = ("data", "result", "job", "task", "taskids", "jobids", "ids")
_NO_ID = ("", "0", ".", "..")
"""Dots would lead to another address than that of a job."""
_SURE = 6
"""Characters from which on one id inside another is no accident."""
_ERRORS = ("error", "errors", "failreason", "failurereason", "failure", "failmsg", "failmessage", "errormessage",
           "errormsg", "errmsg", "failcode", "failurecode", "errorcode")  # fmt: skip
_CREATED = ("createdat", "created", "createtime", "submittime", "createdtime")
_EXPIRES = ("expiresat", "expireat", "expiresatunix", "expiretime", "expirationtime", "urlexpiresat", "expiresontime")
_TEXTS_OF_FAILURE = ("message", "msg", "detail", "reason", "statusmessage", "statusmsg")

Body = Mapping[str, Any]


def job_from(body: Body, job_id: str | None = None) -> Job:
    """The job that an answer tells of. `job_id` is the one that was asked for, where one was."""
    parts = parts_of(body, job_id)
    links = links_of(body)
    word, status = _status(parts, linked=bool(links))
    words = _failure_words(parts, word)
    if status is _G.SUCCEEDED and not links and not is_no_error(words):
        # LiteLLM's Gemini route says completed for an operation that ended with an error.
        status = _G.FAILED
    failed = status is _G.FAILED
    if failed and squeezed(word).endswith("expired"):
        words = Words(code="expired", message=words.message)
    return Job(
        id=job_id or id_of(body) or "",
        status=status,
        progress=PER_CENT if status is _G.SUCCEEDED else percent(_first(parts, _PROGRESS)),
        # Where nothing was said of a failure, its status may say why: `blocked`, `nsfw`.
        reason=reason_of(Words(code=word) if is_no_error(words) else words) if failed else None,
        error=(words.text or None) if status is not _G.SUCCEEDED else None,
        cost_micro=_cost(_first(parts, ("usage",))),
        result=result_of(links),
        created_at=epoch(_first(parts, _CREATED)),
        expires_at=epoch(_first(parts, _EXPIRES)),
    )


def answered_job(body: Any, job_id: str, *, vendor: str) -> Job:
    """The job that a poll asked for. An answer need not repeat its id; one that plainly names another job is not ours.

    Raises Unavailable for what tells nothing of our job, and what a refusal means that came as a good answer.
    """
    if isinstance(body, list):
        body = {"data": body}
    code = _refusal_in(body) if isinstance(body, Mapping) else None
    if code is not None and not links_of(body) and not any(_words(part) for part in parts_of(body, job_id)):
        raise read_error(code, body, vendor=vendor, headers={})
    if not isinstance(body, Mapping) or not tells_of_job(body, job_id):
        raise Unavailable(f"{vendor}: no job in the answer: {str(body)[:200]}")
    if names_another(body, job_id):
        raise Unavailable(f"{vendor}: asked for {job_id}, the answer is about {id_of(body)}")
    return job_from(body, job_id)


def _refusal_in(body: Body) -> int | None:
    """The HTTP status that some write into the body of an answer with 200."""
    inner = body.get("error")
    for part in (body, inner if isinstance(inner, Mapping) else {}):
        named = fields_of(part)
        for name in ("code", "statuscode", "httpcode", "status"):
            code = _number(named.get(name))
            if isinstance(code, int) and HTTPStatus.BAD_REQUEST <= code < HIGHEST_STATUS:
                return code
    return None


def as_object(body: Any) -> Body:
    """An answer as an object: some servers answer with a list of one job. Empty for what is neither."""
    return {"data": body} if isinstance(body, list) else body if isinstance(body, Mapping) else {}


def listed_in(body: Any) -> list[dict[str, Any]] | None:
    """The jobs of a page, wherever servers put them; None where there is no list."""
    if isinstance(body, dict):
        found = (body.get(name) for name in ("data", "videos", "items", "results", "jobs", "tasks"))
        empty = body.get("object") == "list" and body.get("data", 0) is None
        body = next((part for part in found if isinstance(part, list | dict)), [] if empty else None)
        if isinstance(body, dict):
            return listed_in(body)
    return [entry for entry in body if isinstance(entry, dict)] if isinstance(body, list) else None


def tells_of_job(body: Body, job_id: str | None = None) -> bool:
    """Whether anything in it is about a job: a status, how far it is, a link to its file, or its id."""
    parts = parts_of(body, job_id)
    named = {found for part in parts for found in _ids(part)}
    return (
        bool(links_of(body))
        or any(_first([part], (*_STATUS, *_DONE, *_PROGRESS)) is not None for part in parts)
        or (bool(named) if job_id is None else any(same_job(found, job_id) for found in named))
    )


def tells_end_of(body: Body, job_id: str) -> bool:
    """Whether an answer of any status is the job's own, by its id and a word for its end."""
    parts = parts_of(body, job_id)
    named = any(same_job(found, job_id) for part in parts for found in _ids(part))
    return named and any(known_status(word) in (_G.SUCCEEDED, _G.FAILED) for part in parts for word in _words(part))


def names_another(body: Body, job_id: str) -> bool:
    """Whether an answer names jobs, and none of them is the one that was asked for."""
    parts = parts_of(body, job_id)
    if any(same_job(found, job_id) for part in parts for found in _ids(part)):
        return False
    jobs = [part for part in parts if _words(part)] or parts[:1]
    return any(isinstance(found, str) and found for part in jobs for found in _ids(part, _OF_A_JOB))


def same_job(found: object, job_id: str) -> bool:
    """Whether an id is the one that was asked for, also where a server writes it with or without a prefix, as a number,
    percent-encoded, or wrapped otherwise.
    """
    if isinstance(found, bool) or not isinstance(found, str | int):
        return False
    one, other = unquote(job_key(str(found).strip())), unquote(job_key(job_id))
    if one == other:
        return bool(one)
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _SURE and longer.endswith(shorter)


def id_of(body: Body) -> str | None:
    """The id of the job that an answer tells of, however it is spelt and however deep it stands."""
    parts = parts_of(body)
    telling = [part for part in parts if _first([part], _STATUS) is not None]
    for part in (*telling[:1], *parts):
        found = next((text for one in _ids(part) if (text := str(one).strip()) not in _NO_ID), None)
        if found:
            return found
    bare = (text for part in parts for text in _bare_ids(part))
    # A number of the request is one of the job only beside a job's status.
    beside = (str(one) for part in telling if _words(part) for one in _ids(part, _OF_A_REQUEST) if one)
    return next(chain(bare, beside), None)


def _bare_ids(part: Body) -> Iterable[str]:
    """Some answer a create with nothing but the id: `{"code": "success", "data": "task_1"}`."""
    for name, value in part.items():
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        text = str(alone) if isinstance(alone, str | int) and not isinstance(alone, bool) else ""
        if squeezed(name) in _BARE and _BARE_ID.fullmatch(text):
            yield text


def parts_of(body: Body, job_id: str | None = None) -> list[Body]:
    """The answer and the objects in which servers wrap a job, from the outside in. Of a list, the entry that has the
    id that was asked for, or the only one.
    """
    parts, level = [body], [body]
    for _ in range(DEEPEST):
        inner = [_unlisted(part[name], job_id) for part in level for name in part if squeezed(name) in _WRAPPERS]
        level = [found for found in inner if isinstance(found, Mapping)]
        parts += level
    return parts


def _unlisted(value: Any, job_id: str | None) -> Any:
    value = parsed(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        return value
    entries = [entry for entry in value if isinstance(entry, Mapping)]
    ours = [entry for entry in entries if job_id is not None and any(same_job(one, job_id) for one in _ids(entry))]
    return ours[0] if ours else entries[0] if len(entries) == 1 else None


def _ids(part: Body, names: Iterable[str] = _IDS) -> list[Any]:
    named = fields_of(part)
    found = [named[name] for name in names if name in named]
    return [one for one in found if isinstance(one, str | int) and not isinstance(one, bool)]


def _first(parts: Iterable[Body], names: Iterable[str]) -> Any:
    """The first value there is under one of these names, from the outside in."""
    for part in parts:
        named = fields_of(part)
        for name in names:
            if named.get(name) is not None:
                return named[name]
    return None


def _status(parts: list[Body], *, linked: bool) -> tuple[str, GenerationStatus]:
    """The word and what it means. A word of success outside may be the wrapper's own: what the job inside says counts
    more. Without a word we know, a link to the file says that the job is done; beside a word of waiting it does so only
    at 100 %.
    """
    said = [(word, status) for part in parts for word in _words(part) if (status := known_status(word))]
    unknown = next((word for part in parts for word in _words(part)), "")
    if not said and any(_is_true(_first([part], _DONE)) for part in parts):
        said = [("done", _G.SUCCEEDED)]
    flag = _number(_first(parts, ("successflag",)))
    if not said and flag:
        # kie.ai's of its first products: 0 is running, 1 is done, what is more is a failure.
        said = [("success", _G.SUCCEEDED) if flag == 1 else ("failed", _G.FAILED)]
    if not said:
        return unknown, _G.SUCCEEDED if linked else _G.RUNNING
    word, status = next((one for one in said if one[1] is not _G.SUCCEEDED), said[0])
    if said[0][1] is not _G.SUCCEEDED:
        word, status = said[0]
    waiting = status in (_G.SUBMITTED, _G.RUNNING)
    if waiting and linked and percent(_first(parts, _PROGRESS)) == PER_CENT:
        return word, _G.SUCCEEDED
    return word, status


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _words(part: Body) -> list[str]:
    named = fields_of(part)
    found = [_word(named[name]) for name in _STATUS if name in named]
    return [word for word in found if word]


def _word(value: Any) -> str:
    """A word, or the word inside an object such as `{"state": "done"}`."""
    if isinstance(value, Mapping):
        named = fields_of(value)
        return next((text for name in (*_STATUS, "code", "name") if isinstance(text := named.get(name), str)), "")
    return value if isinstance(value, str) else ""


def _failure_words(parts: list[Body], word: str) -> Words:
    """What is said of a failure, in any of the fields that servers have for it."""
    for part in parts:
        named = fields_of(part)
        for name in _ERRORS:
            value = named.get(name)
            value = value[0] if isinstance(value, list) and value else value
            words = words_of({"error": value}) if isinstance(value, str | Mapping) and value else Words()
            if not is_no_error(words):
                code = next((str(named[c]) for c in ("failcode", "errorcode", "failurecode") if named.get(c)), "")
                return words if words.code or words.message == code else Words(code, words.kind, words.message)
    if known_status(word) is not _G.FAILED:
        return Words()
    text = next((str(found) for name in _TEXTS_OF_FAILURE if isinstance(found := _first(parts, (name,)), str)), "")
    return Words(message=text)


def result_of(links: Sequence[str]) -> JobResult:
    """What a row keeps of the links in an answer: the best, and the others where there are any."""
    return JobResult(url=links[0], others=tuple(links[1:])) if links else JobResult()


def _cost(usage: object) -> int | None:
    """Micro-dollars, where the server reports its own figure in USD (OpenRouter's `usage.cost`)."""
    cost = _number(usage.get("cost")) if isinstance(usage, Mapping) else None
    return to_micro(cost) if cost is not None and cost >= 0 else None


def epoch(value: object) -> float | None:
    """A time in seconds or milliseconds since the epoch, or as ISO 8601; None for what is neither (some servers say 0,
    or a length of time).
    """
    number = _number(value)
    if number is None and isinstance(value, str):
        return _stamp(value)
    if number is None or not EARLIEST_S < number < LATEST_MS:
        return None
    return float(number) / 1000 if number > LATEST_S else float(number)


def _stamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def percent(value: object) -> int:
    """Progress as 0 to 100, from `50`, `"50"`, `"50%"` or a fraction such as `0.5`; 0 for what is no number."""
    if isinstance(value, Mapping):
        named = {squeezed(name): found for name, found in value.items()}
        value = next((named[name] for name in (*_PROGRESS, "value", "current") if name in named), None)
    signed = isinstance(value, str) and value.strip().endswith("%")
    number = _number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    if number is None:
        return 0
    fraction = isinstance(number, float) and 0 < number <= 1 and not signed
    return int(max(0, min(PER_CENT, number * PER_CENT if fraction else number)))


def _number(value: object) -> int | float | None:
    """A number, also where it is written as a text."""
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", text, re.ASCII):
            return None
        return float(text) if "." in text else int(text)
    return value if is_number(value) else None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it can be counted with: JSON as Python reads it also has NaN and Infinity, and True is an int."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or isfinite(value))
    )
