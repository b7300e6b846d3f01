"""Addresses of database, queue and storage as hosts and other clients write them: told at boot, never a crash later."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from redis import Redis
from sqlalchemy import make_url

from pipelines.database.engine import make_engine
from pipelines.domain.errors import Unavailable
from pipelines.queueing import RqHints
from pipelines.settings import load_settings
from pipelines.settings.connection_urls import postgres_address, redis_address
from pipelines.settings.loading import SettingsError

HINTS = [("run", "run_1")]
NEON = "postgresql://u:x@ep-cool-1.neon.tech/d?options=endpoint%3Dep-cool-1&currentSchema=films"
HEROKU = "rediss://:p4@ec2-1.amazonaws.com:7460"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("redis://default:pw@host:6379?family=0", "redis://default:pw@host:6379"),
        ("redis://default:pw@host:6379/?family=0&db=2", "redis://default:pw@host:6379/?db=2"),
        ("redis://host:6379/3", "redis://host:6379/3"),
        ("redis://host?socket_timeout=600&retry_on_timeout=yes", "redis://host"),
        ("redis://host?ssl_cert_reqs=none", "redis://host"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=required&family=6", "rediss://host?ssl_cert_reqs=required"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("rediss://default:AXy_z@eu1-cat-1.upstash.io:6379", "rediss://default:AXy_z@eu1-cat-1.upstash.io:6379"),
        ("valkeys://default:AVNS_x@v-1.aivencloud.com:12345", "rediss://default:AVNS_x@v-1.aivencloud.com:12345"),
        ("valkey://red-abc:6379", "redis://red-abc:6379"),
        (f"{HEROKU}?rejectUnauthorized=false", f"{HEROKU}?ssl_cert_reqs=none"),
        ('"redis://default:pw@redis.railway.internal:6379"', "redis://default:pw@redis.railway.internal:6379"),
        ("redis://default:p@ss@host:6379/0", "redis://default:p%40ss@host:6379/0"),
        ("redis://[fd12::1]:6379", "redis://[fd12::1]:6379"),
        ("redis://h?maxRetriesPerRequest=null&enableReadyCheck=false", "redis://h"),
        ("redis://h?abortConnect=false", "redis://h"),
        ("rediss://h?sslmode=require", "rediss://h"),
    ],
)
def test_options_of_other_redis_clients_are_dropped(given: str, used: str, tmp_path: Path) -> None:
    assert load_settings({"REDIS_URL": given}, tmp_path).redis_url == used
    Redis.from_url(used).connection_pool.make_connection()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("redis://host?colour=blue", "an option that is not known here: colour"),
        ("redis://host/zero", "number of a database"),
        ("redis://h?keyPrefix=x", "an option that is not known here: keyPrefix"),
        ("redis://h?sslmode=require", "rediss://"),
        ("redis://default:${REDISPASSWORD}@h:6379", "still to be filled in"),
        ("${{Redis.REDIS_URL}}", "still to be filled in"),
        ("redis://host?db=zero", "db that is no number"),
        ("rediss://host?ssl_cert_reqs=maybe", "required, optional or none"),
        ("redis://host?ssl=true", "rediss://"),
        ("redis://host:99999", "must start with redis://"),
        ("redis://default:p#w@host:6379", "must start with redis://"),
        ("redis://default:p@host:6379/0#x", "%23"),
        ("unix://", "path of a socket"),
        ("http://host", "must start with redis://"),
    ],
)
def test_a_redis_address_that_cannot_be_used_is_told_at_boot(given: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"REDIS_URL": given}, tmp_path)
    [(name, sentence)] = caught.value.problems
    assert name == "REDIS_URL"
    assert said in sentence


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("postgres://u:p@h/d?pgbouncer=true", {"pgbouncer": "true"}),
        ("postgres://u:p@h/d?pgbouncer=false&connection_limit=1&pool_timeout=0", {}),
        ("postgresql://u:p@h/d?schema=public", {}),
        ("postgresql://u:p@h/d?schema=films", {"options": "-csearch_path=films"}),
        ("postgresql://u:p@h/d?sslmode=no-verify", {"sslmode": "require"}),
        ("postgresql://u:p@h/d?ssl=true", {"sslmode": "require"}),
        ("postgresql+asyncpg://u:p@h/d?statement_cache_size=0", {}),
        ("postgresql://u:p@h/d?sslmode=verify-full&application_name=a%20b", None),
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql"}),
        ("POSTGRES://u:p@h/d?sslmode=&sslcert=&sslkey=", {}),
        ("postgresql+psycopg3://u:p@h/d", {}),
        ("'postgres://u:p@dpg-abc-a.oregon-postgres.render.com/d'", {}),
        ("postgres://u:p@h/d?sslmode=require&uselibpqcompat=true", {"sslmode": "require"}),
        ("postgres://u:p@h/d?default_query_exec_mode=simple_protocol&max_conns=5", {}),
        ("postgres://u:p@h/d?search_path=films", {"options": "-csearch_path=films"}),
        (NEON, {"options": "endpoint=ep-cool-1 -csearch_path=films"}),
    ],
)
def test_options_of_other_postgres_clients_are_brought_to_ours(
    given: str, query: dict[str, str] | None, tmp_path: Path
) -> None:
    used = load_settings({"DATABASE_URL": given}, tmp_path).database_url
    assert used.startswith("postgresql+psycopg://")
    found = dict(make_url(used).query)
    assert found == (query if query is not None else {"sslmode": "verify-full", "application_name": "a b"})
    engine = make_engine(used, pooled=False)
    make_conninfo(**{name: str(value) for name, value in engine.url.query.items()})
    assert "pgbouncer" not in engine.url.query


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("DATABASE_URL", "postgresql://u:p@h/d?colour=blue", "an option that is not known here: colour"),
        ("DATABASE_URL", "postgresql://u:p@h/d?sslmode=maybe", "sslmode that must be"),
        ("DATABASE_URL", "postgresql://u:p@h/d?ssl", "ssl that must be"),
        ("DATABASE_URL", "postgresql://postgres.ab:[YOUR-PASSWORD]@h:5432/d", "still to be filled in"),
        ("DATABASE_URL", "postgresql://postgres:${{PGPASSWORD}}@h/d", "still to be filled in"),
        ("DATABASE_URL", "postgresql://u:p@h/d?schema=a b", "must be postgresql://"),
        ("DATABASE_URL", "postgresql://u:p#w@h/d", "%23"),
        ("DATABASE_URL", "mysql://u:p@h/d", "must be sqlite:///"),
        ("DATABASE_URL", "sqlite:////srv/a.db?mode=ro", "takes no options"),
        ("STORAGE_URL", "s3://bucket/films?region=eu", "AWS_REGION"),
        ("STORAGE_URL", "file:var/media?x=1", "takes no options"),
    ],
)
def test_an_address_with_an_odd_option_is_refused_under_its_variable(
    name: str, given: str, said: str, tmp_path: Path
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(SettingsError) as caught:
        load_settings({name: given, **keys}, tmp_path)
    [(variable, sentence)] = caught.value.problems
    assert variable == name
    assert said in sentence


def test_a_password_with_an_at_sign_stays_a_password() -> None:
    made = make_engine(postgres_address("postgresql://u:p@ss@h/d"), pooled=False).url
    assert (made.username, made.password, made.host) == ("u", "p@ss", "h")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abz019:/?#&=@%[]._-+ é", max_size=30), st.sampled_from(["redis://", "rediss://", "unix://"]))
def test_whatever_redis_address_is_taken_a_client_can_be_made_of_it(text: str, scheme: str) -> None:
    try:
        used = redis_address(scheme + text)
    except ValueError:
        return
    Redis.from_url(used).connection_pool.make_connection()


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abz019:/?#&=@%[]._-+ é", max_size=30))
def test_whatever_postgres_address_is_taken_an_engine_can_be_made_of_it(text: str) -> None:
    try:
        used = postgres_address(f"postgres://{text}")
    except ValueError:
        return
    make_engine(used, pooled=False)


# ---------------------------------------------------------------- a wake-up never raises


@pytest.fixture(params=[b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n", b"-ERR no\r\n", b""])
def odd_server(request: pytest.FixtureRequest) -> Iterator[int]:
    """Something that listens and is no Redis."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(4096)
                peer.sendall(request.param)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.logs_errors
def test_a_wake_up_never_raises_whatever_answers(odd_server: int) -> None:
    assert RqHints(f"redis://127.0.0.1:{odd_server}").send(HINTS) is False


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    "url",
    [
        "redis://default:pw@127.0.0.1:1?family=0",
        "redis://127.0.0.1:1?colour=blue",
        "redis://127.0.0.1:1?ssl_cert_reqs=none",
        "nonsense",
        "redis://127.0.0.1:99999",
    ],
)
def test_a_wake_up_never_raises_whatever_the_address(url: str) -> None:
    assert RqHints(url).send(HINTS) is False
    with pytest.raises(Unavailable):
        RqHints(url).check()
