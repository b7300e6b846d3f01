"""What a film costs in CPU and in bytes copied, stage by stage, in the traced run of docs/explanation/cost.md."""

from __future__ import annotations

from tools.bench.measure.rows import Claim, row
from tools.docs.inside.cost import BYTES, CPU, SCENES, STAGES, trace

MICRO, MEGABYTE = 1e6, 1e6


def rows() -> list[Claim]:
    """Each stage against the whole film; the bytes against those of the clips as they came."""
    # What a process does once is not a film's.
    trace(1)
    figures = trace(SCENES).measured
    cpu = sum(number for (_, column), number in figures.items() if column == CPU)
    clips = figures["generations", BYTES]
    told = []
    for stage, words in STAGES.items():
        told += [
            row("cost", f"CPU: {words}", figures[stage, CPU] / MICRO, cpu / MICRO, None, unit="s"),
            row("cost", f"copied: {words}", figures[stage, BYTES] / MEGABYTE, clips / MEGABYTE, None, unit="MB"),
        ]
    return told
