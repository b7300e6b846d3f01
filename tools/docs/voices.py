"""docs/reference/voices.md, from the catalogue of voices that ships."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pipelines.domain.planning.narration import Said
from pipelines.speech.catalogue import VoiceModel, shipped

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "voices.md"
HEAD = """# Voices

<!-- Written by tools/docs/voices.py from pipelines/speech/catalogue.toml: change that file, not this page. -->

Who can speak over a film: what to write into `Voice`, as `provider/voice`, or `provider/model/voice` for another model
than the first. [Narrate a film](../how-to/narrate-a-film.md) says how. `flask voices list` tells what is set up
on a running deployment.

| model | languages | about, a minute | when each word is said | from | until |
|---|---|---|---|---|---|
| `local/heart` | English | free | told by the voice | – | – |
| `local/espeak` | those of the program | free | estimated | – | – |
"""
LOCAL = """## local

`local/heart` is installed with Reelgrid. `local/espeak` needs the program `espeak-ng` (tried: 1.51) on the machines of
worker and web process; [which languages it speaks](../how-to/narrate-a-film.md#other-languages-for-nothing).
"""
_MINUTE_S, _CHARACTERS, _MICRO = 60.0, 840, 1_000_000


def page() -> str:
    """The whole page."""
    rows = "\n".join(row for model in shipped().models for row in _rows(model))
    sections = "\n".join(map(_section, shipped().vendors))
    return f"{HEAD}{rows}\n\n{LOCAL}\n{sections}"


def _rows(model: VoiceModel) -> Iterator[str]:
    times = "told by the voice" if model.timings else "estimated"
    for price in model.prices:
        until = min(price.until, model.ends or date.max)
        micro = price.cost(_CHARACTERS, _MINUTE_S, Said())
        cells = (
            f"`{model.model}`",
            model.languages,
            f"${micro / _MICRO:.4f}",
            times,
            "–" if price.start == date.min else str(price.start),
            "–" if until == date.max else f"{until}{f', then {model.successor}' if model.successor else ''}",
        )
        yield f"| {' | '.join(cells)} |"


def _section(vendor: str) -> str:
    one = shipped().vendors[vendor]
    models = shipped().models_of(vendor)
    sources = ", ".join(dict.fromkeys(model.source for model in models))
    voices = ", ".join(f"`{vendor}/{name}`" for name in one.voices)
    own = "" if vendor == "speech" else " A voice of your own is named by its id."
    needs = " and ".join(f"`{name}`" for name in one.needs)
    return f"## {vendor}\n\nNeeds {needs}. Prices: {sources}.\n\n{voices}.{own}\n"


PAGES = {PAGE: page}
