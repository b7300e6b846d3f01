"""Log lines on standard error, without secrets."""

from __future__ import annotations

import logging
import re
import sys

from pythonjsonlogger.json import JsonFormatter

HIDDEN = "[hidden]"

_SECRETS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?i)(\bbearer\s+)[^\s\"',]{6,}",
        r"(?i)(authorization\W+basic\s+)[^\s\"',]+",
        r"(?i)([?&;](?:t|token|key|api_key|access_token|signature|sig|x-amz-[a-z-]+)=)[^\s&\"'<>]+",
        r"(://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(/(?:v|media|api/webhook/[a-z]+)/)[A-Za-z0-9._~=-]{16,}",
        r"(\bwhsec_)[A-Za-z0-9+/=_-]+",
        r"(\bsk-)[A-Za-z0-9_-]{8,}",
        r"(\bpat)[A-Za-z0-9]{14}\.[0-9a-f]{16,}",
        r"(\brg_[0-9a-f]{12}_)[A-Za-z0-9_-]{16,}",
        r"(\bAIza)[A-Za-z0-9_-]{20,}",
    )
)
_CHATTY = ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3")


def redact(text: str) -> str:
    """The text with everything that looks like a secret hidden; what remains tells which kind it was."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


class RedactingFilter(logging.Filter):
    """Hides secrets in messages and tracebacks. Belongs on handlers: a logger's filter misses its children."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; it always passes."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


class RedactedJsonFormatter(JsonFormatter):
    """One JSON object a line: time (UTC), level, logger, message, what was given as `extra`, and the traceback."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            timestamp="time",
            json_ensure_ascii=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON, with secrets hidden in what was given as `extra` too."""
        return redact(super().format(record))


def quiet_http_logs() -> None:
    """The HTTP clients log whole addresses at INFO, signatures and tokens included: let only warnings pass."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def configure_logging(level: str = "INFO", style: str = "text") -> None:
    """Send all logs to standard error, redacted, as `text` or `json`. Replaces the root logger's handlers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter())
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(RedactedJsonFormatter() if style == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    quiet_http_logs()
