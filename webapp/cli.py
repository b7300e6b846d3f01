"""What `flask` loads: the application, with settings that cannot be used told as a list instead of a traceback."""

from __future__ import annotations

from flask import Flask
from flask.cli import NoAppException

import webapp
from pipelines.domain.errors import NotConfigured


def create_app() -> Flask:
    """The application. Raises NoAppException with every problem of the settings."""
    try:
        return webapp.create_app()
    except NotConfigured as error:
        raise NoAppException(error.operator) from error
