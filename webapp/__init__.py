"""The door for HTTP: API, webhooks, pages, media and health; `webapp.cli` adds the command line. Reaches the core
through bootstrap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from pipelines.settings import Settings
    from pipelines.stages.kernel.services import Services


def create_app(services: Services | None = None, settings: Settings | None = None) -> Flask:
    """The application on real settings, or on what a test hands in. Brings the database up to date. Where it cannot
    serve, because of its settings or without its database, it says so in a sentence and ends the process.
    """
    # Here, so that who asks for `webapp.server` alone loads none of it: gunicorn's first process only watches.
    from webapp.application import giving_up, make_app

    with giving_up():
        return make_app(services, settings)
