"""How gunicorn runs the web process: `gunicorn --config python:webapp.server "webapp:create_app()"`.

One process with threads: SQLite has one writer anyway, and a thread that waits costs next to nothing. The application
is loaded where it serves; gunicorn's first process knows the settings only, and starts another if that one dies.
"""

import gc
import socket
import sys
import threading
from typing import Any

from pipelines.logs import configure_logging, log_handler
from pipelines.settings import Settings, SettingsError, load_settings

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
    configure_logging(_chosen.log_level, _chosen.log_format)
    metrics.begin_anew(worker.wsgi)


def _gunicorns_logs(settings: Settings) -> dict[str, Any]:
    """Gunicorn's lines as ours: of one form, and without the tokens that are part of some addresses."""
    return {
        "handlers": {"ours": {"()": lambda: log_handler(settings.log_format)}},
        "root": {"level": settings.log_level, "handlers": ["ours"]},
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("gunicorn.error", "gunicorn.access")},
    }


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        sys.exit(str(error))


def _bind(settings: Settings) -> str:
    """On loopback nobody else may knock. Elsewhere IPv6 too, where there is any: private networks may be IPv6 only."""
    if settings.loopback:
        return f"127.0.0.1:{settings.port}"
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return f"0.0.0.0:{settings.port}"
    return f"[::]:{settings.port}"


_chosen = _settings()
bind = _bind(_chosen)
workers = 1
worker_class = "gthread"
threads = _chosen.threads
timeout = 60
graceful_timeout = 20
keepalive = 65
accesslog = "-"
# Without the query string: it may hold a signed link.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
loglevel = _chosen.log_level.lower()
logconfig_dict = _gunicorns_logs(_chosen)
control_socket_disable = True
