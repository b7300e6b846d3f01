"""Push without a script: Airtable's webhooks, registered, believed, read and renewed.

A ping says only that something changed; it may come late, twice, for nothing, or be the only one for many changes.
What changed is read from the payloads, from a cursor that moves on when the changes have been acted on. Source of
all figures: Airtable's pages on the webhooks API.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.airtable.bases import Bases
from pipelines.airtable.rows.answers import Gone, Rejected
from pipelines.airtable.rows.cells import Cells
from pipelines.airtable.rows.client import PUSH, REGISTER, Client
from pipelines.airtable.rows.fields import airtable_scene
from pipelines.airtable.rows.name_book import NameBook
from pipelines.airtable.rows.names import BaseNames, TableNames
from pipelines.domain.airtable.fields import (
    ACTION_BOXES,
    VIDEO_TICKS,
    AirtableTable,
    SceneField,
    SettingsField,
    VersionField,
    VideoField,
)
from pipelines.domain.errors import AirtableDenied, NotConfigured
from pipelines.domain.orders.inputs import inputs_of
from pipelines.domain.orders.order import SceneOrder
from pipelines.domain.state.base import BaseState, Hook
from pipelines.ports import AirtableChange, Changes, Clock, Health
from pipelines.security.webhook_signatures import WrongSignature, verify_airtable

if TYPE_CHECKING:
    from pyairtable import Api

logger = logging.getLogger(__name__)

PATH = "/api/webhook/airtable"
LIFETIME_S = 7 * 86_400
RENEW_AFTER_S = 86_400
PAGE = 50
PEOPLE = ("client", "anonymousUser", "formSubmission", "automation", "sync")
"""Sources whose changes concern us: not our own, which come by the public API."""
_UNPROCESSABLE = 422

WATCHED: Mapping[str, tuple[str, ...]] = {
    AirtableTable.VIDEOS: (*VIDEO_TICKS, VideoField.STATUS, VideoField.SCHEDULED_FOR),
    AirtableTable.SCENES: (
        SceneField.REGENERATE,
        SceneField.STATUS,
        SceneField.VIDEO,
        SceneField.NUMBER,
        *(item.label for item in inputs_of(SceneOrder)),
    ),
    AirtableTable.VERSIONS: (VersionField.RESTORE, VersionField.VIDEO, VersionField.RUN),
    AirtableTable.SETTINGS: (SettingsField.STOP_SPENDING, SettingsField.DAY_BUDGET),
}
_BOXES = ACTION_BOXES | {SettingsField.STOP_SPENDING}


class Webhooks:
    """Airtable's webhooks of all bases."""

    def __init__(self, client: Client, book: NameBook, bases: Bases, clock: Clock, public_url: str) -> None:
        self._client, self._book, self._bases, self._clock = client, book, bases, clock
        self.url = public_url + PATH

    def register(self, base_id: str) -> Hook:
        """The webhook of a base that pings this deployment: the known one if it lives, else a new one.

        One of ours whose secret we do not have, or that does not watch every field, is removed first. Raises
        AirtableDenied when the token lacks webhook:manage or schema.bases:read.
        """
        known = self.known(base_id)
        there = {entry["id"]: entry for entry in self._listed(base_id)}
        ours = known is not None and known.id in there and known.url == self.url and not self._is_over(known)
        if known is not None and ours and not self._misses(base_id, there[known.id]):
            if not there[known.id].get("areNotificationsEnabled", True):
                self._enable(base_id, known.id)
            return known
        for entry in there.values():
            if entry.get("notificationUrl") == self.url or (known is not None and entry["id"] == known.id):
                self._delete(base_id, entry["id"])
        return self._create(base_id)

    def _misses(self, base_id: str, entry: Mapping[str, Any]) -> bool:
        """Whether there are fields by now that it does not watch: it was made before the tables were complete."""
        filters = ((entry.get("specification") or {}).get("options") or {}).get("filters") or {}
        watched = filters.get("watchDataInFieldIds")
        return watched is not None and bool(set(_watched_ids(self._book.of(base_id))) - set(watched))

    def unregister(self, base_id: str) -> bool:
        """Stop push for a base; False when there was none."""
        known = self.known(base_id)
        if known is None:
            return False
        self._delete(base_id, known.id)
        self._bases.remember(base_id, lambda state: replace(state, webhook=None))
        return True

    def verify(self, body: bytes, mac: str | None) -> str:
        """The base a ping is about. Raises BadWebhook for what Airtable did not send to us, or what we cannot
        check since SECRET_KEY was changed.
        """
        try:
            ping = json.loads(body)
            base_id, hook_id = str(ping["base"]["id"]), str(ping["webhook"]["id"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise WrongSignature("not a ping of Airtable") from error
        known = self.known(base_id)
        if known is None or known.id != hook_id:
            raise WrongSignature("a ping of a webhook that is not ours")
        try:
            secret = self._bases.unseal(known.secret)
        except NotConfigured as error:
            raise WrongSignature(error.operator) from error
        verify_airtable(secret, mac=mac, body=body)
        return base_id

    def read(self, base_id: str) -> Changes:
        """Everything since the cursor, which stays where it is until `advance`. Empty without a webhook.

        Raises RecordGone when Airtable has dropped the webhook: `register` again, then look at the rows once.
        """
        known = self.known(base_id)
        if known is None:
            return Changes(0)
        names, cursor, more = self._book.of(base_id), known.cursor, True
        merged: dict[tuple[str, str], AirtableChange] = {}
        while more:
            page = self._payloads(base_id, known.id, cursor)
            for payload in page.get("payloads", []):
                for change in _changes(payload, names):
                    key = (change.table, change.record_id)
                    merged[key] = _later(merged[key], change) if key in merged else change
            more = bool(page.get("mightHaveMore")) and page["cursor"] > cursor
            cursor = max(cursor, int(page["cursor"]))
        return Changes(cursor, tuple(merged.values()))

    def advance(self, base_id: str, cursor: int) -> None:
        """The changes before `cursor` have been acted on. Listing payloads has prolonged the webhook, too."""
        now = self._clock.now()

        def move(state: BaseState) -> BaseState:
            if state.webhook is None or state.webhook.cursor > cursor:
                return state
            hook = replace(state.webhook, cursor=cursor, expires_at=now + LIFETIME_S, renewed_at=now)
            return replace(state, webhook=hook)

        self._bases.remember(base_id, move)

    def renew(self, base_id: str) -> bool:
        """Prolong the webhook once a day, or register it anew when it is over; whether a call was made."""
        known = self.known(base_id)
        now = self._clock.now()
        if known is None or 0 <= now - known.renewed_at < RENEW_AFTER_S:
            return False
        try:
            answer = self._client.call(
                base_id, PUSH, "renew", lambda api: api.post(_url(api, base_id, known.id, "refresh"))
            )
        except (Gone, Rejected) as error:
            logger.warning("the webhook of %s is over and is registered anew: %s", base_id, error.operator)
            self.register(base_id)
            return True
        self._keep(base_id, _moment(answer, now + LIFETIME_S), now)
        return True

    def health(self, base_id: str) -> Health:
        """For the doctor: one call."""
        known = self.known(base_id)
        if known is None:
            return Health(registered=False)
        entry = next((entry for entry in self._listed(base_id) if entry["id"] == known.id), None)
        if entry is None or self._is_over(known):
            return Health(registered=True, problem="Airtable has dropped the webhook.")
        if known.url != self.url:
            return Health(registered=True, problem=f"The webhook pings {known.url}, not this deployment.")
        if not entry.get("areNotificationsEnabled", True) or not entry.get("isHookEnabled", True):
            return Health(registered=True, problem="Airtable has switched notifications off after failed pings.")
        last = entry.get("lastNotificationResult") or {}
        if last.get("success") is False:
            why = (last.get("error") or {}).get("message", "no reason given")
            return Health(registered=True, problem=f"The last ping did not arrive: {why}")
        return Health(registered=True, expires_at=_moment(entry, known.expires_at))

    def known(self, base_id: str) -> Hook | None:
        """The webhook as remembered."""
        return self._bases.state(base_id).webhook

    def _is_over(self, hook: Hook) -> bool:
        return hook.expires_at <= self._clock.now()

    def _listed(self, base_id: str) -> list[dict[str, Any]]:
        found = self._client.call(base_id, PUSH, "list", lambda api: api.get(_url(api, base_id)))
        return list(found.get("webhooks", []))

    def _create(self, base_id: str) -> Hook:
        watched = _watched_ids(self._book.of(base_id))
        if not watched:
            raise AirtableDenied(f"airtable: push for {base_id} needs a token with schema.bases:read, and the tables")
        try:
            answer = self._post_hook(base_id, watched, {"fromSources": list(PEOPLE)})
        except Rejected as error:
            if error.answer.status != _UNPROCESSABLE:
                raise
            # The list of sources is not documented; without it we also hear our own writes, and ignore them.
            answer = self._post_hook(base_id, watched, {})
        now = self._clock.now()
        sealed = self._bases.seal(answer["macSecretBase64"])
        hook = Hook(answer["id"], self.url, sealed, 1, _moment(answer, now + LIFETIME_S), now)
        self._bases.remember(base_id, lambda state: replace(state, webhook=hook))
        return hook

    def _post_hook(self, base_id: str, watched: list[str], filters: dict[str, Any]) -> Any:
        filters = {
            "dataTypes": ["tableData"],
            "changeTypes": ["add", "update"],
            "watchDataInFieldIds": watched,
            **filters,
        }
        options = {"filters": filters, "includes": {"includeCellValuesInFieldIds": watched}}
        body = {"notificationUrl": self.url, "specification": {"options": options}}
        return self._client.call(base_id, REGISTER, "register", lambda api: api.post(_url(api, base_id), json=body))

    def _payloads(self, base_id: str, hook_id: str, cursor: int) -> dict[str, Any]:
        asked = {"cursor": cursor, "limit": PAGE}
        found: dict[str, Any] = self._client.call(
            base_id, PUSH, "payloads", lambda api: api.get(_url(api, base_id, hook_id, "payloads"), params=asked)
        )
        return found

    def _enable(self, base_id: str, hook_id: str) -> None:
        body = {"enable": True}
        self._client.call(
            base_id, PUSH, "enable", lambda api: api.post(_url(api, base_id, hook_id, "enableNotifications"), json=body)
        )

    def _delete(self, base_id: str, hook_id: str) -> None:
        try:
            self._client.call(base_id, PUSH, "delete", lambda api: api.delete(_url(api, base_id, hook_id)))
        except Gone:
            logger.info("the webhook %s of %s was gone already", hook_id, base_id)

    def _keep(self, base_id: str, expires_at: float, renewed_at: float) -> None:
        def merge(state: BaseState) -> BaseState:
            if state.webhook is None:
                return state
            return replace(state, webhook=replace(state.webhook, expires_at=expires_at, renewed_at=renewed_at))

        self._bases.remember(base_id, merge)


def _url(api: Api, base_id: str, *more: str) -> str:
    return api.build_url("bases", base_id, "webhooks", *more)


def _moment(answer: Mapping[str, Any], otherwise: float) -> float:
    try:
        return datetime.fromisoformat(str(answer["expirationTime"])).timestamp()
    except (KeyError, ValueError):
        return otherwise


def _watched_ids(names: BaseNames) -> list[str]:
    if not names.known:
        return []
    there = [(names.tables[table], fields) for table, fields in WATCHED.items() if table in names.tables]
    return [table.columns[name].key for table, fields in there for name in fields if name in table.columns]


def _changes(payload: Mapping[str, Any], names: BaseNames) -> Iterator[AirtableChange]:
    """The rows of one payload that are in tables of ours."""
    by_key = {table.key: table for table in names.tables.values()}
    for table_id, diff in (payload.get("changedTablesById") or {}).items():
        table = by_key.get(table_id)
        if table is None:
            continue
        for record_id, created in (diff.get("createdRecordsById") or {}).items():
            cells = created.get("cellValuesByFieldId") or {}
            yield _change(table, record_id, cells, {})
        for record_id, updated in (diff.get("changedRecordsById") or {}).items():
            cells = (updated.get("current") or {}).get("cellValuesByFieldId") or {}
            others = (updated.get("unchanged") or {}).get("cellValuesByFieldId") or {}
            yield _change(table, record_id, cells, others)


def _change(table: TableNames, record_id: str, cells: Mapping[str, Any], others: Mapping[str, Any]) -> AirtableChange:
    changed = table.ours(cells)
    return _as_change(table.spec.name, record_id, frozenset(changed), {**table.ours(others), **changed})


def _as_change(table: str, record_id: str, changed: frozenset[str], fields: Mapping[str, Any]) -> AirtableChange:
    cells = Cells(fields)
    ticks = frozenset(str(name) for name in fields if name in _BOXES and cells.flag(name))
    status = cells.text(VideoField.STATUS)
    scene = airtable_scene(record_id, fields) if table == AirtableTable.SCENES else None
    return AirtableChange(
        table=str(table),
        record_id=record_id,
        ticks=ticks,
        status=status,
        changed=changed,
        fields=dict(fields),
        scheduled_for=cells.moment(VideoField.SCHEDULED_FOR) if table == AirtableTable.VIDEOS else None,
        scene=scene,
    )


def _later(old: AirtableChange, new: AirtableChange) -> AirtableChange:
    """Two changes of one row as one."""
    return _as_change(old.table, old.record_id, old.changed | new.changed, {**old.fields, **new.fields})
