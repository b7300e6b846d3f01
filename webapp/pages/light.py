"""A page in few bytes, in which nothing can be guessed from how few they are."""

from __future__ import annotations

import re
import zlib

from flask import Response, request
from flask_wtf.csrf import generate_csrf

_SIGNED = r"/(?:media|v|s)/[^\"]+"
_GZIP = 31
"""The window of zlib that writes gzip's header and trailer."""


def squeezed(html: str, status: int = 200) -> Response:
    """A page compressed, for a browser that takes it.

    Its form token and its signed links to files share no window with anything else: whoever makes words appear on the
    page, and sees how long the answer is, learns nothing of them by it (BREACH). Not for pages that hold other secrets,
    nor for what shows others' words beside those of its address.
    """
    if not request.accept_encodings.quality("gzip"):
        return Response(html, status, {"Vary": "Accept-Encoding"}, mimetype="text/html")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    body = b""
    for piece in re.split(f"({re.escape(generate_csrf())}|{_SIGNED})", html):
        body += squeeze.compress(piece.encode()) + squeeze.flush(zlib.Z_FULL_FLUSH)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(body + squeeze.flush(), status, headers, mimetype="text/html")
