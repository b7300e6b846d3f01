"""The typeface of the films is the typeface of the pages."""

from __future__ import annotations

from importlib.resources import files

from flask import Response

from webapp.access.rules import Door, Owner, declares
from webapp.pages.blueprint import bp

FONTS = ("Inter-Regular.otf", "Inter-Bold.otf", "InterDisplay-SemiBold.otf")


@bp.get(f"/static/fonts/<any({', '.join(repr(name) for name in FONTS)}):name>")
@declares(Door.PUBLIC, Owner.NOBODY)
def font(name: str) -> Response:
    """One of the fonts, from the files that burn text into films."""
    data = files("pipelines").joinpath("media", "text", "font_files", name).read_bytes()
    return Response(data, mimetype="font/otf", headers={"Cache-Control": "public, max-age=31536000, immutable"})
