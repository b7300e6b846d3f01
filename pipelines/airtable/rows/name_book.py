"""Which names a base uses, looked up once: in memory for a minute, in SQL for an hour, else in its schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from pipelines.airtable.field_map import FieldMap
from pipelines.airtable.rows.answers import STALE_NAMES, Gone, Rejected
from pipelines.airtable.rows.client import META, Client
from pipelines.airtable.rows.names import BaseNames, MissingTable, assumed, remembered, resolve
from pipelines.domain.state.base import SchemaSeen
from pipelines.ports import Clock

T = TypeVar("T")
logger = logging.getLogger(__name__)

MEMORY_S = 60.0
SQL_S = 3600.0


class NameBook:
    """The names of every base that is talked to."""

    def __init__(self, client: Client, field_map: FieldMap, clock: Clock) -> None:
        self._client, self._map, self._clock = client, field_map, clock
        self._memory: dict[str, tuple[float, BaseNames]] = {}

    def of(self, base_id: str) -> BaseNames:
        """The names to use; costs a call once an hour and base."""
        now = self._clock.now()
        kept = self._memory.get(base_id)
        if kept is not None and 0 <= now - kept[0] < MEMORY_S:
            return kept[1]
        stored = self._client.bases.state(base_id).schema
        if stored and 0 <= now - stored.at < SQL_S:
            return self._keep(base_id, stored.tables)
        return self.refresh(base_id)

    def newer(self, base_id: str) -> BaseNames:
        """For a table that is missing: what another process has found since, else the schema, once a minute."""
        stored = self._client.bases.state(base_id).schema
        kept = self._memory.get(base_id)
        if stored and stored.tables is not None:
            names = self._keep(base_id, stored.tables)
            if (kept is not None and kept[1] != names) or 0 <= self._clock.now() - stored.at < MEMORY_S:
                return names
        return self.refresh(base_id)

    def refresh(self, base_id: str) -> BaseNames:
        """Look at the schema now."""
        schema = self.schema(base_id)
        tables = None if schema is None else self.resolved(base_id, schema)
        seen = SchemaSeen(at=self._clock.now(), tables=tables)
        self._client.bases.remember(base_id, lambda state: replace(state, schema=seen))
        return self._keep(base_id, tables)

    def resolved(self, base_id: str, schema: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a schema means for us (names.resolve), with what was renamed since we last looked."""
        before = self._client.bases.state(base_id).schema
        return resolve(schema, self._map.for_base(base_id), (before.tables if before else None) or {})

    def schema(self, base_id: str) -> list[dict[str, Any]] | None:
        """The tables as the metadata API describes them; None when the token may not see them."""
        try:
            return read_schema(self._client, base_id)
        except (Rejected, Gone) as error:
            if error.answer.status == HTTPStatus.UNAUTHORIZED:
                raise
            logger.info("the schema of %s cannot be read: %s", base_id, error.operator)
            return None

    def use(self, base_id: str, action: Callable[[BaseNames], T], tables: Collection[str] = ()) -> T:
        """`action` with the names; once more with fresh ones when Airtable does not know a name that we sent, or a
        table is missing. `tables`: those that `action` wants but does without.
        """
        names = self.of(base_id)
        if names.known and not all(names.has(table) for table in tables):
            names = self.newer(base_id)
        try:
            return action(names)
        except MissingTable:
            fresh = self.newer(base_id)
            if fresh == names:
                raise
            return action(fresh)
        except (Rejected, Gone) as error:
            if error.answer.kind not in STALE_NAMES or not names.known:
                raise
            fresh = self.refresh(base_id)
            if fresh == names:
                raise
            return action(fresh)

    def _keep(self, base_id: str, tables: Mapping[str, Any] | None) -> BaseNames:
        names = assumed(self._map.for_base(base_id)) if tables is None else remembered(tables)
        self._memory[base_id] = (self._clock.now(), names)
        return names


def read_schema(client: Client, base_id: str) -> list[dict[str, Any]]:
    """`GET /v0/meta/bases/{id}/tables`. Needs `schema.bases:read`."""

    def ask(api: Any) -> list[dict[str, Any]]:
        tables: list[dict[str, Any]] = api.get(api.build_url("meta", "bases", base_id, "tables"))["tables"]
        return tables

    return client.call(base_id, META, "schema", ask)
