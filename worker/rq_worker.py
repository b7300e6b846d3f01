"""An RQ worker of one queue, forking a horse for each hint. Hints only: no results, no retries, no scheduler."""

from __future__ import annotations

import logging
import time

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from pipelines import queueing
from worker import step

logger = logging.getLogger(__name__)

RETRY_S = 0.5
WORKER_TTL_S = 30
"""How long one blocking pop lasts (less 15 s): short, so that a broker that came back empty is noticed soon."""


def serve(owner: str, url: str, queue_name: str) -> None:
    """Work until SIGTERM, which ends after the present step. Raises RuntimeError when RQ stops by itself."""
    step.work_as(owner)
    while True:
        connection = queueing.connect(url, patient=True)
        try:
            _work(owner, connection, queue_name)
        except (RedisError, OSError) as error:
            logger.warning("the broker is away: %s", error)
        else:
            return
        finally:
            connection.close()
        time.sleep(RETRY_S)


def _work(owner: str, connection: Redis, queue_name: str) -> None:
    queue = Queue(queue_name, connection=connection, serializer=JSONSerializer)
    worker = Worker(
        [queue],
        name=owner,
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=60,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING", with_scheduler=False)
    if not worker._stop_requested and not worker._shutdown_requested_date:  # noqa: SLF001 - RQ has no public word for it
        raise RuntimeError("RQ stopped although nobody asked it to")
