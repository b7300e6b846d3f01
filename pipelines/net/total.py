"""A total time for an exchange: connecting, sending and every read share it, however slowly the other side drips.

The lease of a paid request rests on this: once it has expired, the request is over.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

_over_at: ContextVar[float | None] = ContextVar("total_time_over_at", default=None)
_PIECE = 64 * 1024


@contextmanager
def total_time(seconds: float) -> Iterator[None]:
    """Everything that guarded clients do in this block, in this thread, ends within `seconds`."""
    token = _over_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _over_at.reset(token)


def _left(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """The shorter of a part's own timeout and what is left of the whole. Raises `error` when nothing is left."""
    over_at = _over_at.get()
    if over_at is None:
        return timeout
    rest = over_at - time.monotonic()
    if rest <= 0:
        raise error("the total time of the exchange is over")
    return rest if timeout is None else min(timeout, rest)


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections whose parts keep to the total time."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect in what is left."""
        rest = _left(timeout, httpcore.ConnectTimeout)
        return TimedStream(self._inner.connect_tcp(host, port, rest, local_address, socket_options))


class TimedStream(httpcore.NetworkStream):
    """A connection; kept open, it serves later exchanges with their own total time, or none."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read in what is left."""
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write piece by piece, because each may take the time it is given."""
        for start in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[start : start + _PIECE], _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands in what is left."""
        rest = _left(timeout, httpcore.ConnectTimeout)
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, rest))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """What the connection itself knows."""
        return self._inner.get_extra_info(info)
