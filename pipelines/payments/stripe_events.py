"""Stripe's own list of events: what a database that was brought back was told, and does not remember."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import httpx

from pipelines.domain.errors import ForbiddenAddress, NotConfigured, Unavailable
from pipelines.net.guard import guarded_client
from pipelines.settings import Origin

TIMEOUT_S = 20.0
PAGE = 100


class StripeEvents:
    """ports.PaymentEvents. A restricted key that may read events is enough; Stripe keeps them for thirty days."""

    def __init__(self, url: str, key: str, trusted: Collection[Origin]) -> None:
        self._url, self._key = f"{url.rstrip('/')}/v1/events", key
        self._http = guarded_client(trusted, TIMEOUT_S)

    def between(self, since: float, until: float, types: Sequence[str]) -> list[dict[str, Any]]:
        """ports.PaymentEvents."""
        found: list[dict[str, Any]] = []
        time = {"created[gte]": str(int(since)), "created[lte]": str(int(until))}
        asked = {**time, "limit": str(PAGE), "types[]": list(types)}
        try:
            while True:
                page = self._page(asked | ({"starting_after": found[-1]["id"]} if found else {}))
                found += page["data"]
                if not page["data"] or not page["has_more"]:
                    return found[::-1]
        except (httpx.HTTPError, ForbiddenAddress, ValueError, TypeError, KeyError) as error:
            raise Unavailable(f"Stripe's events: {type(error).__name__}") from error

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.get(self._url, params=asked, headers={"Authorization": f"Bearer {self._key}"})
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotConfigured("Stripe refuses STRIPE_API_KEY: it must be allowed to read events")
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(f"Stripe's events: {answer.status_code}")
        page: dict[str, Any] = answer.json()
        return page
