"""The briefs, and what a model answered to them under one wording of the prompt file."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.domain.errors import NotConfigured
from pipelines.domain.keys import digest
from pipelines.ports import Brief
from pipelines.writers.gpt.answers import WrittenScript, found_cast_of, script_of
from pipelines.writers.gpt.questions import (
    CAST,
    EXPAND,
    FIND,
    POST,
    PROMPTS,
    cast_question,
    question_of,
    shape_of,
)
from pipelines.writers.language_model import Answer, Question

HERE = Path(__file__).parent
LANGUAGES = ("en", "de", "es", "fr", "ru")
MAX_PROMPT = 1000
RECORDED = HERE / "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalBrief:
    """One brief in one language."""

    name: str
    language: str
    brief: Brief
    banned: tuple[str, ...] = ()
    """Words that the brief forbids: no prompt and no caption has them."""

    @property
    def key(self) -> str:
        """How recordings and tables name it."""
        return f"{self.name}.{self.language}"


@functools.cache
def briefs() -> tuple[EvalBrief, ...]:
    """Every brief in every language."""
    table = tomllib.loads((HERE / "briefs.toml").read_text("utf-8"))
    return tuple(
        EvalBrief(
            name=name,
            language=language,
            banned=tuple(row.get("banned", {}).get(language, ())),
            brief=Brief(
                master_prompt=row[language],
                scenes=row["scenes"],
                seconds=5.0,
                aspect_ratio=row["aspect_ratio"],
                max_prompt=MAX_PROMPT,
            ),
        )
        for name, row in table.items()
        for language in LANGUAGES
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Wordings of one prompt file. A part is asked together with the rules that it stands behind."""

    name: str
    in_use: str

    @property
    def shape(self) -> type[WrittenScript]:
        """Of its answers."""
        return shape_of(self.asked(briefs()[0]))

    def given(self, key: str) -> Mapping[str, object]:
        """What of an answer was asked, and is not the model's: the scenes in which a cast is to be found."""
        if self.in_use != FIND:
            return {}
        scenes = load(RECORDED, CAST).answers[key].scenes
        return {"title": None, "continuity": None, "scenes": [scene.model_dump() for scene in scenes]}

    def read(self, one: EvalBrief, answer: Answer) -> WrittenScript | None:
        """An answer; None for one that is not of the asked shape."""
        if self.in_use != FIND:
            return script_of(answer, self.shape)
        found = [member.model_dump() for member in found_cast_of(answer)]
        return self.shape.model_validate({**self.given(one.key), "cast": found})

    @property
    def nothing(self) -> WrittenScript:
        """What an answer counts as that is missing or not of the asked shape: every check fails on it."""
        empty: dict[str, object] = {"title": None, "continuity": None, "scenes": [], "cast": [], "post_text": ""}
        return self.shape.model_validate(empty)

    def asked(self, one: EvalBrief) -> Brief:
        """A brief with what this part adds to it."""
        return replace(one.brief, cast=self.in_use in (CAST, FIND), post=self.in_use == POST)

    def question(self, one: EvalBrief, prompt: str) -> Question:
        """A brief asked under a wording of this family."""
        if self.in_use == FIND:
            scenes = load(RECORDED, CAST).answers[one.key].scenes
            return cast_question([scene.prompt for scene in scenes], wording(prompt))
        parts = [prompt] if self.in_use == EXPAND else [EXPAND, prompt]
        return question_of(self.asked(one), "\n\n".join(map(wording, parts)))


FAMILIES = tuple(Family(name=prompt.partition("-")[0], in_use=prompt) for prompt in (EXPAND, CAST, POST, FIND))


def family_of(prompt: str) -> Family:
    """By its name; one that names none is of the scenes themselves."""
    return next((one for one in FAMILIES if one.name in prompt.split("-")), FAMILIES[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Answers by the key of their brief. `prompt_digest` names the wording that they answer."""

    prompt: str
    prompt_digest: str
    by: str
    """Which model wrote them and when; or that a person did, in the place of a model."""
    answers: Mapping[str, WrittenScript]

    @property
    def is_current(self) -> bool:
        """Whether the prompt file still reads as it did when it was answered."""
        return self.prompt_digest == digest(wording(self.prompt))


def wording(prompt: str) -> str:
    """The prompt file of this name: one of the writer's, else one that only the harness knows. Raises NotConfigured."""
    for folder in (PROMPTS, RECORDED):
        path = folder / f"{prompt}.md"
        if path.is_file():
            return path.read_text("utf-8").strip()
    raise NotConfigured(f"there is no prompt file {prompt}.md in {PROMPTS}")


def path_of(folder: Path, prompt: str) -> Path:
    """Where the answers of a prompt file are kept."""
    return folder / f"{prompt}.json"


def load(folder: Path, prompt: str) -> Recording:
    """The recorded answers of a prompt file. Raises NotConfigured where there are none."""
    path = path_of(folder, prompt)
    if not path.is_file():
        raise NotConfigured(f"no answers of {prompt} are recorded (flask writers record {prompt})")
    found = json.loads(path.read_text("utf-8"))
    family = family_of(prompt)
    answers = {
        key: family.shape.model_validate({**family.given(key), **answer}) for key, answer in found["answers"].items()
    }
    return Recording(prompt=prompt, prompt_digest=found["prompt_digest"], by=found["by"], answers=answers)


def save(folder: Path, recording: Recording) -> None:
    """Written whole: a recording that is cut off would count as answers that are missing."""
    family = family_of(recording.prompt)
    answers = {
        key: answer.model_dump(exclude=set(family.given(key))) for key, answer in sorted(recording.answers.items())
    }
    document = {"prompt_digest": recording.prompt_digest, "by": recording.by, "answers": answers}
    path = path_of(folder, recording.prompt)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    draft.replace(path)
