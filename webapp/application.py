"""What answers: the Flask application with everything that it loads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from pipelines.bootstrap import secret_keys
from pipelines.domain.errors import NotConfigured, Unavailable
from pipelines.security.secret_keys import SecretKeys
from pipelines.settings import Settings, load_settings
from pipelines.stages.kernel.services import Services
from pipelines.stages.recovery import after_restore
from webapp import agents, concurrency, errors, health, media, metrics, pages, security, tracing
from webapp.access import auth, doors, limits
from webapp.api import blueprint, openapi
from webapp.api.following import watch
from webapp.bodies import JSON_LIMIT
from webapp.context import KEYS, SERVICES, SETTINGS
from webapp.webhooks import inbound, stripe

SESSION = timedelta(hours=12)
GIVE_UP = 3
"""Gunicorn's exit code of a process that need not be started again at once: it would fail the same way. Gunicorn ends
with it, and whoever started that may try again.
"""


def make_app(services: Services | None, settings: Settings | None) -> Flask:
    """As `webapp.create_app`. Raises NotConfigured and Unavailable."""
    chosen = settings or load_settings()
    core = services or _real(chosen)
    core.store.migrate()
    after_restore.before_answering(core)
    app = Flask(__name__)
    keys = secret_keys(chosen, core.store)
    app.config.from_mapping(_config(chosen, keys))
    app.extensions.update({SERVICES: core, SETTINGS: chosen, KEYS: keys})
    metrics.register(app, core)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    csrf = CSRFProtect(app)
    for exempt in (blueprint(), agents.bp, inbound.bp, stripe.bp, media.bp, health.bp, openapi.bp):
        csrf.exempt(exempt)
        app.register_blueprint(exempt)
    app.register_blueprint(pages.bp)
    for part in (errors, auth, pages, doors):
        part.register(app)
    limits.register(app, chosen.account_reads_per_minute, chosen.account_webhooks_per_minute)
    concurrency.register(app, chosen.threads)
    watch.register(app, core)
    tracing.register(app)
    security.register(app, chosen, media.films_at(core, chosen))
    # Whoever makes it may fork then.
    core.store.disconnect()
    return app


def _real(settings: Settings) -> Services:
    # Imported here: whoever hands in services of their own needs none of the adapters.
    from pipelines.bootstrap import build_services, rq_hints

    # Hints are never sent from here; /ready asks whether the broker answers. Who waits keeps no connection.
    return build_services(settings, hints=rq_hints(settings), threads=max(8, settings.threads // 2))


@contextmanager
def giving_up() -> Iterator[None]:
    """Ends the process with one sentence where it cannot serve."""
    try:
        yield
    except (NotConfigured, Unavailable) as error:
        sys.stderr.write(f"{error.operator}\n")
        sys.exit(GIVE_UP)


def _config(settings: Settings, keys: SecretKeys) -> dict[str, object]:
    newest, *former = keys.for_sessions
    return {
        "SECRET_KEY": newest,
        "SECRET_KEY_FALLBACKS": former,
        "MAX_CONTENT_LENGTH": JSON_LIMIT,
        "MAX_FORM_MEMORY_SIZE": JSON_LIMIT,
        "MAX_FORM_PARTS": 100,
        "PERMANENT_SESSION_LIFETIME": SESSION,
        "SESSION_COOKIE_NAME": "reelgrid",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.public_url.startswith("https://"),
        # A page may stay open for hours; the token dies with the session.
        "WTF_CSRF_TIME_LIMIT": None,
        # We compare Origin and Sec-Fetch-Site ourselves: behind a proxy a Referer check refuses good people.
        "WTF_CSRF_SSL_STRICT": False,
    }
