"""The sandbox's language model: fills any JSON schema, and fills scene schemas sensibly from a master prompt.

It reads the request as a model would: `Scenes: 4`, `Seconds per scene: 4`, `Style notes: …`, `Master prompt: …`. Magic
words of the master prompt go to single scenes, the first to scene 2, the next to scene 3 and so on, so that one word
spoils one scene and not the film.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipelines.sandbox.vendors.kernel import magic
from pipelines.sandbox.vendors.openai.translating import translate

Schema = dict[str, Any]

DEFAULT_SCENES, DEFAULT_SECONDS = 4, 4.0
MAX_DEPTH = 12
_SCENES = (
    re.compile(r"^\W*(?:number of )?scenes?(?: count)?\W*[:=]\W*(\d+)", re.IGNORECASE | re.MULTILINE),
    re.compile(r"\b(\d+)\s+(?:\w+\s+)?scenes?\b", re.IGNORECASE),
)
_HOOKS = re.compile(r"^Hooks: (\d+)$", re.MULTILINE)
_SCENE = re.compile(r"^Scene \d+: (.+)$", re.MULTILINE)
_SECONDS = (
    re.compile(
        r"^\W*(?:clip )?seconds?(?: (?:per|each|for each)[\w ]*)?\W*[:=]\W*(\d+(?:\.\d+)?)",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"\b(\d+(?:\.\d+)?)[ -]seconds?\b", re.IGNORECASE),
)
_LABELLED = re.compile(r"^\W*([A-Za-z][A-Za-z ]{2,30}?)\W*:\s+\S.*$", re.MULTILINE)
_MASTER = re.compile(
    r"master[ _]prompt\W*?[:>]\W*?\s*(.+?)(?=\n\s*\W*[A-Z][\w ]{2,30}:|</|\Z)", re.IGNORECASE | re.DOTALL
)
_STYLE = re.compile(r"^\W*style(?: notes?)?\W*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_FORBIDDEN = re.compile(r"\bnever use these words:.*", re.IGNORECASE)
"""A model obeys it and does not repeat it, or every film of a brand with such words would be refused."""

_SHOTS = (
    ("Wide establishing shot, slow push in", "the world is introduced", "soft morning light"),
    ("Medium shot, camera tracking at eye level", "the subject starts to act", "warm side light"),
    ("Close-up, shallow depth of field", "a telling detail fills the frame", "gentle rim light"),
    ("Low angle, handheld energy", "the action builds", "bright midday light"),
    ("Overhead shot, slow rotation", "the pattern of the moment is revealed", "even overcast light"),
    ("Over-the-shoulder shot, rack focus", "something unexpected appears", "cool window light"),
    ("Fast tracking shot, motion blur", "the story turns", "contrasting evening light"),
    ("Wide shot, slow pull back", "everything comes to rest", "golden hour light"),
)


@dataclass(frozen=True, slots=True)
class Brief:
    """What was asked: how many scenes, how long, about what, in which style, and the magic words to hand out."""

    scenes: int
    seconds: float
    subject: str
    style: str
    spells: tuple[str, ...]
    hooks: int = 0
    translation: tuple[str, ...] = ()
    """The lines that are asked for in another language, in that."""
    recurring: str = ""
    """Two words that several scenes of the request have."""

    def shot(self, index: int) -> tuple[str, str, str]:
        last = self.scenes > 1 and index == self.scenes - 1
        return _SHOTS[-1] if last else _SHOTS[index % (len(_SHOTS) - 1)]

    def spell(self, index: int) -> str:
        """The first word is for scene 2 (or the only one), the next for scene 3; what is left over for the last."""
        if self.scenes == 1:
            return " ".join(self.spells)
        place = index - 1
        mine = self.spells[place:] if index == self.scenes - 1 else self.spells[place : place + 1]
        return " ".join(mine) if place >= 0 else ""

    def hook(self, index: int) -> tuple[str, str]:
        """Prompt and caption of an opening: from the middle of things, and in words of its own."""
        camera, beat, light = _SHOTS[1 + index % (len(_SHOTS) - 1)]
        return f"{camera}: {beat}, in {light}.", f"{beat[0].upper()}{beat[1:]}"

    def prompt(self, index: int) -> str:
        camera, beat, light = self.shot(index)
        parts = [f"{camera}: {self.sentence(index)}", f"Here {beat}, in {light}.", self.style, self.spell(index)]
        return " ".join(part for part in parts if part)

    def sentence(self, index: int) -> str:
        """The master prompt's own sentences, spread over the scenes; the first one always names the subject."""
        found = [part.strip() for part in re.split(r"(?<=[.!?。！？])\s+", self.subject) if part.strip()] or [
            "A scene."
        ]
        chosen = found[min(len(found) - 1, index * len(found) // max(self.scenes, 1))]
        whole = chosen if chosen == found[0] else f"{found[0]} {chosen}"
        return whole if whole[-1] in ".!?。！？" else f"{whole}."

    def caption(self, index: int) -> str:
        words = self.sentence(index).split()
        return " ".join(words[:8]).rstrip(".,;:") or "Scene"


def brief(instructions: str, asked: str) -> Brief:
    """Read a request; what the input says goes before what the instructions say."""
    subject = _subject(asked)
    found = _STYLE.search(asked)
    style = _FORBIDDEN.sub("", found[1]).strip() if found else ""
    return Brief(
        scenes=max(1, min(200, int(_number(_SCENES, asked, instructions, DEFAULT_SCENES)))),
        seconds=_number(_SECONDS, asked, instructions, DEFAULT_SECONDS),
        hooks=int(hooks[1]) if (hooks := _HOOKS.search(asked)) else 0,
        translation=translate(asked),
        recurring=_recurring(_SCENE.findall(asked)),
        subject=magic.without(subject),
        style=f"Style: {style}" if style else "",
        spells=tuple(word for word in magic.spoken(subject) if not word.lower().endswith("-text]]")),
    )


def _recurring(scenes: list[str]) -> str:
    words = [re.findall(r"[^\W\d_]+", scene) for scene in scenes]
    pairs = [" ".join(pair) for said in words for pair in pairwise(said)]
    return next((pair for pair in pairs if sum(pair.lower() in scene.lower() for scene in scenes) > 1), "")


def _number(patterns: tuple[re.Pattern[str], ...], asked: str, instructions: str, default: float) -> float:
    for text in (asked, instructions):
        for pattern in patterns:
            match = pattern.search(text)
            if match:
                return float(match[1])
    return float(default)


def _subject(asked: str) -> str:
    match = _MASTER.search(asked)
    if match:
        return match[1].strip().strip("\"'`")
    rest = _LABELLED.sub("", asked).strip()
    return rest or asked.strip()


def fill(schema: Schema, request: Brief) -> Any:
    """A value that satisfies the schema (the subset that structured output allows)."""
    return _Filler(schema, request).value(schema, "", 0, 0)


class _Filler:
    def __init__(self, root: Schema, request: Brief) -> None:
        self._root = root
        self._brief = request

    def value(self, schema: Schema, name: str, index: int, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema["enum"], name, index)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        match kind:
            case "object" if depth < MAX_DEPTH:
                properties = schema.get("properties", {}).items()
                return {key: self.value(inner, key, index, depth + 1) for key, inner in properties}
            case "array":
                return self._array(schema, name, index, depth)
            case "integer" | "number":
                return self._figure(schema, name, index, kind)
            case "string":
                return self._text(schema, name, index)
            case "boolean":
                return False
        return None

    def _resolved(self, schema: Schema) -> Schema:
        """Follow `$ref`, take the first useful branch of anyOf and oneOf, merge allOf."""
        for _ in range(MAX_DEPTH):
            if "$ref" in schema:
                target: Any = self._root
                for part in schema["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
                schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((one for one in branches if one.get("type") != "null"), branches[0])
            elif "allOf" in schema:
                merged: Schema = {}
                for part in schema["allOf"]:
                    merged |= self._resolved(part)
                schema = merged
        return schema

    def _array(self, schema: Schema, name: str, index: int, depth: int) -> list[Any]:
        items = schema.get("items", {"type": "string"})
        if name == "lines" and self._brief.translation:
            return list(self._brief.translation)
        if name == "hooks" and self._brief.hooks:
            texts = map(self._brief.hook, range(self._brief.hooks))
            return [{"prompt": prompt, "caption": caption} for prompt, caption in texts]
        wanted = self._brief.scenes if self._resolved(items).get("type") == "object" else 2
        if re.search(r"character|reference|cast", name, re.IGNORECASE):
            wanted = 1
        count = max(schema.get("minItems", 0), min(wanted, schema.get("maxItems", wanted)))
        scenes = depth <= 1 or "scene" in name.lower() or "shot" in name.lower()
        return [self.value(items, name, place if scenes else index, depth + 1) for place in range(count)]

    def _figure(self, schema: Schema, name: str, index: int, kind: str) -> float | int:
        lower = name.lower()
        if re.search(r"total|count", lower):
            found = self._brief.seconds * self._brief.scenes if "sec" in lower or "dur" in lower else self._brief.scenes
        elif re.search(r"second|duration|length", lower):
            found = self._brief.seconds
        else:
            found = index + 1
        low, high = schema.get("minimum", found), schema.get("maximum", found)
        bounded = max(low, min(high, found))
        return int(bounded) if kind == "integer" else float(bounded)

    def _choice(self, options: list[Any], name: str, index: int) -> Any:
        if re.search(r"second|duration", name.lower()):
            numeric = [one for one in options if str(one).replace(".", "", 1).isdigit()]
            return min(numeric or options, key=lambda one: abs(float(one) - self._brief.seconds) if numeric else 0)
        return options[index % len(options)] if "transition" not in name.lower() else options[0]

    def _text(self, schema: Schema, name: str, index: int) -> str:
        camera, beat, light = self._brief.shot(index)
        lower = name.lower()
        for pattern, text in (
            (r"prompt|description|visual", self._brief.prompt(index)),
            (r"narrat|voice", f"Here {beat}, in {light}."),
            (r"caption|title|heading|name|summary|logline", self._brief.caption(index)),
            (r"token", self._brief.recurring or " ".join(self._brief.subject.split()[:2]).rstrip(".,;:!?")),
            (r"camera|shot|framing", camera),
            (r"light", light),
            (r"action|beat", beat),
            (r"setting|location|place", self._brief.caption(0)),
            (r"character|subject", self._brief.caption(0)),
            (r"style|mood|look", self._brief.style.removeprefix("Style: ") or "cinematic, natural colours"),
            (r"language", "en"),
        ):
            if re.search(pattern, lower):
                return text[: schema.get("maxLength", len(text))]
        text = self._brief.sentence(index)
        return text[: schema.get("maxLength", len(text))]
