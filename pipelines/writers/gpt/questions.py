"""The questions to the language model: what is asked under which rules, and what an answer may cost at most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.domain.languages import named
from pipelines.domain.planning.post import MAX_POST
from pipelines.domain.planning.translation import Translation
from pipelines.ports import Brief, HookBrief
from pipelines.writers.gpt.answers import (
    CastScript,
    FoundCast,
    NarratedCastScript,
    NarratedScript,
    Reworded,
    TranslatedLines,
    WrittenHooks,
    WrittenScript,
    with_post,
)
from pipelines.writers.language_model import LanguageModel, Question
from pipelines.writers.prices import Usage, most_tokens
from pipelines.writers.text import one_line, plain

PROMPTS = Path(__file__).parents[1] / "prompts"
EXPAND, HOOKS, SOFTEN, NARRATE, CAST = "expand-v1", "hooks-v1", "soften-v1", "narrate-v1", "cast-v1"
POST, TRANSLATE, FIND, SHORTEN = "post-v1", "translate-v1", "find-v1", "shorten-v1"
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
UNSAID = "the language that it is written in"


def softening_question(prompt: str, reason: str) -> Question:
    """A prompt that was refused, to be worded softer."""
    return Question(
        instructions=f"{_instructions(SOFTEN)} {plain(one_line(reason))[:MAX_REASON]}",
        text=plain(prompt) or prompt,
        shape=Reworded,
        limit=_softening_limit(prompt),
    )


def most_softening(prompt: str) -> Usage:
    """What that may take at most."""
    asked = most_tokens(_instructions(SOFTEN)) + 4 * MAX_REASON + most_tokens(prompt) + OVERHEAD_TOKENS
    return Usage(input=asked, output=_softening_limit(prompt))


def _softening_limit(prompt: str) -> int:
    return THINKING_TOKENS + SCENE_TOKENS + most_tokens(prompt)


def most_input(question: Question) -> int:
    """What a question may take at most; every byte counted as a token."""
    return most_tokens(question.instructions) + most_tokens(question.text) + OVERHEAD_TOKENS


def quote_of(model: LanguageModel, question: Question) -> int:
    """What one answer to a question may cost at most; every byte of the input counted as a token."""
    return model.price.cost_micro(Usage(input=most_input(question), output=question.limit))


def script_question(brief: Brief, *, more: bool = False, correction: str = "") -> Question:
    """A brief asked under our own rules, with `more` room after an answer that was cut off."""
    return question_of(brief, _writing(brief), more=more, correction=correction)


def question_of(brief: Brief, instructions: str, *, more: bool = False, correction: str = "") -> Question:
    """A brief asked under a wording of the prompt file."""
    each = SCENE_TOKENS + (NARRATION_TOKENS if brief.narration_words else 0)
    limit = THINKING_TOKENS + each * brief.scenes + (CAST_TOKENS if brief.cast else 0)
    limit += POST_TOKENS if brief.post else 0
    return Question(
        instructions=instructions,
        text=_request(brief, correction),
        shape=shape_of(brief),
        limit=limit * MORE if more or correction else limit,
    )


def _writing(brief: Brief) -> str:
    """With a narrator the rules have a part more; without one they are what they always were."""
    return "\n\n".join(_instructions(name) for name in prompt_files(brief))


def prompt_files(brief: Brief) -> tuple[str, ...]:
    """The rules of a brief: a part more for each thing that it wants beside scenes."""
    wanted = {NARRATE: brief.narration_words, CAST: brief.cast, POST: brief.post}
    return (EXPAND, *(part for part, asked in wanted.items() if asked))


def shape_of(brief: Brief) -> type[WrittenScript]:
    """What its answer has to look like."""
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


def hook_question(brief: HookBrief) -> Question:
    """Further openings of a film."""
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


def cast_question(prompts: Sequence[str], wording: str | None = None) -> Question:
    """Who comes back in scenes that people wrote, each on one line so that none can add any."""
    scenes = "\n".join(f"Scene {number}: {one_line(prompt)}" for number, prompt in enumerate(prompts, start=1))
    return Question(
        instructions=wording or _instructions(FIND),
        text=scenes,
        shape=FoundCast,
        limit=THINKING_TOKENS + CAST_TOKENS,
    )


def translation_question(asked: Translation) -> Question:
    """The lines of a film in another language, or one of them in fewer words of its own."""
    spoken = {"Spoken in": named(asked.language) or UNSAID}
    lines = {
        **(spoken if asked.shorter else {"Language": named(asked.language)}),
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
        instructions=_instructions(SHORTEN if asked.shorter else TRANSLATE),
        text=f"{head}\n\n{texts}",
        shape=TranslatedLines,
        limit=THINKING_TOKENS + each,
    )


def _instructions(name: str) -> str:
    return (PROMPTS / f"{name}.md").read_text("utf-8").strip()
