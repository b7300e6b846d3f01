"""Log lines carry no secret, whoever wrote them."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.keys import new_token
from pipelines.environment import LogStyle
from pipelines.logs import ContextFilter, log_handler
from pipelines.net import RedactingFilter, redact
from pipelines.ports import log_context
from pipelines.sandbox.vendors.kernel.delivery import new_secret
from pipelines.security.api_keys import new_api_key
from pipelines.security.links import sign_media
from pipelines.security.secret_keys import SecretKeys
from pipelines.storage.keys import checked_key

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "bearer": ("Authorization: Bearer {}", "abcdef.123456"),
    "basic": ("{{'Authorization': 'Basic {}'}}", "dXNlcjpodW50ZXIy"),
    "openai": ("key {}", "sk-proj-abc_DEF-1234567890"),
    "airtable": ("token={} x", "patABCDEFGHIJKLMN.0123456789abcdef0123456789abcdef"),
    "airtable bare": ("using {}!", "patABCDEFGHIJKLMN.0123456789abcdef0123456789abcdef"),
    "webhook": ("secret {}", new_secret()),
    "ours": ("{}", new_api_key().key),
    "s3": ("GET https://s3/b/k?X-Amz-Credential=a&X-Amz-Signature={}&x=1", "0a1b2c3d4e5f"),
    "signed query": ("/runs/1?t={}", "abc.def"),
    "gemini": ("https://g/v1beta/files?key={}", "AIzaSyA-1234567890abcdefghij"),
    "gemini bare": ("{}", "AIzaSyA-1234567890abcdefghij"),
    "media link": ("/media/{}/film.mp4", sign_media(SecretKeys("s" * 32), "cuts/a.mp4", 10)),
    "view link": ("GET /v/{} 200", new_token()),
    "share link": ("GET /s/{}/comments 303", new_token()),
    "callback": ("/api/webhook/kie/{}", new_token()),
    "token of a provider": ("got {}", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWFkYQ"),
    "database": ("postgresql://user:{}@host/db", "hunter2"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_of_secret_is_hidden(kind: str) -> None:
    around, secret = SECRETS[kind]
    shown = redact(around.format(secret))
    assert secret not in shown
    assert "[hidden]" in shown


@pytest.mark.parametrize(
    "text",
    [
        "run run_12 of recABCDEFGHIJKLMN is done in 3.2 s: /media/clips/a.mp4",
        "a basic understanding, sk-1, patience, whsec",
        "https://api.example/v1/videos?limit=20&after=video_1",
        "/v/short and /runs/1?tab=costs",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_filtered_record_hides_arguments_and_tracebacks() -> None:
    try:
        int("sk-secret-in-a-traceback")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "calling %s", ("https://u:hunter2@h/",), sys.exc_info())
    assert RedactingFilter().filter(record)
    shown = logging.Formatter().format(record)
    assert "hunter2" not in shown
    assert "sk-secret" not in shown
    assert "ValueError" in shown


PROGRAM = """
import logging, sys
from pipelines.net import configure_logging
configure_logging("INFO", sys.argv[1])
log = logging.getLogger("pipelines.demo")
log.info("step of %s with %s", "run_1", "sk-abcdefghijkl", extra={"run_id": "run_1", "link": "/v/" + "a" * 43})
log.debug("not shown")
logging.getLogger("httpx").info("HTTP Request: GET https://host/?X-Amz-Signature=1234567890")
logging.getLogger("urllib3.connectionpool").info("chatty")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it broke")
print("stdout is for results")
"""


def run(style: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, style], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )


def test_json_logs_are_one_redacted_object_a_line_on_standard_output() -> None:
    """On standard error a host takes every line for an error."""
    done = run("json")
    assert done.stderr == ""
    first, second = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert first["message"] == "step of run_1 with sk-[hidden]"
    assert (first["level"], first["logger"], first["run_id"]) == ("INFO", "pipelines.demo", "run_1")
    assert first["link"] == "/v/[hidden]"
    assert "ZeroDivisionError" in second["traceback"]
    assert second["fingerprint"] == "ZeroDivisionError@__main__.<module>"


def test_without_a_terminal_lines_are_for_machines() -> None:
    assert json.loads(run("auto").stdout.splitlines()[0])["message"] == "step of run_1 with sk-[hidden]"


def test_at_a_terminal_lines_are_for_people() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "auto"], cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs):
        os.close(theirs)
        shown = b""
        with suppress(OSError):
            while piece := os.read(ours, 65_536):
                shown += piece
    os.close(ours)
    assert b"INFO    pipelines.demo: step of run_1" in shown


def line_of(style: LogStyle, message: str, **extra: str) -> str:
    """A line as it is written."""
    handler = log_handler(style)
    record = logging.LogRecord("pipelines.demo", logging.INFO, "f", 1, message, (), None)
    record.__dict__.update(extra)
    for rule in handler.filters:
        assert rule.filter(record)  # type: ignore[union-attr]
    return handler.format(record)


def test_a_line_carries_the_ids_of_what_it_is_about() -> None:
    log_context.begin()
    with log_context.about(run_id="run_1", key_id=None):
        log_context.add(generation_id="gen_2")
        told = json.loads(line_of("json", "bought gen_2"))
        assert line_of("text", "bought gen_2").endswith("pipelines.demo: bought gen_2 [run_1]")
        with log_context.about(run_id="run_3"):
            assert log_context.current() == {"run_id": "run_3"}
    assert {name: told[name] for name in ("run_id", "generation_id")} == {"run_id": "run_1", "generation_id": "gen_2"}
    assert "key_id" not in told
    assert "run_id" not in json.loads(line_of("json", "afterwards"))


def test_what_a_line_says_itself_wins() -> None:
    with log_context.about(run_id="run_1"):
        assert json.loads(line_of("json", "another", run_id="run_2"))["run_id"] == "run_2"


def test_equal_defects_have_one_fingerprint() -> None:
    """Whatever the values and the lines are: any log tool groups by it."""

    def fingerprint(what: str) -> str:
        try:
            checked_key(what)
        except InvalidOrder:
            record = logging.LogRecord("x", logging.ERROR, "f", 1, "it broke", (), sys.exc_info())
        assert ContextFilter().filter(record)
        return str(record.__dict__["fingerprint"])

    assert fingerprint("../x") == fingerprint("/y") == "InvalidOrder@pipelines.storage.keys.checked_key"


def test_text_logs_are_redacted_and_the_http_clients_are_quiet() -> None:
    shown = run("text").stderr
    assert "step of run_1 with sk-[hidden]" in shown
    assert "ZeroDivisionError" in shown
    assert "Amz" not in shown
    assert "chatty" not in shown
    assert "not shown" not in shown
