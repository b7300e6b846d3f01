"""A run and what it makes: scenes, generations, clips, cuts, and the text that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pipelines.domain.footage import Footage, Verdict, Word
from pipelines.domain.lifecycle import CutStatus, GenerationStatus, Reason, RunSource, RunStatus, SceneStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.narration import Line, spoken
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.domain.planning.plan import LeftOut, Plan, SceneSettings
from pipelines.domain.planning.script import Script
from pipelines.domain.planning.translation import SceneWords, Translation, in_words
from pipelines.domain.records.work import Leased
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.domain.state.delivery import Attachment, JoinReport
from pipelines.domain.state.generation import GenerationRequest, GenerationResult
from pipelines.domain.state.sealed_address import SealedAddress

LAST_FRAME = "last_frame"
"""In `Clip.prepared`: the picture from which the next scene goes on."""
THUMBNAIL = "thumbnail"
"""In `Clip.prepared`: a small picture that stands for the clip on pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Leased):
    """One execution of an order. `plan` is what was quoted and will be submitted."""

    status: RunStatus
    source: RunSource
    base_id: str | None = None
    table: str | None = None
    record_id: str | None = None
    number: int = 1
    account_id: str | None = None
    key_id: str | None = None
    project_id: str | None = None
    """What its money is counted under, from when its order is known."""
    model: str = ""
    """The model of its plan, else the one that its order names; empty while neither is known."""
    shape: str = ""
    """Of its first format, such as 16:9; empty while that is not known."""
    order: Order | None = None
    plan: Plan | None = None
    quote_micro: int | None = None
    ceiling_micro: int | None = None
    """What the run may cost in all by the last decision about it, where that was made for a price."""
    price_micro: int | None = None
    """What its account is charged at most, in whole credits; None where nothing is charged."""
    detail: str = ""
    """One sentence for the marketer: what is happening."""
    error: str | None = None
    """One sentence for the marketer: what went wrong and what to do."""
    verdict: str | None = None
    approval: Literal["asked", "given"] | None = None
    turn: Literal["waits", "taken"] | None = None
    """Of an account's run: whether it waits until fewer of them are made, or counts as one that is."""
    fresh: bool = False
    take: int = 0
    """Counts the cuts of this run: 0 for the first, more after regenerating."""
    batch_id: str | None = None
    custom_id: str | None = None
    """The name that whoever ordered it has for it; said again in every message about it."""
    metadata: Mapping[str, str] | None = None
    """What whoever ordered it wants to be told again."""
    webhook: SealedAddress | None = None
    """Where the messages about its end go, beside those to endpoints."""
    created_at: float = 0.0
    updated_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    version: int = 0
    traceparent: str | None = None
    """The W3C context of the request that started it: every process that works on it goes on from there."""
    words: str = ""
    """What it is found by: title, first words, record; in small letters."""

    @property
    def known_order(self) -> Order:
        """The order of a run whose row has been read. Raises ValueError before that."""
        if self.order is None:
            raise ValueError(self.id)
        return self.order

    @property
    def known_plan(self) -> Plan:
        """The plan of a run that is planned. Raises ValueError before that."""
        if self.plan is None:
            raise ValueError(self.id)
        return self.plan

    def posted_in(self, language: str) -> str:
        """What to paste beside its films in one of their languages, the brand's hashtags included."""
        if self.order is None or self.plan is None or not self.order.pack:
            return ""
        tags = " ".join(self.order.brand.tags) if self.order.brand else ""
        return "\n\n".join(filter(None, (self.plan.posted_in(language), tags)))

    def in_language(self, language: str) -> Run:
        """It with the cards of its films in one of their languages."""
        order, texts = self.known_order, self.known_plan.card_texts.get(language)
        if texts is None:
            return self
        cards = replace(order, title_card=in_words(texts, order.title_card), end_card=in_words(texts, order.end_card))
        return replace(self, order=cards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One shot of a run. `settings` is what is submitted beside the prompt; `attempt_level` how far the refusal
    ladder went.
    """

    id: str
    run_id: str
    number: int
    key: str
    prompt: str
    status: SceneStatus = SceneStatus.QUEUED
    caption: str | None = None
    narration: str | None = None
    sound: str | None = None
    """Its spoken line in our storage, as soon as that is there."""
    seconds: float = 0.0
    """What the film shows; the model may have to be asked for more."""
    model: str = ""
    settings: SceneSettings = field(default_factory=SceneSettings)
    references: tuple[str, ...] = ()
    continues: bool = False
    transition: str | None = None
    take: int = 0
    fingerprint: str = ""
    clip_id: str | None = None
    error: str | None = None
    attempt_level: AttemptLevel = field(default_factory=AttemptLevel)
    airtable_record_id: str | None = None
    hook: str = ""
    """The letter of the hook that begins with it, where the run has several; empty for what every film shows."""
    words: str = ""
    """What it is found by."""
    translations: Mapping[str, SceneWords] = field(default_factory=dict)
    """What is read and heard in it in other languages, by their tags."""
    updated_at: float = 0.0

    @property
    def must_start(self) -> bool:
        """Whether it was ordered to start from a picture, which then is no reference."""
        return self.settings.must_start or (self.settings.left_out or LeftOut()).first_frame is not None

    @property
    def pictures(self) -> tuple[str, ...]:
        """What it refers to, and starts from where that was not ordered, also where its model takes none: keys in our
        storage, and addresses of what was not brought there yet. Those of its whole order are among them.
        """
        left_out = self.settings.left_out or LeftOut()
        start = None if self.must_start else self.settings.first_frame
        return tuple(filter(None, (start, *self.references, *left_out.references)))

    def with_pictures(self, brought: Mapping[str, str]) -> Scene:
        """It with other names for its pictures."""

        def named(pictures: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(brought.get(one, one) for one in pictures)

        asked, left_out = self.settings, self.settings.left_out
        first = asked.first_frame and brought.get(asked.first_frame, asked.first_frame)
        left_out = left_out and replace(left_out, references=named(left_out.references))
        return replace(
            self,
            references=named(self.references),
            settings=replace(asked, first_frame=first, left_out=left_out),
        )

    @property
    def aloud(self) -> str | None:
        """What is said over it where somebody speaks; None where there is nothing to say."""
        return self.settings.said or spoken(self.narration, self.caption)

    @property
    def is_said(self) -> bool:
        """Whether its spoken lines are there, in every language that it is translated into."""
        return None not in (self.sound, *(words.sound for words in self.translations.values()))

    def in_language(self, language: str) -> Scene:
        """It as a film in that language shows it; as it is where it is in no other."""
        words = self.translations.get(language)
        if words is None:
            return self
        caption, narration = in_words(words.texts, self.caption), in_words(words.texts, self.narration)
        settings = replace(self.settings, said=None)
        return replace(self, caption=caption, narration=narration, sound=words.sound, settings=settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(Leased):
    """One paid request. While it is open, `reserve_micro` of the run's hold is committed to it."""

    run_id: str
    scene_id: str
    """For the draft of one, its `keys.draft_key`: drafts are no tries at the clip."""
    status: GenerationStatus
    provider: str
    model: str
    request: GenerationRequest
    idem_key: str
    callback_token: str
    attempt: int = 1
    fingerprint: str = ""
    reserve_micro: int = 0
    cost_micro: int | None = None
    """What we count: what the provider says it billed, where it says so, else the list price."""
    billed_micro: int | None = None
    """What the provider says it billed; None where it does not tell."""
    intent_at: float | None = None
    submitted_at: float | None = None
    provider_id: str | None = None
    """The job's id, as `keys.job_key` gives it."""
    wrapped_id: str | None = None
    """The id that the job is asked for by, where a gateway wraps the job's own in one."""
    progress: int = 0
    result: GenerationResult = field(default_factory=GenerationResult)
    reason: Reason | None = None
    error: str | None = None
    deadline_at: float | None = None
    expires_at: float | None = None
    polls: int = 0
    clip_id: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def job_id(self) -> str:
        """What its provider is asked for it by."""
        return self.wrapped_id or self.provider_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Leased):
    """One video file for a scene, in our storage. `prepared` maps a piece key to the storage key of that piece."""

    run_id: str
    scene_id: str
    fingerprint: str
    sha256: str
    key: str
    size: int
    model: str = ""
    generation_id: str | None = None
    cost_micro: int = 0
    placeholder: bool = False
    footage: Footage = field(default_factory=Footage)
    prepared: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    deleted_at: float | None = None

    @property
    def last_frame(self) -> str | None:
        """The picture from which the next scene goes on, where it is cut out."""
        return self.prepared.get(LAST_FRAME)

    @property
    def thumbnail(self) -> str | None:
        """The small picture that stands for the clip, where it could be made."""
        return self.prepared.get(THUMBNAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Leased):
    """One stitched output of a run. `token` makes the permanent link `/v/{token}`."""

    run_id: str
    take: int
    format: str
    status: CutStatus
    token: str
    animatic: bool = False
    hook: str = ""
    """The letter of the hook that it begins with, where the run has several."""
    language: str = ""
    """Of what is read and heard in it, as a BCP 47 tag; empty where nobody said it."""
    key: str | None = None
    sha256: str | None = None
    size: int | None = None
    filename: str | None = None
    poster_key: str | None = None
    extras: Mapping[str, str] = field(default_factory=dict)
    """Storage keys of contact sheet, preview, captions and the provenance sidecar."""
    footage: Footage = field(default_factory=Footage)
    report: JoinReport = field(default_factory=JoinReport)
    verdict: Verdict = field(default_factory=Verdict)
    attachment: Attachment = field(default_factory=Attachment)
    created_at: float = 0.0
    delivered_at: float | None = None
    revoked_at: float | None = None
    deleted_at: float | None = None

    @property
    def named(self) -> str:
        """Which film of its run it is."""
        return ", ".join(filter(None, (self.format, self.hook and f"hook {self.hook}", self.language)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest(Leased):
    """One question to the scene writer, from before it is asked until its answer is used: a text is not paid twice."""

    run_id: str
    asked_at: float = 0.0
    answered: bool = False
    answer: Script = field(default_factory=Script)
    doubted: float = 0.0
    """The end of the lease that was given to an asker who had not prolonged his: unless he does now, he is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase(Leased):
    """Something bought beside clips, such as a spoken line, from before it is asked for: the same thing is one row of
    its account (`fingerprint`). `run_id` is the run that wants it now and pays for it.
    """

    run_id: str
    kind: Literal["speech", "picture", "translation"]
    fingerprint: str
    status: GenerationStatus
    account_id: str | None = None
    request: Line = field(default_factory=Line)
    """A spoken line."""
    picture: PictureRequest | None = None
    """A picture."""
    texts: Translation = field(default_factory=Translation)
    """Of a translation: what is asked for."""
    answer: tuple[str, ...] = ()
    """And its lines, as soon as they are there."""
    reserve_micro: int = 0
    """What one try costs at most."""
    cost_micro: int = 0
    """What all tries have cost."""
    tries: int = 0
    intent_at: float | None = None
    file: str | None = None
    """The key of what was bought, in our storage."""
    seconds: float = 0.0
    words: tuple[Word, ...] = ()
    """When each word is said, where the voice tells."""
    error: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchVector:
    """What a text of a film means, as a model puts it into numbers: vectors of texts that mean the same point the same
    way. `id` names the run, the scene and the model.
    """

    id: str
    run_id: str
    scene: int = 0
    """The number of its scene; 0 for title and prompt of the film."""
    model: str
    account_id: str | None = None
    text_hash: str
    vector: bytes
    """A signed byte for each number; only the direction counts."""
    run_at: float = 0.0
    """When its run was ordered."""
    indexed_at: float = 0.0
