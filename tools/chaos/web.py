"""The web process with crash points and a clock from outside; else unchanged."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from pipelines.bootstrap import build_services, rq_hints
from pipelines.settings import load_settings
from tools.chaos.points import FOLDER, CrashingPoints, SetClock
from webapp import create_app


def create() -> Flask:
    """As `webapp:create_app()`."""
    settings = load_settings()
    points, clock = CrashingPoints.of_environment(), SetClock(Path(os.environ[FOLDER]))
    return create_app(build_services(settings, hints=rq_hints(settings), points=points, clock=clock), settings)
