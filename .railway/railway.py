"""The project on Railway as code: web, worker, PostgreSQL, Redis and a bucket. `railway config plan` tells its effect.

Needs `pip install railway-sdk` where it is run, and nothing of it in the product. Set SOURCE to your own repository.
Values marked `preserve()` are set in the dashboard and left alone. By hand: docs/how-to/deploy-on-railway.md.
"""

# ruff: noqa: INP001 - a configuration file, not a package

from __future__ import annotations

from typing import Any

from railway_sdk import Project, bucket, define_railway, github, postgres, preserve, project, redis, service

SOURCE = "your-account/reelgrid"
DRAIN_S = 30
"""Railway kills 0 s after SIGTERM unless it is told to wait; a worker takes up to 20 s to end what it does."""


@define_railway
def main(_context: Any = None) -> Project:
    """Both services share everything but their command; only web has a domain."""
    database, broker, media = postgres("postgres"), redis("redis"), bucket("media")
    shared = {
        "PUBLIC_URL": preserve(),
        "SECRET_KEY": preserve(),
        "API_KEYS": preserve(),
        "AIRTABLE_API_KEY": preserve(),
        "AIRTABLE_BASE_ID": preserve(),
        "DATABASE_URL": database.env.DATABASE_URL,
        "REDIS_URL": broker.env.REDIS_URL,
        "BUCKET": media.env.BUCKET,
        "ENDPOINT": media.env.ENDPOINT,
        "REGION": media.env.REGION,
        "ACCESS_KEY_ID": media.env.ACCESS_KEY_ID,
        "SECRET_ACCESS_KEY": media.env.SECRET_ACCESS_KEY,
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(DRAIN_S),
    }
    web = service(
        "web",
        source=github(SOURCE),
        start='exec gunicorn --config python:webapp.server "webapp:create_app()"',
        deploy={"healthcheckPath": "/health", "drainingSeconds": DRAIN_S},
        env=shared,
    )
    worker = service(
        "worker",
        source=github(SOURCE),
        start="exec python -m worker",
        deploy={"drainingSeconds": DRAIN_S},
        env=shared,
    )
    return project("reelgrid", resources=[database, broker, media, web, worker])
