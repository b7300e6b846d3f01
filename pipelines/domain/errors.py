"""The one exception tree. Each error says whether trying again can help, whose fault it is,
what the marketer reads in the row, and what the operator reads in the log.

    ReelgridError
    ├── Retryable                  the same step may succeed later
    │   ├── RateLimited            a vendor asked us to slow down
    │   ├── Unavailable            network, 5xx, a service that is down
    │   │   └── StorageUnavailable our storage does not answer
    │   ├── Busy                   our own limit: in-flight cap, budget switch, disk
    │   │   └── StorageDenied      storage does not let us in, or has no such bucket
    │   ├── TooMany                a key starts more than its pace allows, or has too much waiting
    │   └── BadDelivery            a download that was HTML, cut short or not playable yet
    └── Permanent                  a person or another path decides
        ├── InvalidOrder           what was asked cannot be made; lists every problem
        ├── Refused                the provider's moderation said no
        ├── ProviderFailed         the provider gave up on this generation
        ├── Expired                the provider no longer has the result
        ├── NotConfigured          a key or a setting is missing or wrong
        ├── OutOfCredit            the provider's account is empty or over quota
        ├── OverBudget             one of our caps would be passed
        │   └── InsufficientCredits  the account has fewer credits than it costs
        ├── RecordGone             the row, the table or the base is not there (any more)
        ├── AirtableDenied            Airtable refused our token or our fields
        ├── AirtableQuota             Airtable's monthly quota is used up: writes wait
        ├── UnplayableMedia        a file that is no usable video
        ├── ForbiddenAddress       an address from outside that leads inside, or is none
        ├── NotAllowed             does not fit the present status of a run
        ├── Suspended              the account may look, and start nothing
        ├── NotFound               no run, scene or generation of that id
        ├── BadPayment             what should be a signed payment is none
        ├── PaymentRefused         a signed payment was not accepted
        ├── PaidNotStarted         a payment arrived, and its run could not start
        └── Ambiguous              we do not know whether a paid request was taken
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Blame(StrEnum):
    """Who has to act."""

    MARKETER = "marketer"
    OPERATOR = "operator"
    PROVIDER = "provider"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an order: the field as its author names it, and a sentence with the allowed values."""

    field: str
    message: str


class ReelgridError(Exception):
    """Base of all our errors. `marketer` is a whole sentence that says what to do; `operator` is for the log."""

    blame: Blame = Blame.NOBODY
    default: str = "Something went wrong on our side; nothing you paid for is lost. Please try again."

    def __init__(self, operator: str = "", *, marketer: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(operator or marketer or self.default)
        self.marketer = marketer or self.default
        self.operator = operator or self.marketer
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, if it did."""
        self.cost_micro = 0
        """What was paid before it came to this, in micro-dollars: for an answer that refuses, for example."""
        self.body = ""
        """The text that came where a file was asked for. May hold a signed link: not for logs."""


class Retryable(ReelgridError):
    """Trying the same step again later can succeed."""


class Permanent(ReelgridError):
    """Trying the same step again cannot succeed."""


class RateLimited(Retryable):
    """A vendor asked us to slow down."""

    blame = Blame.PROVIDER
    default = "The video service is busy; we are waiting for our turn."


class Unavailable(Retryable):
    """A service cannot be reached or answers with a server error."""

    blame = Blame.PROVIDER
    default = "A service we depend on does not answer right now; we keep trying."


class StorageUnavailable(Unavailable):
    """Our own storage does not answer, or answers with a server error."""

    default = "Our storage does not answer right now. Nothing is lost; we keep trying."


class Busy(Retryable):
    """One of our own limits is reached for the moment."""

    default = "Waiting for a free place."


class StorageDenied(Busy):
    """Our storage does not let us in, or has no such bucket. What is made and paid for waits, however long."""

    blame = Blame.OPERATOR
    default = (
        "Our storage does not let us in at the moment. Nothing is lost: we go on as soon as your operator mended it."
    )

    def __init__(self, operator: str = "") -> None:
        super().__init__(operator, retry_after=15.0)


class TooMany(Retryable):
    """A key starts more than its pace allows, or an account has too much waiting. Nothing was started."""

    blame = Blame.MARKETER
    default = "Too much was started at once with this key. Nothing was started now; please try again in a moment."

    def __init__(
        self,
        operator: str = "",
        *,
        marketer: str | None = None,
        retry_after: float | None = None,
        limit: str = "start",
        most: int | None = None,
        window_s: float | None = None,
    ) -> None:
        super().__init__(operator, marketer=marketer, retry_after=retry_after)
        self.limit = limit
        """Which pace, as RateLimit-Policy names it."""
        self.most, self.window_s = most, window_s
        """So many at once, and as many again in so many seconds; without those, when others are over."""


class BadDelivery(Retryable):
    """A result that is not (yet) the video it should be."""

    blame = Blame.PROVIDER
    default = "The video service sent a damaged file; we are fetching it again."


class InvalidOrder(Permanent):
    """What was asked cannot be made. Carries every problem, not only the first."""

    blame = Blame.MARKETER

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(problems)
        sentence = " ".join(f"{p.field}: {p.message}" for p in self.problems)
        super().__init__(sentence, marketer=sentence)


class Refused(Permanent):
    """The provider's moderation said no to a prompt, an image or a result."""

    blame = Blame.MARKETER
    default = "The video service refused this scene. Change its prompt and regenerate the scene."


class ProviderFailed(Permanent):
    """The provider accepted the request and gave up on it."""

    blame = Blame.PROVIDER
    default = "The video service could not make this scene. Retry, or choose another model."


class Expired(Permanent):
    """The provider no longer has what we paid for."""

    blame = Blame.PROVIDER
    default = "The video service no longer has this clip."


class NotConfigured(Permanent):
    """A key or setting is missing, wrong or refused by the vendor."""

    blame = Blame.OPERATOR
    default = "This model is not set up here. Choose another model or ask your operator."


class OutOfCredit(Permanent):
    """The account at the provider is empty or over its quota."""

    blame = Blame.OPERATOR
    default = "The account at the video service is out of credit. Ask your operator, then retry: nothing is lost."


class OverBudget(Permanent):
    """One of our own caps would be passed."""

    blame = Blame.MARKETER
    default = "This would go over the budget."


class InsufficientCredits(OverBudget):
    """An account has fewer credits than what it orders costs. Nothing was set aside."""

    default = "There are not enough credits for this."

    def __init__(self, *, required_micro: int, available_micro: int, credit_micro: int) -> None:
        self.price_micro = required_micro
        self.required = -(-required_micro // credit_micro)
        """Whole credits, as are the others."""
        self.available = available_micro // credit_micro
        self.missing = self.required - self.available
        super().__init__(
            marketer=f"This needs {self.required} credit{'' if self.required == 1 else 's'}; {self.available} "
            f"{'is' if self.available == 1 else 'are'} available. Nothing was bought. Top up, then start or retry it."
        )


class StorageFull(OverBudget):
    """STORAGE_LIMIT_GB is reached: nothing new is started."""

    blame = Blame.OPERATOR
    default = "Our storage is full. Ask your operator to make room, then start again: nothing was bought."


class RecordGone(Permanent):
    """The row, its table or its base is not there, or not visible to us."""

    blame = Blame.MARKETER
    default = "The row was not found. It may have been deleted."


class AirtableDenied(Permanent):
    """Airtable refused our token, a field or a value."""

    blame = Blame.OPERATOR
    default = "Airtable refused our write. Ask your operator to run: flask airtable doctor"


class AirtableQuota(Permanent):
    """The workspace's monthly API quota is used up: never retried soon, the outbox waits."""

    blame = Blame.OPERATOR
    default = "Airtable's monthly API quota is used up; results appear in the row when it is back."


class UnplayableMedia(Permanent):
    """A file that is no usable video; the message gives the one reason."""

    blame = Blame.PROVIDER
    default = "The file is not a playable video."


class ForbiddenAddress(Permanent):
    """An address that came with data and leads to an inside server, or is no web address at all."""

    blame = Blame.MARKETER
    default = "This address cannot be used. Give a public address that starts with https://."


class BadPayment(Permanent):
    """A header that should hold a signed payment holds none that we can read. Nothing was paid."""

    blame = Blame.MARKETER
    default = "This is no payment by x402 version 2 that we can read. Nothing was paid: please sign a new one."


class PaymentRefused(Permanent):
    """The facilitator did not move the money of a signed payment. `operator` is its reason."""

    blame = Blame.MARKETER
    default = "This payment was not accepted, and nothing was taken. Please sign a new one."


class PaidNotStarted(Permanent):
    """A payment arrived, and what it was for could not be started: `refusal` says why. The credits are there."""

    def __init__(self, refusal: ReelgridError, key_id: str | None) -> None:
        super().__init__(f"a payment is unspent: {refusal.operator}", marketer=refusal.marketer)
        self.refusal = refusal
        self.key_id = key_id
        """Of the key that reaches the credits; None for whom it is not."""


class Ambiguous(Permanent):
    """A paid request was sent and its fate is unknown: reconcile, never send it again blindly."""

    blame = Blame.PROVIDER
    default = "We do not know whether the video service took this request."


class NotAllowed(Permanent):
    """What a person asks for does not fit the present status: the HTTP door answers 409."""

    blame = Blame.MARKETER
    default = "That is not possible right now."


class Suspended(Permanent):
    """The account may look at what it has, and start nothing: the HTTP door answers 403."""

    blame = Blame.MARKETER
    default = (
        "This account is suspended, so nothing new is started. What you have stays, and can be looked at. Ask whoever "
        "runs this service."
    )


class NotFound(Permanent):
    """No run, scene or generation of that id: the HTTP door answers 404."""

    blame = Blame.MARKETER
    default = "There is no such thing here."
