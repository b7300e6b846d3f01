"""JSON columns: decoded once, when a row is read, into the frozen types that the records name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator

from pipelines.domain.orders.order import Order
from pipelines.domain.planning.plan import Plan
from pipelines.domain.state.delivery import Attachment
from pipelines.domain.state.generation import GenerationRequest
from pipelines.domain.state.open_json import JsonObject

_WHOLE = (Order, Plan, GenerationRequest)
"""Written with every field; of the others only what differs from its default, so that rows stay small."""
_AIRTABLE = ('"board_record_id":', '"airtable_record_id":')
_RENAMED: Mapping[Any, tuple[str, str]] = {
    Order: _AIRTABLE,
    Plan: _AIRTABLE,
    Attachment: ('"looks":', '"verifications":'),
}
"""Keys as they were, each in its own type: in another one the word may be a key of today. A quote inside a text is
escaped, so that no text looks like one.
"""
_REMEMBERED = 256
"""So many texts of each column are decoded once: the same row is read many times while it does not change."""


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def encode(hint: Any, value: Any) -> str:
    """A value of the type as JSON."""
    if hint == JsonObject:
        return json.dumps(value)
    return _adapter(hint).dump_json(value, exclude_defaults=hint not in _WHOLE).decode()


def decode(hint: Any, text: str | bytes) -> Any:
    """The inverse of `encode`; names of earlier versions are understood."""
    text = text if isinstance(text, str) else text.decode()
    if hint in _RENAMED:
        text = text.replace(*_RENAMED[hint])
    return _adapter(hint).validate_json(text)


class Json(TypeDecorator[Any]):
    """A JSON column whose values are of one type. Keys that the type does not know are ignored, and missing ones have
    its defaults: older and newer processes may share a database.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, hint: Any) -> None:
        super().__init__(none_as_null=True)
        self.hint = hint
        self._decode = lru_cache(_REMEMBERED)(partial(decode, hint))

    def prepare(self) -> None:
        """Make what reads and writes the values, which takes longer than many of them."""
        if self.hint != JsonObject:
            _adapter(self.hint)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """The text; the engine hands it on as it is."""
        return None if value is None else encode(self.hint, value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """A value of the type. Open JSON is decoded each time: whoever reads it may change it."""
        if value is None:
            return None
        return json.loads(value) if self.hint == JsonObject else self._decode(value)
