"""The typeface of the films is the typeface of the pages: the same fonts, smaller, in two parts by script.

`-latin` is what most pages need; `-more` (Greek, Cyrillic, Vietnamese and the like) is fetched where a page has such
letters. Both are made of pipelines/media/text/font_files by fonttools: `pyftsubset NAME.otf --flavor=woff2
--unicodes=…` with the ranges that stand in page.css, and
`--layout-features=kern,liga,calt,ccmp,locl,mark,mkmk,tnum,cv05,ss03,case`.
"""

from __future__ import annotations

from importlib.resources import files

from flask import Response

from webapp.access.rules import Door, Owner, declares
from webapp.pages.blueprint import bp

_FACES, _PARTS = ("Inter-Regular", "Inter-Bold", "InterDisplay-SemiBold"), ("latin", "more")
FONTS = tuple(f"{face}-{part}.woff2" for face in _FACES for part in _PARTS)


@bp.get(f"/static/fonts/<any({', '.join(repr(name) for name in FONTS)}):name>")
@declares(Door.PUBLIC, Owner.NOBODY)
def font(name: str) -> Response:
    """One of the fonts. Fetched once: another font gets another name."""
    data = files("webapp").joinpath("static", "fonts", name).read_bytes()
    return Response(data, mimetype="font/woff2", headers={"Cache-Control": "public, max-age=31536000, immutable"})
