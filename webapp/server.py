"""How gunicorn runs the web process: `gunicorn --config python:webapp.server "webapp:create_app()"`.

One process with threads: SQLite has one writer anyway, and a thread that waits costs next to nothing. The application
is loaded where it serves, with the settings; gunicorn's first process knows only where to listen and how to log, and
starts another if that one dies.
"""

import gc
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pipelines import environment
from pipelines.environment import Bind, LogStyle, Origin
from pipelines.logs import configure_logging, log_handler

BOOTING_S = 5.0
"""How often a process that is being started says that it lives."""
_serves = threading.Event()


def pre_fork(_server: Any, _worker: Any) -> None:
    """What is loaded is shared with the process that serves, as long as no collection writes into all of it."""
    gc.collect()
    gc.freeze()


def post_fork(_server: Any, worker: Any) -> None:
    """Bringing a database up to date may take longer than gunicorn lets anybody be silent."""
    threading.Thread(target=_say_alive, args=(worker,), name="booting", daemon=True).start()


def _say_alive(worker: Any) -> None:
    while not _serves.wait(BOOTING_S):
        worker.notify()


def post_worker_init(worker: Any) -> None:
    """The application's own log lines, and its counts."""
    from webapp import metrics

    _serves.set()
    # What is loaded now stays: no collection goes through it again.
    gc.collect()
    gc.freeze()
    configure_logging(_log_level, _log_format)
    metrics.begin_anew(worker.wsgi)


def _gunicorns_logs(level: str, style: LogStyle) -> dict[str, Any]:
    """Gunicorn's lines as ours: of one form, and without the tokens that are part of some addresses."""
    return {
        "handlers": {"ours": {"()": lambda: log_handler(style)}},
        "root": {"level": level, "handlers": ["ours"]},
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("gunicorn.error", "gunicorn.access")},
    }


def _refuse() -> None:
    """Ends with all that is wrong with the settings."""
    from pipelines.settings import SettingsError, load_settings

    try:
        load_settings()
    except SettingsError as error:
        sys.exit(str(error))


def _bind(url: str, port: int, chosen: Bind) -> str:
    """On loopback nobody else may knock. Elsewhere IPv6 too, where there is any: private networks may be IPv6 only."""
    if chosen == "auto" and Origin.of(url).loopback:
        return f"127.0.0.1:{port}"
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return f"0.0.0.0:{port}"
    return f"[::]:{port}"


try:
    # All but these few choices is read and judged where it serves.
    _set = environment.merged(environment.dotenv(Path.cwd() / ".env"), environment.inherited())
    bind = _bind(environment.public_url(_set), environment.PORT.of(_set), environment.LISTEN_ON.of(_set))
    threads = environment.THREADS.of(_set)
    _log_level, _log_format = environment.LOG_LEVEL.of(_set), environment.LOG_FORMAT.of(_set)
except (OSError, ValueError):
    _refuse()
    raise
workers = 1
worker_class = "gthread"
timeout = 60
graceful_timeout = 20
keepalive = 65
accesslog = "-"
# Without the query string: it may hold a signed link.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
loglevel = _log_level.lower()
logconfig_dict = _gunicorns_logs(_log_level, _log_format)
control_socket_disable = True
