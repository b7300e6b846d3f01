"""Log lines without secrets, with the ids of what they are about: JSON on standard output, text on standard error."""

from __future__ import annotations

import logging
import re
import sys
from types import TracebackType

from pythonjsonlogger.json import JsonFormatter

from pipelines.environment import LogStyle
from pipelines.observability import log_context

HIDDEN = "[hidden]"

_SECRETS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?i)(\bbearer\s+)[^\s\"',]{6,}",
        r"(?i)(authorization\W+basic\s+)[^\s\"',]+",
        r"(?i)([?&;](?:t|token|key|api_key|access_token|signature|sig|x-amz-[a-z-]+)=)[^\s&\"'<>]+",
        r"(://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(/(?:v|s|media|api/webhook/[a-z]+)/)[A-Za-z0-9._~=-]{16,}",
        r"(?i)((?:payment-signature|x-payment)\W+)[A-Za-z0-9+/=_-]{16,}",
        r"(\bwhsec_)[A-Za-z0-9+/=_-]+",
        r"(\bsk-)[A-Za-z0-9_-]{8,}",
        r"(\bpat)[A-Za-z0-9]{14}\.[0-9a-f]{16,}",
        r"(\brg_[0-9a-f]{12}_)[A-Za-z0-9_-]{16,}",
        r"(\bAIza)[A-Za-z0-9_-]{20,}",
        r"(\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    )
)
_OURS = frozenset({"pipelines", "webapp", "worker"})
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


class ContextFilter(logging.Filter):
    """Tells what a line is about, and of a traceback where the defect is. Belongs on handlers, like the other one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Give the record the ids that it does not state itself; it always passes."""
        for name, value in log_context.current().items():
            record.__dict__.setdefault(name, value)
        if record.exc_info and record.exc_info[0]:
            record.__dict__["fingerprint"] = f"{record.exc_info[0].__name__}@{_innermost(record.exc_info[2])}"
        return True


def _innermost(trace: TracebackType | None) -> str:
    """The module and function of ours that is nearest to the fault: equal for equal defects, whatever the line says."""
    found = ""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if not found or module.partition(".")[0] in _OURS:
            found = f"{module}.{trace.tb_frame.f_code.co_name}"
        trace = trace.tb_next
    return found


class ContextFormatter(logging.Formatter):
    """Text for people; the ids stand in brackets behind the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without its traceback."""
        about = {name: value for name, value in log_context.current().items() if name.endswith("_id")}
        ids = [value for value in about.values() if value not in record.message]
        return super().formatMessage(record) + (f" [{' '.join(ids)}]" if ids else "")


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


def log_handler(style: LogStyle = "auto") -> logging.Handler:
    """Where lines go and how they look. `auto` is text for a person at a terminal, else JSON: a host takes text on
    standard error for errors.
    """
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stdout if as_json else sys.stderr)
    handler.addFilter(RedactingFilter())
    handler.addFilter(ContextFilter())
    handler.setFormatter(RedactedJsonFormatter() if as_json else ContextFormatter())
    return handler


def configure_logging(level: str = "INFO", style: LogStyle = "auto") -> None:
    """Send all logs there, redacted. Replaces the root logger's handlers."""
    logging.basicConfig(level=level, handlers=[log_handler(style)], force=True)
    quiet_http_logs()
