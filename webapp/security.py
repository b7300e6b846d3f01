"""What every answer carries, so that a browser does no more with it than we meant."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from pipelines.settings import Settings

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A browser that opens a file itself wraps it in a page of its own, with a style."""
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
ACTS = "/decide"
"""Its address does something: it goes to nobody as a referrer, ourselves included. With no-referrer a browser would not
say either that its form comes from us."""
_HSTS = "max-age=31536000"
_CACHEABLE = ("/static/", "/media/", "/v/")


def register(app: Flask, settings: Settings, films_at: str | None = None) -> None:
    """Headers on everything; behind proxies, believe those that the operator named, and nobody before them.
    `films_at` is the origin that hands out films beside our own.
    """
    pages = _PAGE_POLICY.replace("media-src 'self'", f"media-src 'self' {films_at}") if films_at else _PAGE_POLICY
    https = settings.public_url.startswith("https://")
    if settings.trusted_proxies:
        # Each proxy adds the address that it was asked by; scheme and host are those that the last one tells.
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1, x_host=1)  # type: ignore[method-assign]

    def protect(response: Response) -> Response:
        page = response.mimetype == "text/html"
        response.headers.update(_FIXED)
        if request.path == ACTS:
            response.headers["Referrer-Policy"] = "strict-origin"
        response.headers.setdefault("Content-Security-Policy", pages if page else _DATA_POLICY)
        if not request.path.startswith(_CACHEABLE):
            response.headers["Cache-Control"] = "no-store"
        if https:
            response.headers["Strict-Transport-Security"] = _HSTS
        return response

    app.after_request(protect)
