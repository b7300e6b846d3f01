"""The job: a kind and an id. Everything else is read from SQL, so that losing or repeating it does no harm."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache, partial

from pipelines.bootstrap import build_services, rq_hints
from pipelines.domain.records import Kind
from pipelines.ports import log_context, trace
from pipelines.settings import load_settings
from pipelines.stages.kernel.services import Services
from pipelines.stages.scheduler import maintenance, steps

logger = logging.getLogger(__name__)


Build = Callable[[str], Services]


class ServicesFactory:
    """Makes the services of one process, which is named as the owner of its leases; by default on the environment."""

    def __init__(self) -> None:
        self._build: Build = self._from_environment

    def override(self, build: Build) -> None:
        """Make them otherwise from now on. Called before the first fork: every horse inherits it. The worker hands over
        the settings it has read, and a harness services of its own.
        """
        self._build = build

    def __call__(self, owner: str) -> Services:
        return self._build(owner)

    @staticmethod
    def _from_environment(owner: str) -> Services:
        settings = load_settings()
        return build_services(settings, owner=owner, hints=rq_hints(settings))


factory = ServicesFactory()
_owner: list[str] = []
_media: list[bool] = []


def work_as(owner: str, *, media: bool = False) -> None:
    """Name the process whose leases the following steps take: the RQ worker, of which each horse is a fork. `media`:
    it has loaded what encodes and joins.
    """
    _owner[:], _media[:] = [owner], [media]


@cache
def services_of(pid: int) -> Services:
    """The services of this process; a fork makes its own, because connections must not be shared."""
    owner = _owner[0] if _owner else f"pid-{pid}"
    return factory(owner)


def step(kind: str, row_id: str) -> None:
    """One step of one row; the outer edge of all work."""
    services = services_of(os.getpid())
    try:
        _at_edge(services, kind, row_id, _following(kind, row_id))
    finally:
        # A horse ends without asking anybody.
        services.store.flush()
        trace.flush()


def _at_edge(services: Services, kind: str, row_id: str, go_on: Callable[[Services, str], object]) -> None:
    with log_context.about(**{f"{kind.removesuffix('s')}_id": row_id}):
        try:
            steps.step(services, kind, row_id, go_on)
        except Exception as error:
            logger.exception("step %s %s failed", kind, row_id)
            steps.record_failure(services, kind, row_id, error)


def _following(kind: str, row_id: str) -> Callable[[Services, str], object]:
    """How this horse goes on after a step: nobody has to be told, and no other horse to be forked."""
    if kind == Kind.GENERATION and any(_media):
        return partial(_go_on_with_clip, generation_id=row_id)
    return partial(_go_on, media=kind == Kind.CLIP)


def _go_on_with_clip(services: Services, run_id: str, *, generation_id: str) -> None:
    """The clip that was brought is made ready here, after its run has seen that it is there."""
    _go_on(services, run_id, media=False)
    with services.store.read() as tx:
        clips = [clip.id for clip in tx.clips.find(run_id=run_id) if clip.generation_id == generation_id]
    for clip_id in clips:
        _at_edge(services, Kind.CLIP, clip_id, partial(_go_on, media=True))


def _go_on(services: Services, run_id: str, *, media: bool) -> None:
    """The next step of a run that has waited for this very row, if it is one of this weight."""
    with services.store.read() as tx:
        run = tx.runs.get(run_id)
    if run is None or run.next_at is None or maintenance.is_heavy(run) is not media:
        return
    if run.next_at <= services.clock.now():
        _at_edge(services, Kind.RUN, run_id, lambda _services, _run_id: None)
