"""Waiting for runs and batches to change: one poll of the database for all who wait in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import cast

from flask import Flask, current_app

from pipelines.domain.errors import ReelgridError
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import batch
from pipelines.stages.views import run_view
from pipelines.stages.views.run_view import RunMark

logger = logging.getLogger(__name__)

WATCH = "reelgrid.watch"
POLL_INTERVAL_S = 0.25


class Watch:
    """Its thread lives as long as anybody waits."""

    def __init__(self, poll: Callable[[Collection[str]], Mapping[str, RunMark]]) -> None:
        self._poll = poll
        self._changed = threading.Condition()
        self._watched: Counter[str] = Counter()
        self._polls = 0
        self._marks: dict[str, tuple[int, RunMark | None]] = {}
        """What each run was, and by which poll."""
        self._thread: threading.Thread | None = None

    def wait_for_change(self, run_id: str, version: str, seconds: float, *, stopped: bool = True) -> bool:
        """Return when a run is no longer of that version or, unless told otherwise, has stopped; False after so long
        without that.
        """
        with self._changed:
            # The poll that is under way may have begun before our caller read the run.
            after = self._polls
            self._watched[run_id] += 1
            self._wake()
            try:
                return self._changed.wait_for(lambda: self._is_other(run_id, after, version, stopped=stopped), seconds)
            finally:
                self._watched[run_id] -= 1
                if not self._watched[run_id]:
                    del self._watched[run_id]
                    self._marks.pop(run_id, None)

    def wait_for_poll(self, run_id: str) -> None:
        """Return after the next poll that begins from now on."""
        self.wait_for_change(run_id, "", 2 * POLL_INTERVAL_S)

    @property
    def awake(self) -> bool:
        """Whether the database is looked at."""
        return self._thread is not None

    def _is_other(self, run_id: str, after: int, version: str, *, stopped: bool) -> bool:
        poll, mark = self._marks.get(run_id, (0, None))
        return poll > after and (mark is None or mark.version != version or (stopped and mark.stopped))

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._watched:
                    self._thread = None
                    return
                wanted = tuple(self._watched)
                self._polls += 1
                poll = self._polls
            self._poll_once(poll, wanted)
            time.sleep(POLL_INTERVAL_S)

    def _poll_once(self, poll: int, wanted: Collection[str]) -> None:
        try:
            found = self._poll(wanted)
        except ReelgridError as error:
            logger.warning("the database does not say what changed: %s", error.operator)
            return
        with self._changed:
            self._marks |= {run_id: (poll, found.get(run_id)) for run_id in wanted if run_id in self._watched}
            self._changed.notify_all()


def register(app: Flask, core: Services) -> None:
    """The watch of this process. It sees all runs and batches: whether somebody may, is asked before they wait."""
    app.extensions[WATCH] = Watch(lambda ids: {**run_view.marks(core, ids), **batch.marks(core, ids)})


def watch() -> Watch:
    """That of this process."""
    return cast("Watch", current_app.extensions[WATCH])
