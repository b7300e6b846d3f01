"""What the present work is about, so that every line logged meanwhile carries its ids without being handed them.

Set at the edges: by a step, by a look at a provider and by a request; a thread or process begins with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


def current() -> Mapping[str, str]:
    """The ids by their names: `run_id`, `generation_id`, `key_id` and so on."""
    return _ids.get()


def begin(**ids: str | None) -> None:
    """From here on it is about these alone. For an edge that has no end to clean up at, such as a request."""
    _ids.set(_known(ids))


def add(**ids: str | None) -> None:
    """It turned out to be about these as well."""
    _ids.set({**_ids.get(), **_known(ids)})


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Within the block it is about these alone, and about what `add` tells; afterwards as before."""
    token = _ids.set(_known(ids))
    try:
        yield
    finally:
        _ids.reset(token)


def _known(ids: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value}
