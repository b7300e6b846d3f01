"""Scenes from a language model: asked for a fixed shape, checked in code, and never one scene more or fewer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from typing_extensions import override

from pipelines.domain.errors import Ambiguous, ReelgridError, Unavailable
from pipelines.domain.planning.translation import Translated, Translation
from pipelines.ports import Brief, HookBrief, SceneText, SceneWriter, Script
from pipelines.settings import Settings
from pipelines.writers.deterministic import DeterministicWriter
from pipelines.writers.gpt.answers import (
    WrittenScript,
    as_members,
    cast_of,
    found_cast_of,
    hooks_of,
    post_of,
    reworded_of,
    scene_text,
    script_of,
    shortened_notes,
    translated_of,
)
from pipelines.writers.gpt.questions import (
    FIND,
    HOOKS,
    SOFTEN,
    cast_question,
    hook_question,
    most_input,
    most_softening,
    prompt_files,
    quote_of,
    script_question,
    shape_of,
    softening_question,
    translation_question,
)
from pipelines.writers.language_model import Answer, LanguageModel
from pipelines.writers.prices import Usage
from pipelines.writers.softening import ALWAYS_ALLOWED
from pipelines.writers.text import caption_of, fitted
from pipelines.writers.troubles import declined, is_lost

logger = logging.getLogger(__name__)

_NOT_UNDERSTOOD = "The server at OPENAI_BASE_URL cannot write scenes, so they were written without a language model."
_NO_HOOKS = "The language model wrote no hooks that can be used, so they were made from the scenes without it."
_CUT_OFF = "The language model's answer was cut off twice, so the scenes were written without it."
_USELESS = "The language model's answer could not be used, so the scenes were written without it."


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
        answer = work.paid(self._model.ask(script_question(brief)))
        if answer is not None and answer.reply.truncated:
            answer = work.paid(self._model.ask(script_question(brief, more=True)))
        if answer is None:
            return self._without_model(brief, work, _NOT_UNDERSTOOD)
        if answer.reply.refusal:
            raise declined(f"{self._model.name} declined: {answer.reply.refusal}")
        if answer.reply.truncated:
            return self._without_model(brief, work, _CUT_OFF)
        script = self._repaired(brief, work, script_of(answer, shape_of(brief)))
        if script is None or not script.scenes:
            return self._without_model(brief, work, _USELESS)
        return self._fitted(brief, work, script)

    @override
    def write_hooks(self, brief: HookBrief) -> Script:
        """At most `brief.count` openings, from one answer. Raises as `write`."""
        work = self._new_work()
        with work.counted():
            answer = work.paid(self._model.ask(hook_question(brief)))
            if answer is not None and answer.reply.refusal:
                raise declined(f"{self._model.name} declined: {answer.reply.refusal}")
        found = hooks_of(answer)
        if not found:
            script = self._offline.write_hooks(brief)
            notes = (*work.notes, _NO_HOOKS, *script.notes)
            return replace(script, cost_micro=work.cost_micro, notes=notes)
        scenes = tuple(scene_text(scene, brief.brief) for scene in found[: brief.count])
        return Script(scenes=scenes, writer=self._signature(HOOKS), cost_micro=work.cost_micro, notes=tuple(work.notes))

    @override
    def cannot_translate(self) -> None:
        """It can."""

    @override
    def translate(self, asked: Translation) -> Translated:
        """One answer; none where it cannot be read. Raises as `write`, and Ambiguous for one that got lost."""
        try:
            answer = self._model.ask(translation_question(asked))
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
        return Translated(lines=translated_of(answer), cost_micro=answer.cost_micro)

    @override
    def quote_translation_micro(self, asked: Translation) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return quote_of(self._model, translation_question(asked))

    @override
    def find_cast(self, prompts: Sequence[str]) -> Script:
        """From one answer; nobody where it cannot be read. Raises as `write`."""
        work = self._new_work()
        with work.counted():
            answer = work.paid(self._model.ask(cast_question(prompts)))
            if answer is not None and answer.reply.refusal:
                raise declined(f"{self._model.name} declined: {answer.reply.refusal}")
        found = tuple(as_members(found_cast_of(answer)))
        writer, notes = self._signature(FIND), tuple(work.notes)
        return Script(scenes=(), writer=writer, cost_micro=work.cost_micro, cast=found, notes=notes)

    @override
    def quote_cast_micro(self, prompts: Sequence[str]) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return quote_of(self._model, cast_question(prompts))

    @override
    def soften(self, prompt: str, reason: str) -> Script:
        """One scene, reworded. Raises as `write`, except Refused: word lists answer where the model declines."""
        work = self._new_work()
        answer = work.paid(self._model.ask(softening_question(prompt, reason)))
        softer = reworded_of(answer)
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
        question, again = script_question(brief), script_question(brief, more=True)
        return self._model.price.cost_micro(Usage(input=2 * most_input(question), output=question.limit + again.limit))

    @override
    def quote_hooks_micro(self, brief: HookBrief) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return quote_of(self._model, hook_question(brief))

    @override
    def quote_softening_micro(self, prompt: str) -> int:
        """One answer of full length; every byte of the input counted as a token."""
        return self._model.price.cost_micro(most_softening(prompt))

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
            answer = work.paid(self._model.ask(script_question(brief, correction=correction)))
        except ReelgridError as error:
            if not count:
                raise
            # What the first answer brought is paid for and can be used.
            work.cost_micro += error.cost_micro
            logger.info("%s did not correct its scenes: %s", self._model.name, error.operator)
            return first
        second = script_of(answer, shape_of(brief)) if answer else None
        candidates = [script for script in (second, first) if script is not None]
        return min(candidates, key=lambda script: abs(len(script.scenes) - brief.scenes), default=None)

    def _fitted(self, brief: Brief, work: _Work, script: WrittenScript) -> Script:
        written, wanted = len(script.scenes), brief.scenes
        scenes = [scene_text(scene, brief) for scene in script.scenes[:wanted]]
        if written > wanted:
            work.notes.append(f"The language model wrote {written} scenes; only the first {wanted} were kept.")
        if written < wanted:
            work.notes.append(
                f"The language model wrote only {written} of {wanted} scenes; the rest was written without it."
            )
            scenes += self._offline.write(brief).scenes[written:]
        work.notes.extend(shortened_notes(brief, script.scenes[:wanted]))
        return Script(
            scenes=tuple(scenes),
            writer=self._signature(" ".join(prompt_files(brief))),
            cost_micro=work.cost_micro,
            title=brief.title or caption_of(script.title or ""),
            cast=cast_of(script),
            post_text=post_of(script),
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
