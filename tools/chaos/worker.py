"""`python -m tools.chaos.worker`: the worker service with crash points and a clock from outside; else unchanged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipelines.bootstrap import build_services, rq_hints
from pipelines.net import configure_logging
from pipelines.settings import load_settings
from pipelines.stages.kernel.services import Services
from tools.chaos.points import FOLDER, CrashingPoints, SetClock
from worker.__main__ import main


def run() -> int:
    """As `python -m worker`."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    points, clock = CrashingPoints.of_environment(), SetClock(Path(os.environ[FOLDER]))

    def build(owner: str) -> Services:
        return build_services(settings, owner=owner, hints=rq_hints(settings), points=points, clock=clock)

    return main(settings, build)


if __name__ == "__main__":
    sys.exit(run())
