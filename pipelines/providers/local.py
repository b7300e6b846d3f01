"""`local/animatic`: clips rendered on our own machine, free, so that a film can be seen before it is paid for."""

from __future__ import annotations

from pathlib import Path

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.footage import Card, Target, exact_rate
from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.ports import Accept, GenerationRequest, Job, Submission
from pipelines.providers.base import Adapter

_SEED_DIGITS = 8


class Provider(Adapter):
    """Done when asked: the clip is rendered when it is fetched, from the request alone."""

    name = "local"

    def _submit(self, submission: Submission, card: CatalogueModel) -> Job:  # noqa: ARG002 — every local model is alike
        # The same key gives the same job, so that asking twice is harmless.
        return self._done(f"animatic_{digest(submission.idem_key)[:24]}")

    def _poll(self, job_id: str, request: GenerationRequest) -> Job:  # noqa: ARG002 — always done
        return self._done(job_id)

    def _fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept) -> None:  # noqa: ARG002 — see above
        self.context.editor.animatic(_card(request), dest)
        accept(dest)

    def _cancel(self, job_id: str) -> bool:  # noqa: ARG002 — there is nothing to stop
        return True

    def _check(self) -> str:
        return "local: animatics are rendered here and cost nothing."

    @staticmethod
    def _done(job_id: str) -> Job:
        return Job(id=job_id, status=GenerationStatus.SUCCEEDED, progress=100, cost_micro=0)


def _card(request: GenerationRequest) -> Card:
    seed = request.seed if request.seed is not None else int(digest(request.prompt)[:_SEED_DIGITS], 16)
    return Card(
        text=request.prompt,
        seconds=request.seconds,
        target=Target(
            width=request.width,
            height=request.height,
            fps=exact_rate(request.fps),
        ),
        number=request.card.number,
        total=request.card.total,
        heading=request.card.heading,
        seed=seed,
    )
