"""An x402 facilitator at `/x402`, and the chain it moves money on at `/x402/chain`: real signatures, no real money."""

from __future__ import annotations

import flask

from pipelines.sandbox.x402.server import blueprint


def register(app: flask.Flask) -> None:
    """Add the routes, with a chain of this app's own."""
    app.register_blueprint(blueprint())
