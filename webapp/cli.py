"""What `flask` loads: the application with its commands, which no process needs that serves. Settings that cannot be
used, and a database that does not answer, are told instead of a traceback.
"""

from __future__ import annotations

import sys

from flask import Flask
from flask.cli import NoAppException

from pipelines.domain.errors import NotConfigured, Unavailable
from pipelines.settings import Settings, load_settings
from webapp import commands
from webapp.access import rules
from webapp.application import make_app


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Raises NoAppException with every problem of the settings, and UndeclaredError. Without its
    database the command ends here: Flask would go on, and say that there is no such command.
    """
    try:
        app = make_app(None, settings or load_settings())
    except NotConfigured as error:
        raise NoAppException(error.operator) from error
    except Unavailable as error:
        sys.exit(error.operator)
    commands.register(app)
    rules.check(app)
    return app
