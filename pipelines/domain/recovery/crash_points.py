"""Named places between two effects: what is true there, and what happens if a process dies at that very moment.

The same names are spans in traces and entries in histories. The page "what happens if it dies here" is generated
from this table, and the chaos suite visits every row of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One place: in which process, what has been committed, and how the run goes on after a death here."""

    name: str
    process: str
    committed: str
    recovery: str


_ROWS = (
    ("accept.before_commit", "web", "nothing", "No answer went out; the caller sends the trigger again."),
    ("accept.committed", "web", "the run, queued", "The pump finds the due row; a second trigger gets the same run."),
    (
        "payment.intended",
        "web",
        "the payment, settling",
        "An equal request moves the money; else the pump finds on the chain that it never moved.",
    ),
    (
        "payment.settled",
        "web",
        "the payment, settling",
        "The pump finds the money on the chain and makes it a lot; an equal request starts the run from it.",
    ),
    ("payment.started", "web", "payment, account, lot and run", "An equal request gets the same run."),
    ("payment.found", "worker", "payment, account and lot", "An equal request starts the run from the lot."),
    ("hint.sent", "pump", "nothing", "Whatever is still due is hinted again; a hint too many finds nothing to do."),
    ("queue.started", "worker", "some of a queue's runs", "The rows are read again; what runs already is found."),
    ("order.read", "worker", "the run, queued", "The row is read again: reading is free."),
    ("order.planned", "worker", "plan, quote and hold", "The next step starts from the committed plan."),
    ("script.written", "worker", "the plan", "The scenes are written again: cheap, and within the hold."),
    ("script.committed", "worker", "all scenes", "The pump sends the next hint."),
    ("scenes.planned", "worker", "one planned generation per scene", "Each is due by itself."),
    ("submit.intended", "worker", "the intent: submitting", "Settled by the provider's ability; never sent blindly."),
    ("submit.answered", "worker", "the intent: submitting", "The job exists: same key, list, callback or a person."),
    ("submit.committed", "worker", "the provider's id", "The sweep polls it."),
    ("reconcile.doubted", "worker", "the doubt: unknown", "The next look is due at once."),
    ("reconcile.found", "worker", "the doubt: unknown", "It is looked for again: the same key, the same list."),
    ("poll.answered", "pump", "the provider's id", "It is polled again: polling is free."),
    (
        "callback.recorded",
        "web",
        "the delivery in the inbox",
        "The generation is due already; the sweep asks the provider.",
    ),
    (
        "speech.intended",
        "worker",
        "the intent: submitting",
        "The line's answer is lost and counts as spent; one more try is in the quote.",
    ),
    ("speech.lost", "worker", "the line, planned once more", "It is asked for again, for the second and last time."),
    ("speech.said", "worker", "the intent: submitting", "The answer is lost and counts as spent, as above."),
    (
        "speech.stored",
        "worker",
        "the intent: submitting; the file is in storage",
        "The file is found by the moment of its intent; nothing is asked for again.",
    ),
    (
        "translation.intended",
        "worker",
        "the intent: submitting",
        "The answer is lost and counts as spent; one more question is in the quote.",
    ),
    ("translation.lost", "worker", "the translation, planned once more", "It is asked for a second and last time."),
    ("translation.answered", "worker", "the intent: submitting", "The answer is lost and counts as spent, as above."),
    ("translation.committed", "worker", "the words of one language", "The clips are made ready with them."),
    ("speech.committed", "worker", "the spoken line", "The next line is asked for; this one is there."),
    (
        "picture.intended",
        "worker",
        "the intent: submitting",
        "The picture's answer is lost and counts as spent; one more try is in the quote.",
    ),
    ("picture.lost", "worker", "the picture, planned once more", "It is asked for again, for the last time."),
    ("picture.made", "worker", "the intent: submitting", "The answer is lost and counts as spent, as above."),
    (
        "picture.stored",
        "worker",
        "the intent: submitting; the file is in storage",
        "The file is found by the moment of its intent; nothing is asked for again.",
    ),
    ("picture.committed", "worker", "the picture", "The run goes on with it."),
    ("fetch.downloaded", "worker", "succeeded", "It is fetched again, before the provider's copy expires."),
    ("fetch.stored", "worker", "succeeded; the file is in storage", "The put is repeated: the key is its content."),
    ("fetch.committed", "worker", "clip, cost and scene", "The pump sends the run's next hint."),
    ("piece.stored", "worker", "the clip", "The piece is made again under the same key."),
    ("cut.assembled", "worker", "stitching", "The film is assembled again: a pure function of its clips."),
    ("cut.stored", "worker", "stitching; the file is in storage", "The put is repeated under the same key."),
    ("cut.committed", "worker", "the cut", "Delivery starts from the committed cut."),
    ("deliver.wanted", "worker", "what the row should say", "The pump flushes the outbox."),
    ("outbox.written", "pump", "what the row should say", "The same values are written again: an upsert or a PATCH."),
    ("outbox.confirmed", "pump", "what Airtable confirmed", "Verification starts when due."),
    ("deliver.verified", "worker", "delivering", "The attachment is read again."),
    ("deliver.finished", "worker", "done, and the row's last words", "The pump flushes the outbox."),
    (
        "notice.sent",
        "pump",
        "the notice and its bytes",
        "It is sent again with the same id, which the receiver knows.",
    ),
    ("dead.freed", "pump", "a dead process's leases", "They are released again; its steps are taken over already."),
)

CRASH_POINTS: dict[str, CrashPoint] = {row[0]: CrashPoint(*row) for row in _ROWS}
