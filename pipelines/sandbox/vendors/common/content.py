"""Files as answers."""

from __future__ import annotations

import io

import flask
from werkzeug.wrappers import Response


def send(body: bytes, media_type: str) -> Response:
    """Bytes with Range and HEAD."""
    return flask.send_file(io.BytesIO(body), mimetype=media_type, conditional=True, max_age=0)
