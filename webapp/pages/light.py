"""A page in few bytes, in which nothing can be guessed from how few they are."""

from __future__ import annotations

import re
import zlib
from functools import partial
from urllib.parse import quote, quote_plus

from flask import Response, request
from flask_wtf.csrf import generate_csrf
from markupsafe import escape

_GZIP = 31
"""The window of zlib that writes gzip's header and trailer."""
_LONG = r"[\w.~%=-]{40,}"
"""Whatever is as long as a form's token, a signature or a link's secret; none of them is shorter."""
_QUOTED = (quote, quote_plus, partial(quote_plus, safe="!$'()*,/:;?@"))
"""How words may stand in an address; the last as `url_for` writes them."""
_MOST_PIECES = 300
"""A page that falls into more would not be lighter."""


def squeezed(html: str, status: int = 200) -> Response:
    """A page compressed, for a browser that takes it.

    No secret in it (its form token, the signature of a picture's address) shares a window with anything else, and
    neither does what it repeats of the words in its own address: whoever makes words appear on the page, and sees how
    long the answer is, learns nothing by it (BREACH).
    """
    plain = Response(html, status, {"Vary": "Accept-Encoding"}, mimetype="text/html")
    if not request.accept_encodings.quality("gzip"):
        return plain
    said = {words for word in request.args.values() for words in (word, word.strip()) if words}
    forms = {form for words in said for form in (str(escape(words)), *(quoted(words) for quoted in _QUOTED))}
    apart = [re.escape(generate_csrf()), _LONG, *sorted(map(re.escape, forms), key=len, reverse=True)]
    pieces = re.split(f"({'|'.join(apart)})", html)
    if len(pieces) > _MOST_PIECES:
        return plain
    squeeze = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    body = b"".join(squeeze.compress(piece.encode()) + squeeze.flush(zlib.Z_FULL_FLUSH) for piece in pieces)
    plain.set_data(body + squeeze.flush())
    plain.headers["Content-Encoding"] = "gzip"
    return plain
