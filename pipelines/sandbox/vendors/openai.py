"""The OpenAI vendor under /openai/v1."""

from __future__ import annotations

import flask

from pipelines.sandbox.vendors import openai_hooks, openai_text, openai_videos
from pipelines.sandbox.vendors.engine import Engine
from pipelines.sandbox.vendors.gate import bearer, mount
from pipelines.sandbox.vendors.openai_common import VENDOR, shape


def register(app: flask.Flask, found: Engine) -> None:
    """Mount text, videos and webhook endpoints."""
    blueprint = flask.Blueprint("vendor_openai", __name__, url_prefix="/openai/v1")
    for part in (openai_text, openai_videos, openai_hooks):
        part.routes(blueprint)
    found.announcers[VENDOR] = openai_videos.announce
    mount(app, blueprint, VENDOR, key=bearer, shape=shape)
