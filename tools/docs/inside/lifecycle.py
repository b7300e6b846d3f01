"""docs/reference/statuses.md, and the diagram in README.md, from the tables of the domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from pipelines.domain.lifecycle import (
    ACTIVE,
    AIRTABLE_STATUS,
    CANCELLABLE,
    CUT_TRANSITIONS,
    GENERATION_TRANSITIONS,
    IN_DOUBT,
    IN_FLIGHT,
    MOVING,
    OPEN,
    PERSON_STATUSES,
    RETRYABLE_RUNS,
    RUN_TRANSITIONS,
    STOPPED,
    TERMINAL,
    CutStatus,
    GenerationStatus,
    Reason,
    RunStatus,
    SceneStatus,
    mermaid,
)
from tools.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "statuses.md"
README = ROOT / "README.md"
BLOCK = re.compile(
    r"(?<=<!-- states: written by tools/docs/inside/lifecycle\.py -->\n).*?(?=<!-- /states -->)", re.DOTALL
)
EDGE = re.compile(r"^\s*(\S+) --> (\S+)$", re.MULTILINE)
GROUP = "under_way"
S = TypeVar("S", bound=StrEnum)

_R, _G, _C, _S = RunStatus, GenerationStatus, CutStatus, SceneStatus

RUN_MEANS: Mapping[RunStatus, str] = {
    _R.QUEUED: "ordered; the row is read, the run is planned and quoted, its money is set aside",
    _R.WRITING: "the master prompt is being turned into scenes",
    _R.NEEDS_APPROVAL: "a free animatic and the quote are there; a person approves, edits the scenes, or cancels",
    _R.GENERATING: "clips are being bought, waited for and fetched",
    _R.STITCHING: "every scene has its clip; the film is being put together",
    _R.DELIVERING: "the film is being put into the row, until Airtable has really taken it",
    _R.DONE: "the film is where it was asked for",
    _R.FAILED: "it cannot be made as ordered; the error says what to change",
    _R.CANCELLED: "stopped by a person; what was paid for is kept",
    _R.NEEDS_ATTENTION: "a person decides: money in doubt, a budget reached, scenes refused; nothing paid for is lost",
}
GENERATION_MEANS: Mapping[GenerationStatus, str] = {
    _G.PLANNED: "wanted, its money committed; not sent",
    _G.SUBMITTING: "the intent is recorded; the request is being sent, or was and nobody has noted the answer",
    _G.SUBMITTED: "the provider has taken it and its id is recorded",
    _G.RUNNING: "the provider says that it is being made",
    _G.SUCCEEDED: "the provider has the file; we do not yet",
    _G.FETCHED: "the file is in our storage and paid for",
    _G.FAILED: "the provider said no; the reason is one of those below",
    _G.UNKNOWN: "we do not know whether the provider took it; its money stays committed and it is never sent blindly",
    _G.ADOPTED: "one that was held for lost and was found again at the provider; goes on as usual",
    _G.ABANDONED: "given up by a person or past its deadline; counts as spent, and a late result is still taken",
    _G.CANCELLED: "not wanted any more",
}
CUT_MEANS: Mapping[CutStatus, str] = {
    _C.PLANNED: "will be made",
    _C.MADE: "joined, examined from end to end, and in storage",
    _C.DELIVERING: "handed over to the row",
    _C.DELIVERED: "in the row, or without a row: ready at its link",
}
SCENE_MEANS: Mapping[SceneStatus, str] = {
    _S.DRAFT: "made or edited by a person for the next run",
    _S.QUEUED: "waits for its turn",
    _S.GENERATING: "its clip is being made",
    _S.DONE: "its clip is there",
    _S.REFUSED: "the video service refused it; a placeholder stands in until its prompt is changed",
    _S.FAILED: "its clip could not be made; `Error` says why",
    _S.STALE: "edited after its clip was made: the clip still serves, and nothing is made again unasked",
}
REASON_MEANS: Mapping[Reason, str] = {
    Reason.REFUSED: "its moderation said no to the prompt, a picture or the result",
    Reason.INVALID: "it did not accept the request as it was",
    Reason.QUOTA: "the account there is out of credit",
    Reason.PROVIDER_ERROR: "it gave up on it",
    Reason.EXPIRED: "it no longer has the result",
}
SETS: tuple[tuple[str, frozenset[RunStatus], str], ...] = (
    ("moving", MOVING, "somebody has work to do, and it is not a person"),
    ("active", ACTIVE, "a record with such a run gets that run when it is triggered again"),
    ("can be cancelled", CANCELLABLE, "`cancel` is possible"),
    ("can be retried", RETRYABLE_RUNS, "`retry` goes on where it stopped"),
    ("stopped", STOPPED, "nothing happens by itself any more"),
    ("over", TERMINAL, "the row can be triggered anew"),
)
GENERATION_SETS: tuple[tuple[str, frozenset[GenerationStatus], str], ...] = (
    ("open", OPEN, "money is set aside for it; a scene has at most one"),
    ("in doubt", IN_DOUBT, "nobody has recorded whether the provider took it"),
    ("in flight", IN_FLIGHT, "at the provider, with its id: polled by the sweep"),
)

HEAD = """# Statuses

<!-- Written by tools/docs/inside/lifecycle.py from pipelines/domain/lifecycle.py: change that file, not this page. -->

Every change of a status goes through the tables on this page, is made only if the row still has the old status, and
leaves one line in the history. What they mean together is told in [The life of a run](../explanation/lifecycle.md).
"""


def run_diagram() -> str:
    """The run's table as a diagram that can be read: edges that every status under way has are drawn once."""
    inside = _under_way()
    outside = [status for status in RUN_TRANSITIONS if status not in inside]
    inner = {old: frozenset(news & inside) for old, news in RUN_TRANSITIONS.items() if old in inside}
    lines = ["stateDiagram-v2", f"    [*] --> {_R.QUEUED.value}", f"    state {GROUP} {{"]
    lines += [f"    {line}" for line in mermaid(inner).splitlines()[1:]]
    lines.append("    }")
    for status in outside:
        lines += [f"    {start} --> {status.value}" for start in _sources(status, inside)]
    for status in outside:
        lines += [f"    {status.value} --> {end}" for end in _targets(status, inside)]
    return "\n".join(lines) + "\n"


def _under_way() -> frozenset[RunStatus]:
    """Statuses on the way to a film: those from which a run can be cancelled, but for the one that has stopped."""
    return frozenset(ACTIVE - STOPPED)


def _sources(status: RunStatus, inside: frozenset[RunStatus]) -> list[str]:
    into = {old for old, news in RUN_TRANSITIONS.items() if status in news}
    if inside <= into:
        return [GROUP, *sorted(old.value for old in into - inside)]
    return sorted(old.value for old in into)


def _targets(status: RunStatus, inside: frozenset[RunStatus]) -> list[str]:
    back = RUN_TRANSITIONS[status] & inside
    return [GROUP] if back == inside else sorted(new.value for new in back)


def run_edges() -> set[tuple[str, str]]:
    """Every transition of a run, from the table."""
    return {(old.value, new.value) for old, news in RUN_TRANSITIONS.items() for new in news}


def expanded() -> set[tuple[str, str]]:
    """Every transition that the diagram shows, with the frame taken apart."""
    members = {GROUP: {status.value for status in _under_way()}}
    pairs = EDGE.findall(run_diagram())
    return {
        (old, new)
        for start, end in pairs
        if start != "[*]"
        for old in members.get(start, {start})
        for new in members.get(end, {end})
    }


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            "## Runs\n",
            _block(run_diagram()),
            f"`{GROUP}` stands for every status inside the frame: an arrow from the frame leaves from any of them, and",
            "an arrow to the frame goes back to where the run stopped.\n",
            _table(RUN_TRANSITIONS, RUN_MEANS, AIRTABLE_STATUS),
            _sets(SETS),
            f"The row's `Status` also knows {_words(PERSON_STATUSES)}, which people set.\n",
            "## Generations\n",
            "One paid request at a provider.\n",
            _block(mermaid(GENERATION_TRANSITIONS)),
            _table(GENERATION_TRANSITIONS, GENERATION_MEANS),
            _sets(GENERATION_SETS),
            "`failed` has one of these reasons:\n",
            _meanings("reason", REASON_MEANS),
            "## Cuts\n",
            "One stitched output: a format of a run.\n",
            _table(CUT_TRANSITIONS, CUT_MEANS),
            "## Scenes\n",
            "What the `Status` of a row in `Scenes` says.\n",
            _meanings("status", SCENE_MEANS),
        ]
    )


def _block(diagram: str) -> str:
    return f"```mermaid\n{diagram}```\n"


def _table(table: Mapping[S, frozenset[S]], means: Mapping[S, str], airtable: Mapping[S, str] | None = None) -> str:
    head = "| status | in the row | means | can become |\n|---|---|---|---|" if airtable else ""
    head = head or "| status | means | can become |\n|---|---|---|"
    rows = [head]
    for status, news in table.items():
        cells = [f"`{status.value}`", *([airtable[status]] if airtable else []), means[status], _values(table, news)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _values(order: Mapping[S, frozenset[S]], chosen: frozenset[S]) -> str:
    return ", ".join(f"`{status.value}`" for status in order if status in chosen) or "–"


def _sets(sets: tuple[tuple[str, frozenset[S], str], ...]) -> str:
    rows = [
        f"| {name} | {', '.join(f'`{one.value}`' for one in _ordered(members))} | {why} |"
        for name, members, why in sets
    ]
    return "\n".join(["| together | statuses | means |\n|---|---|---|", *rows]) + "\n"


def _ordered(members: frozenset[S]) -> list[S]:
    return [one for one in type(next(iter(members))) if one in members]


def _meanings(title: str, means: Mapping[S, str]) -> str:
    rows = [f"| `{one.value}` | {text} |" for one, text in means.items()]
    return "\n".join([f"| {title} | means |\n|---|---|", *rows]) + "\n"


def _words(values: tuple[str, ...]) -> str:
    return " and ".join(f"`{value}`" for value in values)


def readme() -> str:
    """README.md with the diagram as it is now. Raises ValueError when the place for it is gone."""
    text = README.read_text("utf-8")
    if not BLOCK.search(text):
        raise ValueError("README.md has no place for the diagram: <!-- states … --> and <!-- /states -->")
    return BLOCK.sub(lambda _: _block(run_diagram()), text)


PAGES = {PAGE: page, README: readme}
