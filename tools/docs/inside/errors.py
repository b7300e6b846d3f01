"""docs/reference/errors.md, from the exception tree."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import chain

from pipelines.domain import errors
from pipelines.domain.errors import Blame, Permanent, ReelgridError, Retryable
from pipelines.security import links, webhook_signatures
from tools.stack import ROOT
from webapp.errors import STATUS

PAGE = ROOT / "docs" / "reference" / "errors.md"
ACTS: dict[Blame, str] = {
    Blame.MARKETER: "whoever ordered",
    Blame.OPERATOR: "the operator",
    Blame.PROVIDER: "nobody here",
    Blame.NOBODY: "nobody: it passes",
}
HEAD = """# Errors

<!-- Written by tools/docs/inside/errors.py from pipelines/domain/errors.py: change that file, not this page. -->

Everything that can go wrong is one of these. Each error has two texts: a sentence for whoever ordered the film, which
stands in the row (`Error`, `Status Detail`), on the page and in the API's answers; and one for the operator, which
stands in the log and may name the vendor's own words. *Nobody here* acts where the other side is at fault: Reelgrid has
another try or another way, or asks.

The sentence shown here is the usual one. Where the place of the error knows more (a number that would pass, a field,
a model), it says that instead.

Over HTTP, errors are problem documents (RFC 9457):

```json
{
  "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
  "detail": "…", "instance": "/api/process-record",
  "errors": [{"field": "record_id", "message": "…"}]
}
```
"""
AGAIN = """The same step is tried again by itself, later and ever less often. What is paid for is fetched for hours
before a person is asked."""
NOT_AGAIN = """Trying the same again cannot help. The run ends `failed` or waits in `needs_attention`; what is paid for
is kept."""
KINDS: tuple[tuple[type[ReelgridError], str, str], ...] = (
    (Retryable, "Tried again", AGAIN),
    (Permanent, "Not tried again", NOT_AGAIN),
)


def page() -> str:
    """The whole page."""
    parts = [HEAD, *(f"## {title}\n\n{why}\n\n{_table(_leaves(kind, errors.__name__))}" for kind, title, why in KINDS)]
    signed = _table(chain(*(_leaves(Permanent, room.__name__) for room in (links, webhook_signatures))))
    parts.append(f"## Links and webhooks\n\nWhat comes with a signature that does not hold.\n\n{signed}")
    return "\n".join(parts)


def _leaves(kind: type[ReelgridError], module: str) -> Iterator[type[ReelgridError]]:
    """Every class below `kind` that `module` defines, in the order of the file."""
    for child in kind.__subclasses__():
        if child.__module__ == module:
            yield child
        yield from _leaves(child, module)


def _table(kinds: Iterator[type[ReelgridError]]) -> str:
    rows = ["| error | happens when | who acts | HTTP | whoever ordered reads |\n|---|---|---|---|---|"]
    rows += [f"| {' | '.join(_cells(kind))} |" for kind in kinds]
    return "\n".join(rows) + "\n"


def _cells(kind: type[ReelgridError]) -> list[str]:
    docstring = " ".join((inspect.getdoc(kind) or "").split())
    return [f"`{kind.__name__}`", docstring, ACTS[kind.blame], _status(kind), _sentence(kind)]


def _status(kind: type[ReelgridError]) -> str:
    return next((str(STATUS[base]) for base in kind.__mro__ if base in STATUS), "–")


def _sentence(kind: type[ReelgridError]) -> str:
    return "every problem, by field" if kind is errors.InvalidOrder else kind.default


PAGES = {PAGE: page}
