"""What a failure of the whole product did: what was ordered, lost, paid twice, and whether the books balance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipelines.domain.lifecycle import IN_FLIGHT, STOPPED, RunStatus
from tools.chaos.product import COMMANDS, ProductStack
from tools.chaos.report import broken_chains, unbalanced
from tools.stack import Service, StackError, until

ENDS_S, ANSWER_S = 240.0, 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failure did. `lost` counts clips that were ordered and not bought, and runs that did not end as done;
    `late` says which answers took longer than they may on a machine with nothing else to do.
    """

    clips: int
    lost: int
    doubled: int
    balanced: bool
    figures: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing is to be said against it."""
        return self.balanced and not self.lost and not self.doubled and not self.faults and not self.late


def order(place: ProductStack, *marks: str, abilities: Sequence[str] = ("key", "list"), scenes: int = 2) -> list[str]:
    """A film of bought clips for each mark; the runs."""
    made = []
    for number, mark in enumerate(marks):
        body = {
            "master_prompt": f"{mark} a paper boat",
            "scene_count": scenes,
            "clip_seconds": 1,
            "resolution": "480p",
            "model": f"sora/sandbox-{abilities[number % len(abilities)]}",
        }
        made.append(str(place.post("/api/process-master-prompt", body, mark)["run_id"]))
    return made


def judged(
    place: ProductStack,
    runs: Sequence[str],
    mark: str,
    clips: int,
    faults: Iterable[str] = (),
    late: Iterable[str] = (),
    **figures: Any,
) -> Outcome:
    """When all runs have stopped: the bill, the books and the statuses."""
    with suppress(StackError):
        stopped(place, runs)
    ended = [place.run(run) for run in runs]
    bought = place.bought(mark)
    unfinished = [run for run in ended if run.status is not RunStatus.DONE]
    with place.store.read() as tx:
        problems = (*unbalanced(tx), *broken_chains(tx.events.find(name="status")))
    said = (f"{run.id} is {run.status.value}: {run.error or run.detail}" for run in unfinished)
    return Outcome(
        clips=clips,
        lost=max(0, clips - len(set(bought))) + len(unfinished),
        doubled=len(bought) - len(set(bought)),
        balanced=not problems,
        figures=figures,
        faults=(*faults, *said, *problems),
        late=tuple(late),
    )


def stopped(place: ProductStack, runs: Sequence[str], patience_s: float = ENDS_S) -> None:
    """Wait until they have. Raises StackError when they do not."""

    def all_stopped() -> bool:
        ours = [run for run in place.runs() if run.id in runs]
        return len(ours) == len(runs) and all(run.status in STOPPED for run in ours)

    until(all_stopped, "all to stop", patience_s, 0.5)


def buying(place: ProductStack, runs: Sequence[str]) -> bool:
    """Whether a clip of them is at the provider."""
    with place.store.read() as tx:
        return tx.generations.count(run_id=list(runs), status=tuple(IN_FLIGHT)) > 0


def more(place: ProductStack, name: str, **environ: str) -> Service:
    """One more web or worker beside the one that runs."""
    service = Service(name, COMMANDS[name], place.stack.environ() | environ, place.stack.var / f"{name}.more.log")
    service.start()
    return service
