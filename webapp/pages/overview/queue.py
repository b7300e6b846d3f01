"""What waits for what, and since when."""

from __future__ import annotations

from flask import render_template

from pipelines.stages.views import queue
from webapp.access.rules import Door, Owner, declares
from webapp.api.operate import stopped
from webapp.context import actor, services
from webapp.pages.blueprint import bp


@bp.get("/queue")
@declares(Door.SESSION, Owner.ACCOUNT)
def queue_page() -> str:
    """The films that are not done, by what they wait for; the oldest first."""
    return render_template("queue.html", person=actor(), groups=queue.queue(services()), stop=stopped())
