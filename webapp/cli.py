"""What `flask` loads: the application with its commands, which no process needs that serves. Settings that cannot be
used are told as a list instead of a traceback.
"""

from __future__ import annotations

from flask import Flask
from flask.cli import NoAppException

import webapp
from pipelines.domain.errors import NotConfigured
from pipelines.settings import Settings, load_settings
from webapp import commands
from webapp.access import rules


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Raises NoAppException with every problem of the settings, and UndeclaredError."""
    try:
        app = webapp.create_app(settings=settings or load_settings())
    except NotConfigured as error:
        raise NoAppException(error.operator) from error
    commands.register(app)
    rules.check(app)
    return app
