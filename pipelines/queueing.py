"""Hints over RQ: a dotted string, a kind and an id. The only user of RQ in the core; nothing is ever read back.

Redis and RQ are imported where they are used: the web process sends no hints, and they are 10 MB of its memory.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.domain.errors import Unavailable

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

STEP = "worker.step.step"
STEPS_QUEUE, MEDIA_QUEUE = "steps", "media"
"""One queue for each kind of worker: a worker of two queues pops with BLPOP and may lose what it popped."""
JOB_TIMEOUT_S = 1800
"""A step renews its lease while it works; this only ends what hangs for good."""
CONNECT_S = 0.3
ENOUGH = 16
"""Hints that may wait for a worker. More would wait so long that they are sent again, and keep the workers busy with
rows that somebody has seen to; in SQL they wait in order.
"""


def connect(url: str, *, patient: bool = False) -> Redis:
    """A client that fails at once; `patient` ones (the workers') wait for a broker that restarts."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.driver_info import DriverInfo
    from redis.retry import Retry

    # Nameless: each connection would read the client's own package from the disk to tell the broker its version.
    nameless = DriverInfo(name=None, lib_version=None)
    if patient:
        return Redis.from_url(url, driver_info=nameless)
    retry = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=2.0, retry=retry, driver_info=nameless)


def socket_url(path: Path) -> str:
    """The address of a broker on a unix socket."""
    return f"unix://{path}"


class RqHints:
    """ports.Hints. `media` names the kinds of hints that mean minutes of work rather than seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[str, dict[tuple[str, str], str]] = {STEPS_QUEUE: {}, MEDIA_QUEUE: {}}

    @functools.cached_property
    def _redis(self) -> Redis:
        return connect(self._url)

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        """Best effort: the pump sends again whatever is still due. False also while enough hints wait already;
        `at_once`, while any does, or one is worked on.
        """
        from redis.exceptions import RedisError

        try:
            return self._sent(hints, MEDIA_QUEUE if media else STEPS_QUEUE, at_once=at_once)
        except (RedisError, OSError) as error:
            logger.warning("the broker does not answer: %s", error)
        except Exception:  # the step that sends a hint has committed: nothing about the broker may undo that
            logger.exception("the broker cannot be used")
        return False

    def _sent(self, hints: Sequence[tuple[str, str]], name: str, *, at_once: bool) -> bool:
        from rq import Queue
        from rq.serializers import JSONSerializer

        queue = Queue(name, connection=self._redis, serializer=JSONSerializer)
        waiting = set(queue.get_job_ids())
        # What a worker that was killed had begun counts until RQ forgets it: then others do it.
        if len(waiting) >= (1 if at_once else ENOUGH) or (at_once and queue.started_job_registry.get_job_count(False)):
            return False
        former = {hint: job for hint, job in self._waiting[name].items() if job in waiting}
        # Whoever takes the one that waits sees the row as it is then.
        fresh = [hint for hint in dict.fromkeys(hints) if hint not in former]
        jobs = [
            Queue.prepare_data(
                STEP,
                args=hint,
                timeout=JOB_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=60,
                # One that has ended would stand in the list all the same, and be believed to wait.
                ttl=JOB_TIMEOUT_S,
                description=f"{hint[0]}",
            )
            for hint in fresh
        ]
        sent = queue.enqueue_many(jobs) if jobs else []
        self._waiting[name] = former | {hint: job.id for hint, job in zip(fresh, sent, strict=True)}
        return True

    def check(self) -> None:
        """Raise Unavailable unless the broker answers."""
        from redis.exceptions import RedisError

        try:
            self._redis.ping()
        except (RedisError, OSError, TypeError, ValueError) as error:
            raise Unavailable(f"broker: {error}") from error


class NoHints:
    """Where nobody listens: the web process, and the command line that works by itself."""

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        """Nothing is sent; the pump finds what is due."""
        return not hints and not media and not at_once

    def check(self) -> None:
        """Nothing to check."""
