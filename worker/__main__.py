"""`python -m worker`: the worker service."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

from pipelines import preload
from pipelines.bootstrap import broker_socket, broker_url, build_before_forks, make_store
from pipelines.net import configure_logging
from pipelines.queueing import MEDIA_QUEUE, STEPS_QUEUE
from pipelines.settings import Settings, SettingsError, load_settings
from pipelines.stages.kernel.services import Services
from worker import broker, rq_worker, step
from worker.pump import Pump
from worker.supervisor import BROKER, Supervisor

logger = logging.getLogger(__name__)


def main(settings: Settings, build: step.Build | None = None) -> int:
    """Bring the database up to date, load what is heavy, start everything. The exit code is 0 only if asked to stop."""
    store = make_store(settings, pooled=False)
    store.migrate()
    preload.load(settings)
    build = build or build_before_forks(settings)
    step.factory.override(build)
    # A collection that goes through all this writes into it, and each child would have a copy of its own.
    gc.collect()
    gc.freeze()
    url = broker_url(settings)
    children: list[tuple[str, Callable[[str], None]]] = []
    if settings.redis_url is None:
        children.append((BROKER, lambda _owner: broker.serve(broker_socket(settings))))
    children.append(("pump", lambda owner: _pump(build(owner), shared_broker=settings.redis_url is not None)))
    for queue in (STEPS_QUEUE, MEDIA_QUEUE):
        serve = partial(rq_worker.serve, url=url, queue_name=queue, give_back=store.release_owner)
        children += [(f"{queue}{number}", serve) for number in range(settings.workers)]
    return Supervisor(store, children).run()


def _pump(services: Services, *, shared_broker: bool) -> None:
    pump = Pump(services, shared_broker=shared_broker)

    def stop(_number: int, _frame: FrameType | None) -> None:
        pump.stop()

    signal.signal(signal.SIGTERM, stop)
    pump.run()


def run() -> int:
    """Settings, logging, work."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        return main(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(run())
