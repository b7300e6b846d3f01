"""Scenes from a language model: asked for a fixed shape, checked in code, and never one scene more or fewer."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model
from typing_extensions import override

from pipelines.domain.errors import Ambiguous, ReelgridError, Unavailable
from pipelines.domain.languages import named
from pipelines.domain.orders.list_marks import unnumbered
from pipelines.domain.planning.cast import CastMember, tidied
from pipelines.domain.planning.post import MAX_POST
from pipelines.domain.planning.translation import Translated, Translation
from pipelines.ports import Brief, HookBrief, SceneText, SceneWriter, Script
from pipelines.settings import Settings
from pipelines.writers.deterministic import DeterministicWriter
from pipelines.writers.language_model import Answer, LanguageModel, Question
from pipelines.writers.prices import Usage, most_tokens
from pipelines.writers.softening import ALWAYS_ALLOWED
from pipelines.writers.text import caption_of, fitted, narration_of, one_line, plain
from pipelines.writers.troubles import declined, is_lost

logger = logging.getLogger(__name__)

PROMPTS = Path(__file__).with_name("prompts")
EXPAND, HOOKS, SOFTEN, NARRATE, CAST = "expand-v1", "hooks-v1", "soften-v1", "narrate-v1", "cast-v1"
POST, TRANSLATE = "post-v1", "translate-v1"
THINKING_TOKENS, SCENE_TOKENS = 2000, 500
"""Room for low-effort thinking, title and continuity; and for one prompt of 120 words with its caption, in languages
whose words cost several tokens."""
NARRATION_TOKENS = 200
CAST_TOKENS = 900
POST_TOKENS = 400
MORE = 2
"""How much higher the limit is after an answer that was cut off."""
OVERHEAD_TOKENS = 1500
"""The schema, the roles and a correction line, counted generously for a quote."""
LINE_TOKENS = 40
"""Room for the frame of a translated line, beside its characters."""
MAX_REASON = 300

_NOT_UNDERSTOOD = "The server at OPENAI_BASE_URL cannot write scenes, so they were written without a language model."
_NO_HOOKS = "The language model wrote no hooks that can be used, so they were made from the scenes without it."
_CUT_OFF = "The language model's answer was cut off twice, so the scenes were written without it."
_USELESS = "The language model's answer could not be used, so the scenes were written without it."


class WrittenScene(BaseModel):
    """One scene as the model writes it."""

    prompt: str = Field(description="The whole prompt for this one scene.")
    caption: str | None = Field(description="What a viewer reads, at most 60 characters.")


class WrittenScript(BaseModel):
    """The whole answer. `continuity` comes first, so that the scenes are written with it in view."""

    title: str | None = Field(description="A title for the film.")
    continuity: str | None = Field(description="Recurring characters, place, light and colours.")
    scenes: list[WrittenScene]


class NarratedScene(WrittenScene):
    """One scene with what is said over it."""

    narration: str | None = Field(description="What the narrator says over this scene.")


class NarratedScript(WrittenScript):
    """The whole answer where a narrator speaks."""

    scenes: list[NarratedScene]  # type: ignore[assignment]  # a narrated scene is a scene


class WrittenMember(BaseModel):
    """A character or a place that comes back."""

    token: str = Field(description="What every prompt calls it.")
    looks: str = Field(description="What can be seen of it and never changes.")
    place: bool = Field(description="Whether it is a place.")


class CastScript(WrittenScript):
    """The whole answer where pictures are made of who comes back."""

    cast: list[WrittenMember]


class NarratedCastScript(NarratedScript):
    """The same with a narrator."""

    cast: list[WrittenMember]


@functools.cache
def with_post(shape: type[WrittenScript]) -> type[WrittenScript]:
    """The same with what is posted beside the film."""
    text: Any = (str, Field(description="What is posted with the film."))
    return create_model(f"Posted{shape.__name__}", __base__=shape, post_text=text)


class WrittenHooks(BaseModel):
    """Further openings of a film."""

    hooks: list[WrittenScene]


class TranslatedLines(BaseModel):
    """The lines in the other language, in their order."""

    lines: list[str]


class Reworded(BaseModel):
    """A softened prompt."""

    prompt: str


@dataclass(slots=True)
class _Work:
    """One piece of writing: what it has cost so far, and what the row should say about it."""

    cost_micro: int = 0
    notes: list[str] = field(default_factory=list)
    answers: int = 0

    def paid(self, answer: Answer | None) -> Answer | None:
        self.cost_micro += answer.cost_micro if answer else 0
        self.answers += 1
        return answer

    @contextmanager
    def counted(self) -> Iterator[None]:
        """What ends in an error tells what it has cost until then: it is paid for all the same."""
        try:
            yield
        except ReelgridError as error:
            error.cost_micro += self.cost_micro
            raise


class GptWriter(SceneWriter):
    """The writer of `OPENAI_MODEL`. At most two answers are paid for per script."""

    def __init__(self, settings: Settings) -> None:
        self._model = LanguageModel(settings)
        self._offline = DeterministicWriter()

    @override
    def write(self, brief: Brief) -> Script:
        """Exactly `brief.scenes` scenes. Raises Refused, Unavailable, RateLimited, NotConfigured or OutOfCredit.

        A service that stays away raises, and the stage asks again: only an answer that cannot be used, or a server
        that does not speak the protocol, leads to the offline writer, with a note. Every error says in `cost_micro`
        what was paid before it.
        """
        work = self._new_work()
        with work.counted():
            return self._written(brief, work)

    def _written(self, brief: Brief, work: _Work) -> Script:
        answer = work.paid(self._model.ask(_question(brief)))
        if answer is not None and answer.reply.truncated:
            answer = work.paid(self._model.ask(_question(brief, more=True)))
        if answer is None:
            return self._without_model(brief, work, _NOT_UNDERSTOOD)
        if answer.reply.refusal:
            raise declined(f"{self._model.name} declined: {answer.reply.refusal}")
        if answer.reply.truncated:
            return self._without_model(brief, work, _CUT_OFF)
        script = self._repaired(brief, work, script_of(answer, _shape(brief)))
        if script is None or not script.scenes:
            return self._without_model(brief, work, _USELESS)
        return self._fitted(brief, work, script)

    @override
    def write_hooks(self, brief: HookBrief) -> Script:
        """At most `brief.count` openings, from one answer. Raises as `write`."""
        work = self._new_work()
        with work.counted():
            answer = work.paid(self._model.ask(_hook_question(brief)))
            if answer is not None and answer.reply.refusal:
                raise declined(f"{self._model.name} declined: {answer.reply.refusal}")
        found = _hooks(answer)
        if not found:
            script = self._offline.write_hooks(brief)
            notes = (*work.notes, _NO_HOOKS, *script.notes)
            return replace(script, cost_micro=work.cost_micro, notes=notes)
        scenes = tuple(_scene(scene, brief.brief) for scene in found[: brief.count])
        return Script(scenes=scenes, writer=self._signature(HOOKS), cost_micro=work.cost_micro, notes=tuple(work.notes))

    @override
    def cannot_translate(self) -> None:
        """It can."""

    @override
    def translate(self, asked: Translation) -> Translated:
        """One answer; none where it cannot be read. Raises as `write`, and Ambiguous for one that got lost."""
        try:
            answer = self._model.ask(_translation_question(asked))
        except Unavailable as error:
            if not is_lost(error):
                raise
            raise Ambiguous(error.operator, marketer=error.marketer) from error
        if answer is None:
            return Translated()
        if answer.reply.refusal:
            refused = declined(f"{self._model.name} declined: {answer.reply.refusal}")
            refused.cost_micro += answer.cost_micro
            raise refused
        return Translated(lines=_translated_lines(answer), cost_micro=answer.cost_micro)

    @override
    def quote_translation_micro(self, asked: Translation) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return quote_of(self._model, _translation_question(asked))

    @override
    def soften(self, prompt: str, reason: str) -> Script:
        """One scene, reworded. Raises as `write`, except Refused: word lists answer where the model declines."""
        work = self._new_work()
        instructions = f"{_instructions(SOFTEN)} {plain(one_line(reason))[:MAX_REASON]}"
        text = plain(prompt) or prompt
        question = Question(instructions=instructions, text=text, shape=Reworded, limit=_softening_limit(prompt))
        answer = work.paid(self._model.ask(question))
        softer = _reworded(answer)
        if not softer:
            note = "The language model did not reword this prompt; the usual culprits were taken out by a word list."
            found, writer, work.notes = (
                self._offline.soften(prompt, reason).scenes,
                "deterministic",
                [*work.notes, note],
            )
        else:
            limit = max(len(prompt), ALWAYS_ALLOWED)
            found, writer = (SceneText(prompt=fitted(softer, limit)),), self._signature(SOFTEN)
        return Script(scenes=found, writer=writer, cost_micro=work.cost_micro, notes=tuple(work.notes))

    @override
    def quote_micro(self, brief: Brief) -> int:
        """Two answers of full length, the second with the higher limit; every byte of the input counted as a token."""
        question, again = _question(brief), _question(brief, more=True)
        return self._model.price.cost_micro(Usage(input=2 * _most_input(question), output=question.limit + again.limit))

    @override
    def quote_hooks_micro(self, brief: HookBrief) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return quote_of(self._model, _hook_question(brief))

    @override
    def quote_softening_micro(self, prompt: str) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        asked = most_tokens(_instructions(SOFTEN)) + 4 * MAX_REASON + most_tokens(prompt) + OVERHEAD_TOKENS
        return self._model.price.cost_micro(Usage(input=asked, output=_softening_limit(prompt)))

    @override
    def check(self) -> str:
        """Whether the server answers, accepts our key and has the model. Raises as `write`."""
        return self._model.check()

    def _new_work(self) -> _Work:
        if self._model.price.known:
            return _Work()
        note = f"The price of {self._model.name} is not known here; it is counted like the dearest known model."
        return _Work(notes=[note])

    def _repaired(self, brief: Brief, work: _Work, first: WrittenScript | None) -> WrittenScript | None:
        """Ask once more when the number of scenes is wrong and this is the first answer; keep the better of both."""
        count = len(first.scenes) if first else 0
        if count == brief.scenes or work.answers > 1:
            return first
        correction = f"the last answer had {count} usable scenes; write exactly {brief.scenes}."
        try:
            answer = work.paid(self._model.ask(_question(brief, correction=correction)))
        except ReelgridError as error:
            if not count:
                raise
            # What the first answer brought is paid for and can be used.
            work.cost_micro += error.cost_micro
            logger.info("%s did not correct its scenes: %s", self._model.name, error.operator)
            return first
        second = script_of(answer, _shape(brief)) if answer else None
        candidates = [script for script in (second, first) if script is not None]
        return min(candidates, key=lambda script: abs(len(script.scenes) - brief.scenes), default=None)

    def _fitted(self, brief: Brief, work: _Work, script: WrittenScript) -> Script:
        written, wanted = len(script.scenes), brief.scenes
        scenes = [_scene(scene, brief) for scene in script.scenes[:wanted]]
        if written > wanted:
            work.notes.append(f"The language model wrote {written} scenes; only the first {wanted} were kept.")
        if written < wanted:
            work.notes.append(
                f"The language model wrote only {written} of {wanted} scenes; the rest was written without it."
            )
            scenes += self._offline.write(brief).scenes[written:]
        work.notes.extend(_shortened_note(brief, script.scenes[:wanted]))
        return Script(
            scenes=tuple(scenes),
            writer=self._signature(" ".join(_parts(brief))),
            cost_micro=work.cost_micro,
            title=brief.title or caption_of(script.title or ""),
            cast=_cast(script),
            post_text=plain(str(script.model_dump().get("post_text", ""))),
            notes=tuple(work.notes),
        )

    def _without_model(self, brief: Brief, work: _Work, note: str) -> Script:
        logger.warning("%s: %s", self._model.name, note)
        script = self._offline.write(brief)
        notes = (*work.notes, note, *script.notes)
        return Script(
            scenes=script.scenes, writer=script.writer, cost_micro=work.cost_micro, title=script.title, notes=notes
        )

    def _signature(self, prompt_file: str) -> str:
        """Model and version of the prompt file, so that the history tells which wording led to which film."""
        return f"{self._model.name} {prompt_file}"


def _softening_limit(prompt: str) -> int:
    return THINKING_TOKENS + SCENE_TOKENS + most_tokens(prompt)


def _most_input(question: Question) -> int:
    return most_tokens(question.instructions) + most_tokens(question.text) + OVERHEAD_TOKENS


def quote_of(model: LanguageModel, question: Question) -> int:
    """What one answer to a question may cost at most; every byte of the input counted as a token."""
    return model.price.cost_micro(Usage(input=_most_input(question), output=question.limit))


def _question(brief: Brief, *, more: bool = False, correction: str = "") -> Question:
    return question_of(brief, _writing(brief), more=more, correction=correction)


def question_of(brief: Brief, instructions: str, *, more: bool = False, correction: str = "") -> Question:
    """A brief asked under a wording of the prompt file."""
    each = SCENE_TOKENS + (NARRATION_TOKENS if brief.narration_words else 0)
    limit = THINKING_TOKENS + each * brief.scenes + (CAST_TOKENS if brief.cast else 0)
    limit += POST_TOKENS if brief.post else 0
    return Question(
        instructions=instructions,
        text=_request(brief, correction),
        shape=_shape(brief),
        limit=limit * MORE if more or correction else limit,
    )


def _writing(brief: Brief) -> str:
    """With a narrator the rules have a part more; without one they are what they always were."""
    return "\n\n".join(_instructions(name) for name in _parts(brief))


def _parts(brief: Brief) -> tuple[str, ...]:
    wanted = {NARRATE: brief.narration_words, CAST: brief.cast, POST: brief.post}
    return (EXPAND, *(part for part, asked in wanted.items() if asked))


def _shape(brief: Brief) -> type[WrittenScript]:
    if brief.cast:
        shape: type[WrittenScript] = NarratedCastScript if brief.narration_words else CastScript
    else:
        shape = NarratedScript if brief.narration_words else WrittenScript
    return with_post(shape) if brief.post else shape


def _request(brief: Brief, correction: str) -> str:
    """The binding lines, each on one line so that the prompt cannot add any, then the material."""
    lines = {
        "Scenes": str(brief.scenes),
        "Seconds per scene": f"{brief.seconds:g}",
        "Aspect ratio": brief.aspect_ratio,
        "Longest prompt": f"{brief.max_prompt} characters",
        "Longest post": f"{MAX_POST} characters" if brief.post else "",
        "Longest narration": f"{brief.narration_words} words" if brief.narration_words else "",
        "Title": one_line(brief.title or ""),
        "Style notes": one_line(brief.style_notes or ""),
        "Correction": correction,
    }
    head = "\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    return f"{head}\n\nMaster prompt: {brief.master_prompt.strip()}"


def _hook_question(brief: HookBrief) -> Question:
    asked = brief.brief
    lines = {
        "Hooks": str(brief.count),
        "Seconds per scene": f"{asked.seconds:g}",
        "Aspect ratio": asked.aspect_ratio,
        "Longest prompt": f"{asked.max_prompt} characters",
        "Style notes": one_line(asked.style_notes or ""),
    }
    head = "\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    scenes = "\n".join(
        f"Scene {number}: {one_line(scene.prompt)}" for number, scene in enumerate(brief.scenes, start=1)
    )
    master = f"\n\nMaster prompt: {asked.master_prompt.strip()}" if asked.master_prompt.strip() else ""
    return Question(
        instructions=_instructions(HOOKS),
        text=f"{head}\n\n{scenes}{master}",
        shape=WrittenHooks,
        limit=THINKING_TOKENS + SCENE_TOKENS * brief.count,
    )


def _hooks(answer: Answer | None) -> list[WrittenScene]:
    """The openings of an answer that say something."""
    if answer is None or answer.reply.truncated:
        return []
    try:
        found = WrittenHooks.model_validate_json(answer.reply.json_text).hooks
    except ValidationError:
        return []
    return [scene for scene in found if plain(scene.prompt)]


def _translation_question(asked: Translation) -> Question:
    lines = {
        "Language": named(asked.language),
        "Keep": one_line(", ".join(asked.keep)),
        "Never use": one_line(", ".join(asked.banned)),
        "Correction": f"the last answer {one_line(asked.correction)}" if asked.correction else "",
        "Title": one_line(asked.title or ""),
    }
    head = "\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    texts = "\n".join(
        f"{number}. (at most {line.most} characters) {one_line(line.text)}"
        for number, line in enumerate(asked.lines, start=1)
    )
    each = sum(LINE_TOKENS + 2 * line.most for line in asked.lines)
    return Question(
        instructions=_instructions(TRANSLATE),
        text=f"{head}\n\n{texts}",
        shape=TranslatedLines,
        limit=THINKING_TOKENS + each,
    )


def _translated_lines(answer: Answer) -> tuple[str, ...]:
    if answer.reply.truncated:
        return ()
    try:
        found = TranslatedLines.model_validate_json(answer.reply.json_text).lines
    except ValidationError:
        return ()
    return tuple(plain(line) for line in found)


def _instructions(name: str) -> str:
    return (PROMPTS / f"{name}.md").read_text("utf-8").strip()


def script_of(answer: Answer, shape: type[WrittenScript] = WrittenScript) -> WrittenScript | None:
    """The scenes of an answer that say something; None when it is not of the asked shape."""
    try:
        script = shape.model_validate_json(answer.reply.json_text)
    except ValidationError:
        return None
    kept = [scene for scene in script.scenes if plain(scene.prompt)]
    texts = unnumbered([scene.prompt for scene in kept])
    scenes = [scene.model_copy(update={"prompt": text}) for scene, text in zip(kept, texts, strict=True)]
    return script.model_copy(update={"scenes": scenes})


def _cast(script: WrittenScript) -> tuple[CastMember, ...]:
    """Who comes back, without what cannot be used."""
    found = script.cast if isinstance(script, CastScript | NarratedCastScript) else []
    return tidied([CastMember(token=plain(one.token), looks=plain(one.looks), place=one.place) for one in found])


def _reworded(answer: Answer | None) -> str:
    if answer is None or answer.reply.refusal or answer.reply.truncated:
        return ""
    try:
        return plain(Reworded.model_validate_json(answer.reply.json_text).prompt)
    except ValidationError:
        return ""


def _scene(scene: WrittenScene, brief: Brief) -> SceneText:
    prompt = fitted(scene.prompt.strip(), brief.max_prompt)
    said = scene.narration if isinstance(scene, NarratedScene) else None
    narration = narration_of(said or "", brief.narration_words) if brief.narration_words else None
    return SceneText(prompt=prompt, caption=caption_of(scene.caption or ""), narration=narration)


def _shortened_note(brief: Brief, scenes: Sequence[WrittenScene]) -> list[str]:
    long = [str(number) for number, scene in enumerate(scenes, start=1) if len(scene.prompt.strip()) > brief.max_prompt]
    if not long:
        return []
    return [f"Shortened to the {brief.max_prompt} characters that the model takes: scene {', '.join(long)}."]
