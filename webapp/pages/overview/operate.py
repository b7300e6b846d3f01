"""How the service is, for its operator."""

from __future__ import annotations

from flask import render_template

from pipelines.stages.views import operation
from pipelines.stages.views.operation import Level, Line
from webapp import health
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import stopped
from webapp.context import actor, services
from webapp.pages.blueprint import bp

_WORDS = {Level.BAD: ("bad", "Act now"), Level.WARNING: ("warn", "Look"), Level.FINE: ("good", "Fine")}


@bp.get("/operate")
@declares(Door.SESSION, Owner.OPERATOR, "admin")
def operate_page() -> str:
    """The Stop switch, then a line for each subject, the worst first. Nothing here repeats a paid request."""
    core = services()
    lines = sorted([*operation.lines(core), _broker()], key=lambda line: line.level)
    shown = [{"line": line, "tone": _WORDS[line.level][0], "word": _WORDS[line.level][1]} for line in lines]
    return render_template("operate.html", person=actor(), lines=shown, stop=stopped())


def _broker() -> Line:
    if health.broker_answers(services()):
        return Line("Redis", Level.FINE, "It answers.")
    advice = "Nothing is lost: the pump finds due rows by itself. Start it, or look at REDIS_URL."
    return Line("Redis", Level.WARNING, "It does not answer.", advice)
