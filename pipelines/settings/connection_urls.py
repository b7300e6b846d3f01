"""The addresses of database, queue and storage: what hosts and other clients write into them, brought to ours.

An option that says nothing to our driver and nothing about what the operator wants is dropped; one that we cannot
follow is refused by name at boot, because a driver would only raise when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

_REDIS_OTHERS = """
family socket_timeout socket_connect_timeout socket_keepalive timeout retry_on_timeout keepalive health_check_interval
max_connections decode_responses encoding connect_timeout read_timeout pool_size protocol lib_name virtual_host
legacy_responses socket_read_size retry_on_error abortconnect maxretriesperrequest enablereadycheck
enableofflinequeue lazyconnect dual_stack connecttimeout commandtimeout
"""
_REDIS_DROPPED = frozenset(_REDIS_OTHERS.split())
"""Timeouts and pools are ours; `family` (ioredis) and the like are other clients' words for what redis-py does."""
_REDIS_TLS = frozenset(("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"))
_CERT_REQS = {
    **dict.fromkeys(("none", "cert_none", "false", "0"), "none"),
    **dict.fromkeys(("optional", "cert_optional"), "optional"),
    **dict.fromkeys(("required", "cert_required", "true", "1"), "required"),
}
_PG_OTHERS = """
connection_limit pool_timeout socket_timeout statement_cache_size prepared_statements prepareThreshold sslaccept
pool_size max_overflow charset server_version serverVersion application supa workaround reconnect
prepared_statement_cache_size uselibpqcompat max_conns pool_max_conns binary_parameters default_query_exec_mode
"""
_PG_DROPPED = frozenset(_PG_OTHERS.split())
"""What Prisma, asyncpg, JDBC and frameworks write there; our pool and our statements are our own."""
_PG_WORDS = """
application_name channel_binding client_encoding connect_timeout fallback_application_name gssencmode host hostaddr
keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts options passfile port
require_auth service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcompression sslcrl sslcrldir sslkey
sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user password dbname
"""
_PG_KNOWN = frozenset(_PG_WORDS.split())
"""What libpq knows."""
_SSL_MODES = {
    **{mode: mode for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")},
    **dict.fromkeys(("no-verify", "true", "1", "on", "yes"), "require"),
    **dict.fromkeys(("false", "0", "off", "no"), "disable"),
}
_PG_SCHEMES = re.compile(
    r"postgres(?:ql)?(?:\+(?:psycopg|psycopg3|psycopg2|psycopg2cffi|asyncpg|pg8000|psycopg_async))?"
)
_ESCAPES = "write #, / and ? of its password as %23, %2F and %3F"
_REDIS_NAMES = {"valkey": "redis", "valkeys": "rediss"}
"""Valkey speaks the same protocol; its hosts name it so."""
_MAY_BE_EMPTY = frozenset(("sslmode", "sslcert", "sslkey", "sslrootcert", "schema", "options"))
_UNFILLED = re.compile(r"\$\{|\{\{|\[your[-_ ]password\]|<(?:password|db_password)>", re.IGNORECASE)
"""What hosts print where a password belongs, and references that a host did not resolve."""
POOLER = "pgbouncer"
"""Says that a pooler hands out connections by the transaction, so that nothing may be prepared."""


def _as_copied(text: str) -> str:
    """Without the quotes that belong to a file or a shell. Raises `ValueError` for a place still to be filled in."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if _UNFILLED.search(text):
        raise ValueError("holds a place that is still to be filled in: put the real value there.")
    return text


def redis_address(text: str) -> str:
    """An address that redis-py understands, without the options that are not its own. Raises `ValueError`."""
    text = _as_copied(text)
    scheme, separator, rest = text.partition("://")
    parts = _split(f"{_REDIS_NAMES.get(scheme.lower(), scheme)}{separator}{rest}")
    if (
        parts is None
        or parts.scheme not in {"redis", "rediss", "unix"}
        or not (parts.hostname or parts.scheme == "unix")
    ):
        raise ValueError("must start with redis://, rediss:// or unix://, and name a host.")
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise ValueError("must name the path of a socket after unix://.")
    if parts.fragment:
        raise ValueError(f"must be a plain address: {_ESCAPES}.")
    place = parts.path.strip("/") if parts.scheme != "unix" else ""
    if place and not place.isdecimal():
        raise ValueError("must end in the number of a database, such as /0, or in nothing.")
    kept = dict(_redis_option(parts.scheme, name, value) for name, value in _options(parts.query))
    return _joined(parts.scheme, parts, {name: value for name, value in kept.items() if value})


def _redis_option(scheme: str, name: str, value: str) -> tuple[str, str]:
    """What redis-py should get of it: an empty value for nothing."""
    given, name = name, name.lower()
    if name == "rejectunauthorized":
        name, value = "ssl_cert_reqs", value or "true"
    if name in {"ssl", "tls", "sslmode"} and _SSL_MODES.get(value.lower()) == "require" and scheme == "redis":
        raise ValueError("asks for TLS, which rediss:// does: write that instead of redis://.")
    if name in {*_REDIS_DROPPED, "ssl", "tls", "sslmode"} or (name in {"username", "password"} and not value):
        return name, ""
    if name == "db" and value.isdecimal():
        return name, value
    if name == "db":
        raise ValueError("has an option db that is no number.")
    if name in {"username", "password", "client_name"}:
        return name, value
    if name in _REDIS_TLS:
        return (name, _redis_tls(name, value)) if scheme == "rediss" else (name, "")
    raise ValueError(f"has an option that is not known here: {_shown(given)}. Take it out.")


def _redis_tls(name: str, value: str) -> str:
    if name == "ssl_check_hostname":
        return "true" if _SSL_MODES.get(value.lower()) == "require" else "false"
    if name != "ssl_cert_reqs":
        return value
    known = _CERT_REQS.get(value.lower())
    if known is None:
        raise ValueError("has an option ssl_cert_reqs that must be required, optional or none.")
    return known


def postgres_address(text: str) -> str:
    """A `postgresql+psycopg` address with options of libpq only. Raises `ValueError`."""
    scheme, _, rest = _as_copied(text).partition("://")
    parts = _split(f"postgresql://{rest}")
    if _PG_SCHEMES.fullmatch(scheme.lower()) is None or not rest:
        raise ValueError("must be sqlite:///a/path.db or postgresql://user:password@host/database.")
    if parts is None or parts.fragment:
        raise ValueError(f"must be postgresql://user:password@host/database: {_ESCAPES}.")
    kept: dict[str, str] = {}
    for name, value in _options(parts.query):
        found = _postgres_option(name, value) if value or name not in _MAY_BE_EMPTY else {}
        both = " ".join(part for part in (kept.get("options"), found.get("options")) if part)
        kept |= {**found, "options": both} if both else found
    return _joined("postgresql+psycopg", parts, kept)


def _postgres_option(name: str, value: str) -> Mapping[str, str]:
    if name in {"sslmode", "ssl"}:
        mode = _SSL_MODES.get(value.lower())
        if mode is None:
            raise ValueError(f"has an option {name} that must be disable, prefer, require, verify-ca or verify-full.")
        return {"sslmode": mode}
    if name == POOLER:
        return {POOLER: "true"} if value.lower() in {"true", "1"} else {}
    if name in {"schema", "search_path", "currentSchema"}:
        # Prisma's word for where the tables are.
        if value == "public":
            return {}
        if not re.fullmatch(r"[a-zA-Z_]\w{0,62}", value, re.ASCII):
            raise ValueError("has an option schema, search_path or currentSchema that is not one plain name.")
        return {"options": f"-csearch_path={value}"}
    if name in _PG_KNOWN:
        return {name: value}
    if name in _PG_DROPPED:
        return {}
    raise ValueError(f"has an option that is not known here: {_shown(name)}. Take it out.")


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    return (
        parts if re.fullmatch(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d+)?", host) and not re.search(r"\s", text) else None
    )


def _options(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _joined(scheme: str, parts: SplitResult, options: Mapping[str, str]) -> str:
    query = urlencode(options, quote_via=quote)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.replace('@', '%40')}{at}{host}"  # drivers differ on where a password with an @ ends
    return f"{scheme}://{netloc}{parts.path}{'?' if query else ''}{query}"


def _shown(name: str) -> str:
    """A name of an option; what could be the rest of a password is not repeated."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}", name) else "one that is no name"
