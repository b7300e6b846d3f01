"""Calls to Airtable through pyairtable: each with a token, a turn, a timeout, and an answer in our errors.

pyairtable's own retries are off: they repeat a create whose answer was lost, and give up before Airtable's penalty is
over. Here one policy per kind of call decides: what can be repeated without harm is repeated a little, an append never.

It is imported where a call is made, here and in its neighbours: the web process seldom makes one, and it is 10 MB.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.airtable.bases import Bases
from pipelines.airtable.limiter import Limiter
from pipelines.airtable.rows.answers import QUOTA, Answer, error_of, network_error, read_answer
from pipelines.domain.errors import AirtableQuota, RateLimited, Unavailable

if TYPE_CHECKING:
    import requests
    from pyairtable import Api, Table

T = TypeVar("T")
OnCall = Callable[[str, str, str], None]
"""`(base_id, verb, what)` for every request that leaves."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
UPLOAD_TIMEOUT_S = 60
PAGE = 100
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Kind:
    """How a call is counted and how often it is tried when no usable answer comes."""

    verb: str
    tries: int
    metered: bool = True


READ = Kind("read", 2)
WRITE = Kind("write", 2)
"""PATCH by id, and upsert by key: repeating either ends in the same rows."""
APPEND = Kind("append", 1)
"""Uploads add a file each time."""
META = Kind("meta", 2, metered=False)
BUILD = Kind("build", 1, metered=False)
"""Creating tables and fields: whoever asks again looks first what is there."""
PUSH = Kind("push", 2)
REGISTER = Kind("push", 1)
"""Creating a webhook: one whose answer was lost is found by its address, and removed, next time."""


class Client:
    """The only user of pyairtable. One per process; connections are per thread and made anew after a fork."""

    def __init__(
        self,
        *,
        bases: Bases,
        limiter: Limiter,
        endpoint_url: str,
        content_url: str,
        on_call: OnCall | None = None,
        max_wait: float = 30.0,
    ) -> None:
        self.bases, self.limiter = bases, limiter
        self.endpoint_url, self.content_url = endpoint_url, content_url
        self._on_call = on_call or (lambda *_: None)
        self._max_wait = max_wait
        self._local = threading.local()

    def call(self, base_id: str, kind: Kind, what: str, send: Callable[[Api], T]) -> T:
        """One call, repeated as its kind allows. Raises RecordGone, AirtableDenied, AirtableQuota, RateLimited (with
        `retry_after`), Unavailable, NotConfigured.
        """
        patient: Callable[..., T] = Retrying(
            stop=stop_after_attempt(kind.tries),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception_type(Unavailable),
            reraise=True,
        )
        return patient(self._once, base_id, kind, what, send)

    def _once(self, base_id: str, kind: Kind, what: str, send: Callable[[Api], T]) -> T:
        import requests

        api = self.api(base_id, UPLOAD_TIMEOUT_S if kind is APPEND else READ_TIMEOUT_S)
        with self.limiter.turn(base_id, self._max_wait, metered=kind.metered):
            self._on_call(base_id, kind.verb, what)
            try:
                return send(api)
            except requests.HTTPError as error:
                self._refused(base_id, read_answer(error.response))
                raise error_of(read_answer(error.response)) from error
            except requests.RequestException as error:
                raise network_error(error) from error
            except (TypeError, ValidationError) as error:
                # pyairtable checks the shape of answers; a proxy may have answered in Airtable's place.
                raise Unavailable(f"airtable: an answer of another shape: {error}") from error

    def _refused(self, base_id: str, answer: Answer) -> None:
        """Tell all processes about a 429 and raise it; other refusals pass."""
        if answer.status != _TOO_MANY:
            return
        if answer.kind == QUOTA:
            raise AirtableQuota(str(answer), retry_after=self.limiter.quota_used_up(base_id))
        wait = self.limiter.cool_down(base_id, answer.retry_after)
        raise RateLimited(str(answer), retry_after=wait, marketer="Airtable asks us to slow down; we go on shortly.")

    def api(self, base_id: str, read_timeout_s: int = READ_TIMEOUT_S) -> Api:
        """The pyairtable client with the base's token, retries off."""
        token = self.bases.token(base_id)
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.apis = os.getpid(), {}
        apis: dict[tuple[str, int], Api] = self._local.apis
        key = (token, read_timeout_s)
        if key not in apis:
            from pyairtable import Api

            timeout = (CONNECT_TIMEOUT_S, read_timeout_s)
            apis[key] = Api(token, timeout=timeout, retry_strategy=None, endpoint_url=self.endpoint_url)
            apis[key].session.auth = _keep_bearer
        return apis[key]

    def records(
        self, base_id: str, table: str, what: str, *, by_id: bool, options: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """All records of a list, a turn for each page of 100. A formula too long for a URL goes by POST."""
        offset: str | None = None
        while True:
            asked = {**options, "use_field_ids": by_id, "page_size": PAGE, **({"offset": offset} if offset else {})}
            page = self.call(base_id, READ, what, lambda api, asked=asked: _page(api.table(base_id, table), asked))  # type: ignore[misc]
            yield from page.get("records", [])
            offset = page.get("offset")
            if not offset:
                return


def _page(table: Table, options: dict[str, Any]) -> dict[str, Any]:
    answer = table.api.get(table.urls.records, fallback=("post", table.urls.records_post), options=options)
    if not isinstance(answer, dict):
        raise TypeError("a list of records is an object")
    return answer


def _keep_bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without this, requests would let a .netrc entry replace our Authorization header."""
    return request
