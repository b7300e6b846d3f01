"""The options of `flask video make`: one for everything that an order without a row may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import click

from pipelines.domain.orders.inputs import Api, Box, Choice, Files, Input, Money, Number, Percent, Seconds, inputs_of
from pipelines.domain.orders.order import Order

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    """What a terminal calls an input, and says of it, where that is not what its declaration says."""

    name: str | None = None
    help: str | None = None


_ASKED = "master_prompt"
"""The command's argument."""
_OPTIONS: Mapping[str, _Option] = {
    "scene_count": _Option(name="scenes", help="How many; 4, or as many as suit --film-seconds."),
    "film_seconds": _Option(help="Of the whole film, shared among its scenes."),
    "clip_seconds": _Option(name="seconds", help="Of each clip; the model's default if not given."),
    "model": _Option(help="See: flask models list."),
    "formats": _Option(name="format", help="One more film of the same clips, in another shape."),
    "languages": _Option(name="language", help="The language of your texts, then each to translate into."),
    "pack": _Option(help="Where it will be posted: a ZIP beside the film has a folder for it."),
    "references": _Option(name="reference", help="The address of a picture that the scenes should follow."),
    "first_frame": _Option(help="The address of a picture that the film starts from; fetched by us."),
    "last_frame": _Option(
        help="The address of a picture to end on, on the way from the one that the last scene starts from."
    ),
    "transition": _Option(
        help="Between two scenes, such as 'Fade Black' in quotes; that also as the film begins and ends"
    ),
    "logo": _Option(help="The address of a picture, laid into a corner of the video."),
    "logo_opacity": _Option(help="1 hides what is behind the logo"),
    "max_cost_usd": _Option(name="max-cost", help="Refuse above this many dollars."),
    "voiceover": _Option(help="A narrator speaks over each scene."),
    "music": _Option(help="Made here, free of rights: local/calm and its like; or the address of a sound file."),
    "music_mood": _Option(help="Music that is made here, free of rights, laid under the video; not with --music."),
    "loudness_lufs": _Option(name="loudness"),
    "poster_style": _Option(help="Frame, Title over it, or Designed"),
    "consistency": _Option(help="Words, or Pictures of the cast"),
    "preview": _Option(help="Animatic, or Draft: bought, and shown first"),
    "title": _Option(help="Of the film."),
}
_FEW = 6
"""So many words of a choice stand in the help."""


def order_options(command: F) -> F:
    """An option for each input but the prompt; None, or no value, where it is not given."""
    for item in reversed(inputs_of(Order)):
        if item.api is not None and item.api_name != _ASKED:
            command = _option(item)(command)
    return command


def _option(item: Input) -> Callable[[F], F]:
    known = _OPTIONS.get(item.api_name, _Option())
    flag = f"--{known.name or item.api_name.replace('_', '-')}"
    match item.kind:
        case Box():
            return click.option(flag, item.api_name, is_flag=True, default=None, help=_help(item, known))
        case Number(whole=True):
            kind: type = int
        case Number() | Seconds() | Percent() | Money():
            kind = float
        case _:
            kind = str
    several = isinstance(item.kind, Choice | Files) and item.kind.several
    words = item.kind.words if isinstance(item.kind, Choice) else ()
    metavar = "|".join(words) if 0 < len(words) <= _FEW else None
    return click.option(flag, item.api_name, type=kind, multiple=several, metavar=metavar, help=_help(item, known))


def _help(item: Input, known: _Option) -> str:
    """Of a declaration that speaks to whoever fills in a row what is true at a terminal, too."""
    api = item.api or Api()
    said = known.help or api.description or item.description.partition("Empty:")[0].strip().removeprefix("Tick to ")
    default = item.default.value if isinstance(item.default, Enum) else item.default
    several = isinstance(item.kind, Choice | Files) and item.kind.several
    more = ["may be given again"] if several else []
    if isinstance(item.default, str | int | float | Enum) and not isinstance(item.default, bool) and not api.optional:
        more.append(f"{default} if not given")
    text = "; ".join(filter(None, (said.rstrip("."), *more)))
    return f"{text[:1].upper()}{text[1:]}."
