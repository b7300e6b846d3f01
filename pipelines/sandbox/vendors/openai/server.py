"""The OpenAI vendor under /openai/v1."""

from __future__ import annotations

import flask

from pipelines.sandbox.vendors.common.gate import bearer, mount
from pipelines.sandbox.vendors.kernel.engine import Engine
from pipelines.sandbox.vendors.openai import hooks, images, speech, text, videos
from pipelines.sandbox.vendors.openai.common import VENDOR, shape


def register(app: flask.Flask, found: Engine) -> None:
    """Mount text, videos, voices, pictures and webhook endpoints."""
    blueprint = flask.Blueprint("vendor_openai", __name__, url_prefix="/openai/v1")
    for part in (text, videos, speech, images, hooks):
        part.routes(blueprint)
    found.announcers[VENDOR] = videos.announce
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)
