"""What Airtable's refusals mean: three shapes of body, two kinds of 429, and one tree of ours.

`{"error": {"type", "message"}}` · `{"error": "NOT_FOUND"}` · `{"errors": [{"error", "message"}]}`: all three occur
(Airtable's page on errors; PipedreamHQ/pipedream#10130).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pipelines.domain.errors import AirtableDenied, AirtableQuota, RateLimited, RecordGone, ReelgridError, Unavailable
from pipelines.net import redact, retry_after

if TYPE_CHECKING:
    import requests

QUOTA = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
"""The monthly quota; every other 429 is the limit per second."""
MISSING_ROW = "ROW_DOES_NOT_EXIST"
MODEL_NOT_FOUND = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
STALE_NAMES = frozenset(
    {MODEL_NOT_FOUND, "UNKNOWN_FIELD_NAME", "INVALID_FILTER_BY_FORMULA", "TABLE_NOT_FOUND", "MODEL_ID_NOT_FOUND"}
)
"""What a renamed or rebuilt table or field answers: worth one look at the schema."""
LOST_PLACE = "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
"""A list that took too long between two pages: it has to begin again."""
FAILED_FILES = "ATTACHMENTS_FAILED_UPLOADING"
"""A file that could not be fetched before is refused at once: it needs a fresh link."""
_TIMEOUT = HTTPStatus.REQUEST_TIMEOUT
_QUOTED = 300
_FIELD = re.compile(r'[Ff]ield (?:name: )?"?([^"]+?)"? cannot accept|[Ff]ield name: "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal: HTTP status, Airtable's word for it, its sentence, and how long it asks us to wait."""

    status: int
    kind: str = ""
    message: str = ""
    retry_after: float | None = None

    @property
    def field(self) -> str | None:
        """The field a 422 blames, by the name or id that was sent."""
        found = _FIELD.search(self.message)
        return (found.group(1) or found.group(2)) if found else None

    def __str__(self) -> str:
        return f"airtable answered {self.status} {self.kind}: {self.message}".rstrip(": ")


class Rejected(AirtableDenied):
    """Airtable refused a call; `answer` says how. Carried as a AirtableDenied so that nobody has to know."""

    def __init__(self, answer: Answer, *, marketer: str | None = None) -> None:
        super().__init__(str(answer), marketer=marketer)
        self.answer = answer


class Gone(RecordGone):
    """Airtable has no such thing."""

    def __init__(self, answer: Answer, *, marketer: str | None = None) -> None:
        super().__init__(str(answer), marketer=marketer)
        self.answer = answer


def read_answer(response: requests.Response) -> Answer:
    """A refusal in any of the three shapes, or in none."""
    try:
        body = response.json()
    except ValueError:
        body = None
    kind, message = _words(body)
    wait = retry_after(response.headers, datetime.now(UTC))
    return Answer(response.status_code, kind, redact(message)[:_QUOTED], wait)


def _words(body: Any) -> tuple[str, str]:
    if not isinstance(body, Mapping):
        return "", ""
    found = body.get("error")
    if found is None and isinstance(body.get("errors"), list) and body["errors"]:
        found = body["errors"][0]
    if isinstance(found, Mapping):
        return str(found.get("type") or found.get("error") or ""), str(found.get("message") or "")
    return (str(found), "") if found else ("", "")


def error_of(answer: Answer) -> ReelgridError:
    """The error of our tree. 403 for a model that is not there *or* not shown to us stays a `Rejected`: only the
    caller knows whether it asked for a row or for the whole table.
    """
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return AirtableQuota(str(answer)) if answer.kind == QUOTA else RateLimited(str(answer))
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.kind == LOST_PLACE or answer.status == _TIMEOUT:
        return Unavailable(str(answer), retry_after=answer.retry_after, marketer=SILENT)
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE} or answer.kind == MISSING_ROW:
        return Gone(answer)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return Rejected(answer, marketer="Airtable refuses our access token: it was revoked or replaced. " + OPERATOR)
    if answer.status == HTTPStatus.FORBIDDEN:
        return Rejected(answer, marketer="Our access token may not do this in the base, or cannot see it. " + OPERATOR)
    return Rejected(answer, marketer=f"Airtable refused what we wrote: {answer.message or answer.kind} " + OPERATOR)


SILENT = "Airtable does not answer right now; we keep trying."
OPERATOR = "Ask your operator to run: flask airtable doctor"


def network_error(error: requests.RequestException) -> ReelgridError:
    """No answer, or none that can be read."""
    return Unavailable(f"airtable: {type(error).__name__}: {redact(str(error))[:_QUOTED]}", marketer=SILENT)
