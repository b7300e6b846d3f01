"""Two wordings of the prompt file side by side, and a new one asked for its answers, at a price said before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.domain.errors import NotConfigured, ReelgridError
from pipelines.domain.keys import digest
from pipelines.settings import Settings
from pipelines.writers.evals.briefs import RECORDED, EvalBrief, Recording, briefs, load, path_of, save, wording
from pipelines.writers.evals.checks import CHECKS, Check
from pipelines.writers.gpt.answers import WrittenScript, script_of
from pipelines.writers.gpt.questions import EXPAND, question_of, quote_of
from pipelines.writers.language_model import LanguageModel

CHANGED = "{prompt}.md was changed after its answers were recorded: give the new wording a name of its own"
NOTHING = WrittenScript(title=None, continuity=None, scenes=[])
"""What an answer counts as that is missing or not of the asked shape: every check fails on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One line of the table; `failing` names the briefs that the new wording falls short on."""

    check: str
    old: float
    new: float
    least: float
    failing: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """A wording must reach the bound, and be no worse than the one before it."""
        return self.new >= self.least and self.new >= self.old


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The table, old against new."""

    old: str
    new: str
    old_by: str
    new_by: str
    briefs: int
    rows: tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether the new wording may take the place of the old one."""
        return all(row.ok for row in self.rows)


def failing(check: Check, recording: Recording) -> tuple[str, ...]:
    """The briefs on which this check fails."""
    return tuple(one.key for one in briefs() if _score(check, recording, one) < check.least)


def _score(check: Check, recording: Recording, one: EvalBrief) -> float:
    return check.score(one, recording.answers.get(one.key, NOTHING))


def _mean(check: Check, recording: Recording) -> float:
    return sum(_score(check, recording, one) for one in briefs()) / len(briefs())


class PromptEvals:
    """What `flask writers` does. Comparing asks nobody; recording asks the language model of the settings."""

    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        self._settings = settings
        self._folder = folder or RECORDED
        self.in_use = EXPAND

    def compare(self, old: str, new: str) -> Comparison:
        """Raises NotConfigured where answers are missing or answer another wording than the file has now."""
        before, after = load(self._folder, old), load(self._folder, new)
        stale = [one.prompt for one in (before, after) if not one.is_current]
        if stale:
            raise NotConfigured(CHANGED.format(prompt=stale[0]))
        rows = tuple(
            CheckRow(
                check=check.name,
                old=_mean(check, before),
                new=_mean(check, after),
                least=check.least,
                failing=failing(check, after),
            )
            for check in CHECKS
        )
        return Comparison(old=old, new=new, old_by=before.by, new_by=after.by, briefs=len(briefs()), rows=rows)

    def missing(self, prompt: str) -> int:
        """How many briefs are still to be answered under this wording."""
        return len(self._missing(self._begun(prompt)))

    def quote_micro(self, prompt: str) -> int:
        """What recording the missing answers may cost at most. Raises NotConfigured without a key."""
        model = self._model()
        questions = [question_of(one.brief, wording(prompt)) for one in self._missing(self._begun(prompt))]
        return sum(quote_of(model, question) for question in questions)

    def record(self, prompt: str, told: Callable[[str], object]) -> int:
        """Ask for what is missing, one answer a brief, and keep each as it comes: what is paid for is not bought
        again. Returns the cost. Raises what asking raises, with the cost until then.
        """
        model, recording, cost_micro = self._model(), self._begun(prompt), 0
        by = f"{model.name}, {datetime.now(UTC).date()}"
        for one in self._missing(recording):
            try:
                answer = model.ask(question_of(one.brief, wording(prompt)))
            except ReelgridError as error:
                error.cost_micro += cost_micro
                raise
            cost_micro += answer.cost_micro if answer else 0
            script = script_of(answer) if answer else None
            answers = {**recording.answers, one.key: script or NOTHING}
            recording = replace(recording, by=by, answers=answers)
            save(self._folder, recording)
            told(one.key)
        return cost_micro

    def _model(self) -> LanguageModel:
        if self._settings.openai_api_key is None:
            raise NotConfigured("OPENAI_API_KEY is not set: only recorded answers can be compared")
        return LanguageModel(self._settings)

    @staticmethod
    def _missing(recording: Recording) -> list[EvalBrief]:
        return [one for one in briefs() if one.key not in recording.answers]

    def _begun(self, prompt: str) -> Recording:
        now = digest(wording(prompt))
        if not path_of(self._folder, prompt).is_file():
            return Recording(prompt=prompt, prompt_digest=now, by="", answers={})
        found = load(self._folder, prompt)
        if not found.is_current:
            raise NotConfigured(CHANGED.format(prompt=prompt))
        return found
