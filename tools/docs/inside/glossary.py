"""docs/reference/glossary.md: one list of terms, with their meanings and places. Names are tested against it."""

from __future__ import annotations

from typing import NamedTuple

from tools.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "glossary.md"
HEAD = """# Glossary

<!-- Written by tools/docs/inside/glossary.py: change the list there, not this page. -->

One word means one thing, in the code, the documents and the base alike; where the field itself uses one for two, both
stand here. A test sees that each term lives where this page says, and that no public name is made of a word that was
given up.

| term | means | lives in |
|---|---|---|
"""


class Term(NamedTuple):
    """A word, what it means, and the module or package that defines it."""

    word: str
    meaning: str
    where: str


TERMS = (
    Term(
        "ability",
        "how a lost answer can be settled at a provider: `key`, `list`, `callback` or `none`",
        "domain/catalogue",
    ),
    Term("line", "what a narrator says over one scene; its sound is the file of it", "domain/planning/narration"),
    Term(
        "cast",
        "who and what comes back in a film, each with a picture that its clips are shown",
        "domain/planning/cast",
    ),
    Term("narrator", "the voice that speaks over a film's scenes, by `provider/voice`", "ports/speech"),
    Term(
        "purchase",
        "a spoken line, a translation or a picture, bought once for an account, from before it is asked for",
        "domain/records",
    ),
    Term("authorization", "money that a wallet has signed over, good for one transfer (x402)", "ports/payments"),
    Term(
        "adopt",
        "to go on with a paid job whose answer was lost, once it is found again: by us, or named by a person",
        "stages/generations/callback",
    ),
    Term(
        "animatic",
        "a free film of storyboard cards, made here: for approval, and for a run without a paid model",
        "media/cards",
    ),
    Term(
        "attempt",
        "one try at something that may be tried again; `attempts` counts failed tries of a step",
        "domain/records",
    ),
    Term("attempt level", "how far a scene has gone up the refusal ladder", "domain/records"),
    Term("attempt", "one try to send a notice", "domain/customers/notices"),
    Term("base", "a connected Airtable base", "airtable/bases"),
    Term("batch", "many orders in one request", "domain/customers/batches"),
    Term("brand", "what all films of a customer's brand look like, say and never say", "domain/brands"),
    Term("card", "a title or end card of a film", "media/cards"),
    Term(
        "catalogue model", "a row of the catalogue: what a model can do, its prices and its sunset", "domain/catalogue"
    ),
    Term(
        "circuit breaker",
        "keeps purchases of a model back while most of its jobs fail",
        "stages/spending/circuit_breaker",
    ),
    Term("clip", "one video file for a scene", "domain/records"),
    Term(
        "crash point",
        "a named place between two effects at which tests kill the process",
        "domain/recovery/crash_points",
    ),
    Term("cut", "one stitched output of a run: a format, a hook, a language, a set of clips", "domain/records"),
    Term("delivery", "putting a cut and its facts into the record", "stages/delivery"),
    Term(
        "fingerprint",
        "what makes two purchases the same: model, prompt, settings and references",
        "stages/generations/requests",
    ),
    Term("endpoint", "an address that a customer wants to be told at", "domain/customers/notices"),
    Term("footage", "the measured facts of a video file", "domain/footage"),
    Term("generation", "one paid request at a provider", "domain/records"),
    Term("hint", "a message in Redis that a row is due; never a truth", "ports/runtime"),
    Term("hold", "the money set aside for a run: no more than that is spent", "stages/spending/ledger"),
    Term("hook", "one of several openings of a film: its first scene, by a letter", "domain/planning/hooks"),
    Term("horse", "RQ's own word for the forked process that does one job", "../worker/rq_worker"),
    Term("intake", "bringing pictures and sound of an order into our storage", "stages/orders/intake"),
    Term(
        "language",
        "of a film: what is read and heard in it; its own first, then those it is translated into",
        "domain/languages",
    ),
    Term("lease", "the right to work on a row, for a limited time", "stages/kernel/leases"),
    Term("ledger", "every posting of money, append only", "stages/spending/ledger"),
    Term("mood", "which piece of the music that is made here lies under a film", "domain/footage"),
    Term("notice", "one message to one endpoint, or to the `webhook_url` of an order", "domain/customers/notices"),
    Term("outbox", "what rows of the base should say, and what Airtable has confirmed", "stages/base_rows/outbox"),
    Term("plan", "what a run will make and submit, with its price", "domain/planning"),
    Term("pack", "all that a platform needs to post a film, in one ZIP", "stages/delivery/pack"),
    Term("poster", "the still picture of a film, with or without its title", "stages/films/posters"),
    Term("posting", "one movement of money between two accounts of the ledger", "domain/money"),
    Term("prepared clip", "a clip in the form that a cut needs: size, rate, sound", "media/clips/prepared_clip"),
    Term("provider", "who makes clips, behind one seam", "providers"),
    Term("pump", "the loop that finds due rows, polls providers and sends the outbox", "../worker/pump"),
    Term("quote", "what a run will cost at most, said before", "domain/planning/plan"),
    Term("record", "a row of the Airtable table `Videos`", "airtable"),
    Term("refusal ladder", "what is tried after a refusal, in order", "domain/recovery/refusal_ladder"),
    Term("restore", "to make an earlier film of a run its newest, for nothing", "stages/delivery/restore"),
    Term("restore", "to bring a backup of the database back", "database/backup"),
    Term("run", "one execution of an order", "domain/records"),
    Term("sandbox", "the emulated vendors, as HTTP servers", "sandbox"),
    Term("scene", "one shot of a run", "domain/records"),
    Term("seam", "the rendered part of a transition between two clips", "media/join/seams"),
    Term("share", "a link that shows a film to people without a key, and takes what they say", "stages/review/shares"),
    Term("sweep", "one pass over all rows of a kind: polling, or starting a queue", "stages/base_changes/queue_sweep"),
    Term("switch", "a named operator's switch, such as `stop`", "stages/spending/stop_switch"),
    Term(
        "take",
        "one of several clips or cuts made from the same scene or run, as film people count them",
        "domain/records",
    ),
    Term("target", "the size, rate and sound that every clip of one cut is brought to", "domain/footage"),
    Term("translation", "what is read and heard in a film, in another language", "domain/planning/translation"),
    Term("turn", "when a run is its account's next to be made", "stages/orders/account_turn"),
    Term("version", "a take of a run with its films, and its scenes as they went into them", "stages/films/versions"),
    Term("verdict", "what a reviewer says of a film: accepted, or what is to be changed", "domain/lifecycle"),
    Term("verdict", "what a look through the finished cut found", "media/review"),
)
RETIRED = frozenset(
    {
        "look",
        "looks",
        "looked",
        "stumble",
        "bury",
        "keeper",
        "wishes",
        "wish",
        "lane",
        "lanes",
        "tend",
        "ticks",
        "rung",
        "rehearsal",
        "want",
        "wants",
        "board",
        "studio",
        "reel",
        "mended",
        "glyphs",
        "typefaces",
        "typeset",
        "guesses",
        "replays",
        "told",
        "town",
        "house",
        "world",
        "knock",
    }
)
"""Words that were replaced: no public name of the core or the doors is made of them."""


def page() -> str:
    """The whole page."""
    rows = (f"| **{term.word}** | {term.meaning} | `{_place(term)}` |" for term in sorted(TERMS))
    return HEAD + "\n".join(rows) + "\n"


def _place(term: Term) -> str:
    return term.where.removeprefix("../") if term.where.startswith("../") else f"pipelines/{term.where}"


PAGES = {PAGE: page}
