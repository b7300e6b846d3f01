"""The control plane: `/vendors/_control` turns the dials, its `/stats` counts, `/bill` shows what was sold."""

from __future__ import annotations

import flask
from pydantic import ValidationError
from werkzeug.wrappers import Response

from pipelines.sandbox.vendors.kernel.engine import DEAD_LINKS, engine

VENDORS = ("openai", "gemini", "kie", "openrouter", "veo", "minimax", "byteplus", "fal", "elevenlabs")


def blueprint() -> flask.Blueprint:
    """Routes without a key; they belong to the operator of the sandbox."""
    control = flask.Blueprint("vendors_control", __name__)
    control.get("/bill")(bill)
    control.get(f"{DEAD_LINKS}/<name>")(dead_link)
    control.get("/vendors/_control")(show)
    control.post("/vendors/_control")(turn)
    control.post("/vendors/_control/faults")(turn)
    control.get("/vendors/_control/stats")(stats)
    return control


def bill() -> Response:
    """Every accepted create, one line each."""
    return flask.jsonify(engine().bill())


def dead_link(name: str) -> Response:
    """What a bucket says of a link whose token has expired."""
    del name
    error = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{error}', status=400, mimetype="application/xml")


def stats() -> Response:
    """Requests per vendor and route, creates, polls, lists, contents, webhooks, the most jobs at once."""
    found = engine()
    return flask.jsonify({**found.counts.report(), "running": found.books.running()})


def show() -> Response:
    """The dials as they stand."""
    found = engine()
    dials = {"everywhere": found.dials.everywhere.model_dump(), "vendors": found.dials.overrides}
    return flask.jsonify({**dials, "secrets": found.secrets})


def turn() -> Response:
    """Turn dials: `{dial: value, …, vendor?, seed?, secrets?, reset?, finish?}`; answers with the dials.

    `reset` forgets jobs, bill, endpoints, counts and dials first; `finish` ends every unfinished job last.
    """
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        return _bad("The body must be a JSON object.")
    found = engine()
    vendor = body.pop("vendor", None)
    if vendor is not None and vendor not in VENDORS:
        return _bad(f"vendor must be one of {', '.join(VENDORS)}.")
    if body.pop("reset", False):
        for part in (found.books, found.dials, found.counts, found.window):
            part.reset()
    if "seed" in body:
        found.dials.seed(int(body.pop("seed")))
    found.secrets.update({str(name): str(secret) for name, secret in dict(body.pop("secrets", {})).items()})
    finish = body.pop("finish", False)
    try:
        found.dials.set(body, vendor)
    except ValidationError as problem:
        return _bad(str(problem))
    if finish:
        found.finish_all()
    return show()


def _bad(message: str) -> Response:
    answer = flask.jsonify({"error": message})
    answer.status_code = 400
    return answer
