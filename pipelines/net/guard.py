"""Outbound HTTP that cannot be led to an inside address.

An address from data (a reference image, a result link, a customer's webhook) is resolved once; if any of its
records is inside, the request is refused; else the connection goes to the very address that was checked, so a name
server cannot answer differently the second time. Only origins that the settings name may be inside.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from pipelines.domain.errors import ForbiddenAddress
from pipelines.domain.orders.public_addresses import is_inside
from pipelines.net.total import TimedBackend
from pipelines.settings import Origin

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
_MAX_CONNECTIONS, _MAX_IDLE, _IDLE_S = 32, 8, 10.0

Resolver = Callable[[str, int], Sequence[str]]
"""From a host and port to every numeric address it has. Raises `OSError` or `UnicodeError` when it has none."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver, once."""
    records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(record[4][0]) for record in records))


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to checked addresses only; TLS still names the host."""

    def __init__(self, inner: httpcore.NetworkBackend | None = None, resolver: Resolver = resolve) -> None:
        self._inner = inner or httpcore.SyncBackend()
        self._resolver = resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve once, check every record, connect to the first that answers.

        Raises `ForbiddenAddress` if any record is inside, else httpcore's connection errors.
        """
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._checked(host, port):
            try:
                return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from error
        if any(is_inside(address) for address in addresses):
            raise ForbiddenAddress(f"{host} leads to an inside address")
        return addresses


class GuardedTransport(httpx.BaseTransport):
    """Sends requests for trusted origins anywhere, and all others through the guard."""

    def __init__(self, trusted: Collection[Origin] = ()) -> None:
        self._trusted = frozenset(trusted)
        self._anywhere = _pool(httpcore.SyncBackend())
        self._guarded = _pool(GuardedBackend())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; redirects are the caller's. Raises httpx's errors and `ForbiddenAddress`."""
        pool = self._anywhere if origin_of(request.url) in self._trusted else self._guarded
        url = request.url
        with _httpx_errors():
            answer = pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        """Close every connection."""
        self._anywhere.close()
        self._guarded.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def guarded_client(trusted: Collection[Origin] = (), timeout: float | httpx.Timeout = READ_TIMEOUT_S) -> httpx.Client:
    """A client that reaches inside addresses only at the `trusted` origins, follows no redirect by itself and
    ignores proxies and credentials of the environment. `timeout` in seconds holds per read and write. It keeps no
    cookie: what one answer sets would go to all addresses under the same domain, whoever they belong to.
    """
    if not isinstance(timeout, httpx.Timeout):
        timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_S))
    return httpx.Client(
        transport=GuardedTransport(trusted),
        timeout=timeout,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
    )


def origin_of(url: httpx.URL) -> Origin:
    """The origin of an http(s) address. Raises `ForbiddenAddress` for any other."""
    try:
        return Origin.of(str(url))
    except ValueError as error:
        raise ForbiddenAddress("an address is neither http nor https") from error


@functools.cache
def _tls() -> ssl.SSLContext:
    """One context for all clients: loading the certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _pool(backend: httpcore.NetworkBackend) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=_tls(),
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_MAX_IDLE,
        keepalive_expiry=_IDLE_S,
        network_backend=TimedBackend(backend),
    )


_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Httpx names its errors as httpcore does; callers know httpx only."""
    try:
        yield
    except _HTTPCORE_ERRORS as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error
