"""An RQ worker of one queue, forking a horse for each hint. Hints only: no results, no retries, no scheduler."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from pipelines import queueing
from pipelines.domain.errors import ReelgridError
from worker import step

logger = logging.getLogger(__name__)

RETRY_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 3.0
WORKER_TTL_S = 30
"""How long one blocking pop lasts (less 15 s): short, so that a broker that came back empty is noticed soon."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What a worker does around its hints."""

    give_back: Callable[[str], object]
    """Frees the leases of an owner."""
    taken: Callable[[], object]
    """Is told of each hint before it is worked on."""
    load: Callable[[], object]
    """Imports after a hint what the next may need, unless it is there."""


def serve(owner: str, url: str, queue_name: str, duties: Duties) -> None:
    """Work until SIGTERM, which ends after the present step.

    Raises RuntimeError when RQ stops by itself.
    """
    step.work_as(owner, media=queue_name == queueing.MEDIA_QUEUE)
    while True:
        connection = queueing.connect(url, patient=True)
        try:
            _work(_worker(owner, connection, queue_name, duties))
        except (RedisError, OSError) as error:
            logger.warning("the broker is away: %s", error)
        else:
            return
        finally:
            connection.close()
        time.sleep(RETRY_S)


class HintWorker(Worker):
    """Gives back what a killed horse held, so that another takes it over at once and not only when its lease ends."""

    duties: Duties
    max_connection_wait_time = 2.0
    _ended: int | None = None
    _deaths = 0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """As RQ's; first another worker may wake for what else is in the queue."""
        self.duties.taken()
        super().execute_job(job, queue)
        self.duties.load()

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """As RQ's; remembers how the horse ended."""
        pid, self._ended, usage = super().wait_for_horse()
        return pid, self._ended, usage

    def monitor_work_horse(self, job: Job, queue: Queue) -> None:
        """As RQ's; afterwards the leases of a horse that died are free. Those of paid requests stay to their end."""
        try:
            super().monitor_work_horse(job, queue)
        finally:
            self._deaths = self._deaths + 1 if self._ended else 0
            if self._ended:
                self._give_back()
                # What kills every horse at once must not keep the machine busy with dying.
                time.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._deaths))

    def _give_back(self) -> None:
        logger.warning("a horse of %s ended with status %s", self.name, self._ended)
        try:
            self.duties.give_back(self.name)
        except ReelgridError as error:
            logger.warning("leases of %s stay until they expire: %s", self.name, error.operator)


def _worker(owner: str, connection: Redis, queue_name: str, duties: Duties) -> HintWorker:
    queue = Queue(queue_name, connection=connection, serializer=JSONSerializer)
    worker = HintWorker(
        [queue],
        name=owner,
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=60,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    worker.duties = duties
    return worker


def _work(worker: HintWorker) -> None:
    try:
        worker.work(logging_level="WARNING", with_scheduler=False)
    except (RedisError, OSError):
        if _asked_to_stop(worker):
            return
        raise
    finally:
        # RQ's handlers would only talk to the broker; while it is away, a SIGTERM ends us as it ends anybody.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
    if not _asked_to_stop(worker):
        raise RuntimeError("RQ stopped although nobody asked it to")


def _asked_to_stop(worker: Worker) -> bool:
    return bool(worker._stop_requested or worker._shutdown_requested_date)  # noqa: SLF001 - RQ has no public word for it
