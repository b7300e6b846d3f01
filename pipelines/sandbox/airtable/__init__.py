"""An Airtable of one's own: the v0 API as HTTP, with its limits, its asynchrony and its failures."""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from pipelines.sandbox.airtable.api import comments_api, control, files_api, gate, meta_api, records_api, webhooks_api
from pipelines.sandbox.airtable.cells.attachments import schedule
from pipelines.sandbox.airtable.state.errors import not_found
from pipelines.sandbox.airtable.state.store import FIRST_BASE, World
from pipelines.sandbox.airtable.webhooks import payloads
from pipelines.sandbox.airtable.webhooks.pings import ping_due

__all__ = ["FIRST_BASE", "World", "register", "resume"]

_PARTS = (records_api, meta_api, files_api, comments_api, webhooks_api, control)


def register(app: Flask, world: World) -> None:
    """Mount everything under `/airtable`."""
    pages = Blueprint("airtable", __name__, url_prefix="/airtable")
    for part in _PARTS:
        pages.register_blueprint(part.blueprint(world))

    @pages.route("/v0/", defaults={"rest": ""}, methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
    @pages.route("/v0/<path:rest>", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
    def unknown(rest: str) -> Response:  # noqa: ARG001 - the route needs it
        return gate.answer_error(not_found())

    app.register_blueprint(pages)
    gate.install(app, world)
    world.observers.append(payloads.observe)


def resume(world: World) -> None:
    """Take up what a killed predecessor left: fetches that were pending and pings that were due."""
    with world.lock:
        for attachment in world.attachments.values():
            if attachment.state == "pending":
                schedule(world, attachment)
        for base in world.bases.values():
            ping_due(world, base)
