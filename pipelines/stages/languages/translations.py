"""Which words a run needs in other languages: quoted before it starts, ordered as soon as its scenes are known, and
found again for nothing where they were bought before. A language that cannot be had loses its own films only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipelines.domain.languages import named
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.plan import Plan, PlannedScene, with_translations
from pipelines.domain.planning.post import MAX_POST
from pipelines.domain.planning.translation import (
    LONGER,
    TRIES,
    SceneWords,
    TextLine,
    Translation,
    film_lines,
    fingerprint,
    missing_lines,
    scene_lines,
    unwritten_lines,
)
from pipelines.domain.records import Purchase, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.narration import lines
from pipelines.stages.spending import purchases

_G = GenerationStatus
_NOTHING_TO_TRANSLATE = (
    "nothing is read or heard in this video. Choose Captions, tick Voiceover, or write a Title Card."
)


def quoted(services: Services, order: Order, plan: Plan) -> Plan:
    """The plan with its languages: a line of the quote for each further one, or a sentence why there is none."""
    own, *others = tuple(dict.fromkeys(order.languages)) or ("",)
    if not others:
        return replace(plan, languages=(own,))
    why = services.writer.cannot_translate()
    if why is None and not any(_planned_lines(order, plan, language, posted=False) for language in others):
        why = _NOTHING_TO_TRANSLATE
    if why is not None:
        names = " or ".join(map(named, others))
        warning = f"There is no film in {names}: {why}"
        return replace(plan, languages=(own,), warnings=(*plan.warnings, warning))
    quote = [(f"Translation into {named(language)}", _quote(services, order, plan, language)) for language in others]
    return with_translations(plan, (own, *others), quote)


def _quote(services: Services, order: Order, plan: Plan, language: str) -> int:
    asked = asked_for(order, language, _planned_lines(order, plan, language))
    return services.writer.quote_translation_micro(asked) * TRIES


def _planned_lines(order: Order, plan: Plan, language: str, *, posted: bool = True) -> tuple[TextLine, ...]:
    def of_scene(scene: PlannedScene) -> Iterable[TextLine]:
        if scene.prompt is None:
            return unwritten_lines(order, scene.seconds)
        return scene_lines(order, scene, language)

    post = plan.post_text or " " * (2 * MAX_POST) if posted and order.pack else ""
    unwritten = (TextLine(text=post, most=int(LONGER * MAX_POST)),) if post.isspace() else ()
    return (*film_lines(order, post), *unwritten, *(line for scene in plan.scenes for line in of_scene(scene)))


def asked_for(order: Order, language: str, texts: Sequence[TextLine]) -> Translation:
    """What is asked of the translator, with the rules of the order's brand."""
    keep, banned = (order.brand.kept, order.brand.banned) if order.brand else ((), ())
    return Translation(language=language, lines=tuple(texts), keep=keep, banned=banned, title=order.title)


def remembered(run: Run, plan: Plan, earlier: Run | None) -> Plan:
    """The plan with the cards that an earlier run of the row had translated, as far as it has the same."""
    if earlier is None or earlier.plan is None:
        return plan
    wanted = {line.text for line in film_lines(run.known_order, plan.post_text)}
    cards = {
        language: {text: said for text, said in earlier.plan.card_texts.get(language, {}).items() if text in wanted}
        for language in plan.further_languages
    }
    return replace(plan, card_texts={language: texts for language, texts in cards.items() if texts})


def known_words(order: Order, plan: Plan, scene: Scene, before: Sequence[Scene]) -> Mapping[str, SceneWords]:
    """What a scene says in other languages, as far as scenes of an earlier run have said it."""
    found = {}
    for language in plan.further_languages:
        known: dict[str, str] = {}
        for one in before:
            known |= one.translations[language].texts if language in one.translations else {}
        mine = {line.text: known[line.text] for line in scene_lines(order, scene, language) if line.text in known}
        if mine:
            found[language] = SceneWords(texts=mine)
    return found


def missing_of(run: Run, scenes: Sequence[Scene], language: str) -> tuple[TextLine, ...]:
    """What of a run's films is not there in a language yet."""
    return missing_lines(run.known_order, run.known_plan.card_texts, run.known_plan.post_text, scenes, language)


def order_words(services: Services, tx: Tx, actor: Actor, run: Run, scenes: Sequence[Scene]) -> None:
    """A purchase for the words of each language that are not there yet, then for every line that can be said."""
    missing = {language: missing_of(run, scenes, language) for language in run.known_plan.further_languages}
    for language, words in missing.items():
        if words:
            asked = asked_for(run.known_order, language, words)
            cost = services.writer.quote_translation_micro(asked)
            new = purchases.planned(actor, run, "translation", fingerprint(asked, run.account_id), cost)
            bought = purchases.ordered(tx, actor, replace(new, texts=asked))
            if bought.status is _G.FETCHED:
                give(tx, actor.now, run, bought)
    if any(missing.values()):
        # Some of it may have been there.
        run, scenes = tx.runs.get(run.id) or run, tx.scenes.find(run_id=run.id, order="number")
    lines.order_lines(services, tx, actor, run, scenes)


def give(tx: Tx, now: float, run: Run, bought: Purchase) -> None:
    """A run's cards and scenes get their words in a language; their clips are made ready with them."""
    language = bought.texts.language
    said = dict(zip((line.text for line in bought.texts.lines), bought.answer, strict=True))
    current = tx.runs.get(run.id, lock=True)
    if current is None or current.plan is None or current.order is None:
        return
    cards = {
        line.text: said[line.text] for line in film_lines(current.order, current.plan.post_text) if line.text in said
    }
    if cards:
        known = current.plan.card_texts
        texts = {**known, language: {**known.get(language, {}), **cards}}
        tx.runs.change(run.id, plan=replace(current.plan, card_texts=texts))
    for scene in tx.scenes.find(run_id=run.id):
        mine = {line.text: said[line.text] for line in scene_lines(current.order, scene, language) if line.text in said}
        if not mine:
            continue
        words = scene.translations.get(language, SceneWords())
        words = replace(words, texts={**words.texts, **mine})
        tx.scenes.change(scene.id, translations={**scene.translations, language: words})
        if scene.clip_id:
            tx.clips.change(scene.clip_id, next_at=now)


def waits(tx: Tx, run: Run, scenes: Sequence[Scene]) -> bool:
    """Whether words of a language are still on their way."""
    marks = [
        fingerprint(asked_for(run.known_order, language, missing), run.account_id)
        for language in run.known_plan.further_languages
        if (missing := missing_of(run, scenes, language))
    ]
    return bool(marks) and bool(tx.purchases.count(fingerprint=marks, status=tuple(OPEN_PURCHASE)))


def there(run: Run, scenes: Sequence[Scene]) -> tuple[str, ...]:
    """The languages of a run that its films can be made in: its own, and those whose words are all there."""
    own, *others = run.known_plan.languages
    return (own, *(language for language in others if not missing_of(run, scenes, language)))
