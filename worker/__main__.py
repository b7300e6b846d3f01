"""`python -m worker`: the worker service."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType

from pipelines import preload
from pipelines.bootstrap import broker_socket, broker_url, build_before_forks, make_store
from pipelines.domain.errors import NotConfigured, Unavailable
from pipelines.net import configure_logging
from pipelines.ports import Store
from pipelines.queueing import MEDIA_QUEUE, STEPS_QUEUE
from pipelines.settings import Settings, load_settings
from pipelines.stages.kernel.services import Services
from worker import broker, rq_worker, step
from worker.demand import QUEUES, Demand, SignallingHints
from worker.pump import Pump
from worker.supervisor import BROKER, Child, Supervisor


def main(settings: Settings, build: step.Build | None = None) -> int:
    """Bring the database up to date, load what is heavy, start everything. The exit code is 0 only if asked to stop,
    and 1 where there is no database: it may be back when somebody starts it again.
    """
    store = make_store(settings, pooled=False)
    try:
        store.migrate()
    except Unavailable as error:
        sys.stderr.write(f"{error.operator}\n")
        return 1
    preload.load(settings)
    demand, make = Demand(), build or build_before_forks(settings)

    def build_signalling(owner: str) -> Services:
        services = make(owner)
        return replace(services, hints=SignallingHints(services.hints, demand))

    step.factory.override(build_signalling)
    preload.before_forks()
    return Supervisor(store, _children(settings, store, build_signalling, demand), demand).run()


def _children(settings: Settings, store: Store, build: step.Build, demand: Demand) -> list[Child]:
    """Where others send hints to our broker too, one worker of each queue waits for them. Else those end
    that are not needed, and are there again with the next hint.
    """
    shared, url = settings.redis_url is not None, broker_url(settings)
    children = [] if shared else [Child(BROKER, lambda _owner: broker.serve(broker_socket(settings)))]
    children.append(Child("pump", lambda owner: _pump(build(owner), demand, shared_broker=shared), renewed=True))
    for queue in QUEUES:
        for number in range(settings.workers):
            serve = partial(_serve, url=url, queue_name=queue, give_back=store.release_owner, demand=demand)
            first = number == 0
            ready = partial(serve, at_once=first and queue == STEPS_QUEUE)
            children.append(Child(f"{queue}{number}", ready, None if shared and first else queue))
    return children


def _serve(
    owner: str,
    *,
    url: str,
    queue_name: str,
    give_back: Callable[[str], object],
    demand: Demand,
    at_once: bool,
) -> None:
    """Somebody waits for the first step of a film: one worker takes it before it has loaded all that steps may need."""
    load = partial(preload.load_for, preload.MEDIA if queue_name == MEDIA_QUEUE else preload.STEPS)
    if not at_once:
        load()
    duties = rq_worker.Duties(give_back, partial(demand.signal, queue_name), load)
    rq_worker.serve(owner, url, queue_name, duties)


def _pump(services: Services, demand: Demand, *, shared_broker: bool) -> None:
    pump = Pump(services, shared_broker=shared_broker, polled=demand.signal_all)

    def stop(_number: int, _frame: FrameType | None) -> None:
        pump.stop()

    signal.signal(signal.SIGTERM, stop)
    pump.run()


def run() -> int:
    """Settings, logging, work. Settings that keep it from beginning are said in a sentence, with 2."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        return main(settings)
    except NotConfigured as error:
        sys.stderr.write(f"{error.operator}\n")
        return 2


if __name__ == "__main__":
    sys.exit(run())
