"""Every assumption about a base, checked one by one; each answer says how to mend what is wrong.

Nothing is changed: a scope is proved by a request that Airtable refuses for its content, after it has accepted the
token. About ten calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from pipelines.airtable.field_map import FieldMap
from pipelines.airtable.rows.answers import MODEL_NOT_FOUND, Gone, Rejected
from pipelines.airtable.rows.client import META, READ_TIMEOUT_S, Client, Kind
from pipelines.airtable.rows.name_book import NameBook, read_schema
from pipelines.airtable.schema import TABLES, FieldSpec, TableSpec
from pipelines.airtable.webhooks import Webhooks
from pipelines.domain.airtable.fields import AirtableTable, SceneField
from pipelines.domain.errors import ReelgridError
from pipelines.domain.times import iso
from pipelines.net import guarded_client
from pipelines.ports import Check, Clock
from pipelines.settings import Origin

if TYPE_CHECKING:
    import requests
    from pyairtable import Api

MAX_SKEW_S = 30.0
MAX_SCENES_READ = 1000
_TOKENS = "airtable.com/create/tokens"
_PROBE = Kind("probe", 1, metered=False)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at one base."""

    client: Client
    book: NameBook
    webhooks: Webhooks
    clock: Clock
    field_map: FieldMap
    base_id: str
    public_url: str

    def run(self) -> list[Check]:
        """All checks that make sense; without a valid token there is only one. Raises nothing of the tree."""
        token, clock = self._token_and_clock()
        if not token.ok:
            return [token]
        schema, access = self._schema()
        checks = [token, clock, access, self._limits(), *self._scopes(schema)]
        if schema is not None:
            checks += self._structure(schema)
            checks.append(self._unique_keys(schema))
        return [*checks, self._push(), self._reachable()]

    def _token_and_clock(self) -> tuple[Check, Check]:
        """One call: is the token valid at all, and how far is our clock from Airtable's?"""
        try:
            date = self.client.call(self.base_id, META, "doctor", _who)
        except ReelgridError as error:
            fix = f"Make a personal access token at {_TOKENS} and set AIRTABLE_API_KEY, or connect the base with it."
            return Check("token", False, error.operator, fix), Check("clock", True, "Unknown.")
        return Check("token", True, "Airtable accepts the token."), self._clock_check(_date(date))

    def _clock_check(self, theirs: float | None) -> Check:
        """Signed links and webhook times need a right clock."""
        if theirs is None:
            return Check("clock", True, "Airtable did not say what time it is.")
        skew = self.clock.now() - theirs
        if abs(skew) > MAX_SKEW_S:
            return Check(
                "clock", False, f"Our clock is {skew:+.0f} s off Airtable's.", "Switch on NTP on this machine."
            )
        return Check("clock", True, "Our clock agrees with Airtable's.")

    def _schema(self) -> tuple[list[dict[str, Any]] | None, Check]:
        try:
            schema = read_schema(self.client, self.base_id)
        except (Rejected, Gone) as error:
            if error.answer.kind == MODEL_NOT_FOUND or isinstance(error, Gone):
                fix = f"At {_TOKENS} add the base under Access, or correct AIRTABLE_BASE_ID."
                return None, Check("base", False, f"The token does not see the base {self.base_id}.", fix)
            fix = f"Add schema.bases:read to the token at {_TOKENS}; renamed fields are then followed by their ids."
            return None, Check("base", False, "The token may not read the base's schema.", fix, warning=True)
        except ReelgridError as error:
            return None, Check("base", False, error.operator, "Try again in a minute.")
        return schema, Check("base", True, f"The base has {len(schema)} tables.")

    def _limits(self) -> Check:
        pace = self.client.limiter.state(self.base_id)
        now = self.clock.now()
        if pace.quota is not None:
            since = iso(pace.quota.since)
            fix = "Wait for the next month or a larger plan: all that is to be written waits and arrives then."
            return Check("limits", False, f"The workspace's monthly API quota is used up since {since}.", fix)
        if pace.not_before > now:
            wait = pace.not_before - now
            return Check("limits", True, f"Airtable has asked us to slow down; we go on in {wait:.0f} s.")
        return Check("limits", True, "No limit is reached.")

    def _scopes(self, schema: list[dict[str, Any]] | None) -> Iterator[Check]:
        """Each scope by a call that changes nothing."""
        base, table = self.base_id, self._videos(schema)
        yield self._scope(
            "data.records:read", lambda api: api.get(_records(api, base, table), options={"max_records": 1})
        )
        yield self._scope("data.records:write", lambda api: api.patch(_records(api, base, table), json={"records": []}))
        tables = "tables"
        yield self._scope(
            "schema.bases:write",
            lambda api: api.post(api.build_url("meta", "bases", base, tables), json={"name": "", "fields": []}),
            needed_for="flask airtable setup",
        )
        yield self._scope(
            "webhook:manage",
            lambda api: api.get(api.build_url("bases", base, "webhooks")),
            needed_for="push without a script",
        )

    def _videos(self, schema: list[dict[str, Any]] | None) -> str:
        found = self.book.resolved(self.base_id, schema or []).get(AirtableTable.VIDEOS)
        return str(found["id"]) if found else self.field_map.table(AirtableTable.VIDEOS)

    def _scope(self, scope: str, send: Callable[[Api], Any], needed_for: str = "") -> Check:
        """403 says no; 422 says that only the content was refused."""
        name, fix = f"scope {scope}", f"Add {scope} to the token at {_TOKENS}."
        try:
            self.client.call(self.base_id, _PROBE, "doctor", send)
        except (Rejected, Gone) as error:
            if error.answer.status in _REFUSED and error.answer.kind != MODEL_NOT_FOUND:
                why = f"The token may not do this; it is needed for {needed_for or 'every run'}."
                return Check(name, False, why, fix, warning=bool(needed_for))
        except ReelgridError as error:
            return Check(name, False, error.operator, "Try again in a minute.", warning=bool(needed_for))
        return Check(name, True, "Granted.")

    def _structure(self, schema: list[dict[str, Any]]) -> Iterator[Check]:
        found = self.book.resolved(self.base_id, schema)
        columns = {column["id"]: column for table in schema for column in table["fields"]}
        for spec in TABLES:
            entry = found.get(spec.name)
            if entry is None:
                why = f"There is no table {self.field_map.table(spec.name)}."
                fix = "Run flask airtable setup, or name the table in FIELD_MAP."
                yield Check(f"table {spec.name}", False, why, fix, warning=spec.optional)
                continue
            yield _fields_check(spec, entry["fields"])
            yield from _types(spec, entry["fields"], columns)
            yield from _options(spec, entry["fields"], columns)
        yield from self._formulas(schema)

    def _formulas(self, schema: list[dict[str, Any]]) -> Iterator[Check]:
        """Computed fields: broken ones, and links to another deployment."""
        for table in schema:
            for column in table["fields"]:
                options = column.get("options") or {}
                name = f"{table['name']}.{column['name']}"
                if column["type"] in {"formula", "rollup"} and options.get("isValid") is False:
                    yield Check(
                        f"formula {name}", False, "The formula is broken.", f"Edit the field {name}.", warning=True
                    )
                formula = str(options.get("formula") or "")
                if "/r/" in formula and "RECORD_ID()" in formula and self.public_url not in formula:
                    fix = f"Set its formula to the one of flask airtable script ({self.public_url}/r/…)."
                    yield Check(f"formula {name}", False, "The link leads to another deployment.", fix, warning=True)

    def _unique_keys(self, schema: list[dict[str, Any]]) -> Check:
        """An upsert that matches two rows is refused whole."""
        entry = self.book.resolved(self.base_id, schema).get(AirtableTable.SCENES)
        key = entry["fields"].get(SceneField.SCENE_KEY) if entry else None
        if entry is None or key is None:
            return Check("scene keys", True, "There are no scenes yet.")
        try:
            seen = self._values(entry["id"], key[0])
        except ReelgridError as error:
            return Check("scene keys", False, error.operator, "Try again in a minute.")
        doubles = sorted({value for value in seen if seen.count(value) > 1})
        if doubles:
            shown = ", ".join(doubles[:5])
            fix = f"In Scenes delete the copies, or empty their {key[1]}."
            return Check("scene keys", False, f"Several rows have the same key: {shown}.", fix)
        return Check("scene keys", True, "Every key is used once.")

    def _values(self, table_id: str, field_id: str) -> list[str]:
        options = {"fields": [field_id], "max_records": MAX_SCENES_READ}
        rows = self.client.records(self.base_id, table_id, "doctor", by_id=True, options=options)
        return [str(row["fields"][field_id]) for row in rows if row["fields"].get(field_id)]

    def _push(self) -> Check:
        try:
            health = self.webhooks.health(self.base_id)
        except ReelgridError as error:
            return Check("webhook", False, error.operator, "See the scope webhook:manage.", warning=True)
        if not health.registered:
            return Check("webhook", True, "Push is not in use; automations and the slow poll are.")
        if health.problem:
            return Check("webhook", False, health.problem, "Run flask airtable push on.", warning=True)
        return Check("webhook", True, f"Push works until {iso(health.expires_at)} and is renewed daily.")

    def _reachable(self) -> Check:
        """Airtable fetches attachments from us. From here we can only see whether the address answers at all."""
        origin = Origin.of(self.public_url)
        if origin.loopback:
            fix = "Set PUBLIC_URL to an address that the internet reaches. Until then files up to 5 MB are uploaded."
            return Check("media links", False, f"Airtable cannot fetch from {self.public_url}.", fix, warning=True)
        fix = "Check PUBLIC_URL, its certificate and the proxy in front of the web process."
        try:
            with guarded_client([origin]) as client:
                status = client.get(f"{self.public_url}/health").status_code
        except (ReelgridError, httpx.HTTPError) as error:
            return Check("media links", False, f"{self.public_url} does not answer: {error}", fix)
        if status != HTTPStatus.OK:
            return Check("media links", False, f"{self.public_url}/health answers {status}.", fix)
        if origin.scheme != "https":
            return Check("media links", False, "Airtable is going to fetch by https only.", "Use https.", warning=True)
        return Check("media links", True, f"{self.public_url} answers.")


def _records(api: Api, base_id: str, table: str) -> str:
    return str(api.table(base_id, table).urls.records)


def _who(api: Api) -> str:
    """Airtable's own time, from a call that every token may make."""
    answer: requests.Response = api.session.get(api.urls.whoami, timeout=READ_TIMEOUT_S)
    answer.raise_for_status()
    return str(answer.headers.get("Date", ""))


def _date(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _fields_check(spec: TableSpec, there: Mapping[str, Any]) -> Check:
    missing = [str(item.name) for item in spec.fields if item.name not in there]
    if missing:
        why = f"{len(missing)} fields are missing: {', '.join(missing)}."
        return Check(f"table {spec.name}", False, why, "Run flask airtable setup, or name them in FIELD_MAP.")
    return Check(f"table {spec.name}", True, f"All {len(spec.fields)} fields are there.")


def _types(spec: TableSpec, there: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[Check]:
    for item in spec.fields:
        if item.name not in there:
            continue
        column = columns[there[item.name][0]]
        if column["type"] not in item.accepted:
            kinds = ", ".join(sorted(item.accepted))
            why = f"It is of type {column['type']}, which cannot be {'written' if item.written else 'read'}."
            yield Check(f"field {spec.name}.{column['name']}", False, why, f"Change its type to one of: {kinds}.")


def _options(spec: TableSpec, there: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[Check]:
    """Options that we write are added on the first write; those people choose from are worth having."""
    for item in spec.fields:
        if item.name not in there or not item.choices:
            continue
        column = columns[there[item.name][0]]
        if column["type"] in {"singleSelect", "multipleSelects"} and (missing := _lacking(item, column)):
            fix = f"Open the field {column['name']} → Edit field → add these options."
            why = f"Options are missing: {', '.join(missing)}."
            yield Check(f"options {spec.name}.{column['name']}", False, why, fix, warning=True)


def _lacking(item: FieldSpec, column: Mapping[str, Any]) -> list[str]:
    there = {choice["name"] for choice in (column.get("options") or {}).get("choices", [])}
    return [name for name in item.choices if name not in there]
