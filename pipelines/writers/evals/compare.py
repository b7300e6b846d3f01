"""Two wordings of the prompt file side by side, and a new one asked for its answers, at a price said before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.domain.errors import NotConfigured, ReelgridError
from pipelines.domain.keys import digest
from pipelines.settings import Settings
from pipelines.writers.evals.briefs import (
    FAMILIES,
    RECORDED,
    EvalBrief,
    Recording,
    briefs,
    family_of,
    load,
    path_of,
    save,
    wording,
)
from pipelines.writers.evals.checks import Check, checks_of
from pipelines.writers.gpt.questions import quote_of
from pipelines.writers.language_model import LanguageModel

CHANGED = "{prompt}.md was changed after its answers were recorded: give the new wording a name of its own"


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
    return check.score(one, recording.answers.get(one.key) or family_of(recording.prompt).nothing)


def _mean(check: Check, recording: Recording) -> float:
    return sum(_score(check, recording, one) for one in briefs()) / len(briefs())


class PromptEvals:
    """What `flask writers` does. Comparing asks nobody; recording asks the language model of the settings."""

    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        self._settings = settings
        self._folder = folder or RECORDED
        self.in_use = tuple(family.in_use for family in FAMILIES)

    def in_use_beside(self, prompt: str) -> str:
        """The wording in use of the same prompt file."""
        return family_of(prompt).in_use

    def compare(self, old: str, new: str) -> Comparison:
        """Raises NotConfigured where answers are missing, or answer another wording than the file has now, and where
        these are wordings of different files.
        """
        family = family_of(new)
        if family_of(old) is not family:
            raise NotConfigured(f"{old} and {new} are wordings of different prompt files")
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
            for check in checks_of(family)
        )
        return Comparison(old=old, new=new, old_by=before.by, new_by=after.by, briefs=len(briefs()), rows=rows)

    def missing(self, prompt: str) -> int:
        """How many briefs are still to be answered under this wording."""
        return len(self._missing(self._begun(prompt)))

    def quote_micro(self, prompt: str) -> int:
        """What recording the missing answers may cost at most. Raises NotConfigured without a key."""
        model = self._model()
        questions = [family_of(prompt).question(one, prompt) for one in self._missing(self._begun(prompt))]
        return sum(quote_of(model, question) for question in questions)

    def record(self, prompt: str, told: Callable[[str], object]) -> int:
        """Ask for what is missing, one answer a brief, and keep each as it comes: what is paid for is not bought
        again. Returns the cost. Raises what asking raises, with the cost until then.
        """
        model, recording, cost_micro, family = self._model(), self._begun(prompt), 0, family_of(prompt)
        by = f"{model.name}, {datetime.now(UTC).date()}"
        for one in self._missing(recording):
            try:
                answer = model.ask(family.question(one, prompt))
            except ReelgridError as error:
                error.cost_micro += cost_micro
                raise
            cost_micro += answer.cost_micro if answer else 0
            script = family.read(one, answer) if answer else None
            answers = {**recording.answers, one.key: script or family.nothing}
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
