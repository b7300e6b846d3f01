"""What is sent and what comes back about customers' webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.domain.customers.notices import USUAL, NoticeStatus, NoticeType
from pipelines.stages.views.documents import Time
from webapp.api.answers import Answer
from webapp.api.fields import Body
from webapp.api.notices.addresses import MAX_ADDRESS
from webapp.api.queries import NewestQuery

EVENTS = tuple(kind.value for kind in NoticeType if kind is not NoticeType.ENDPOINT_TEST)
STATUSES = tuple(one.value for one in NoticeStatus)

Address = Annotated[
    str, Field(min_length=1, max_length=MAX_ADDRESS, description="A public address that starts with https://.")
]
Events = Annotated[
    list[Literal[EVENTS]],  # type: ignore[valid-type]
    Field(min_length=1, max_length=len(EVENTS), description="All but `run.progress` when left out."),
]
Description = Annotated[str, Field(max_length=200)]


class EndpointOrder(Body):
    """An address to be told at."""

    url: Address
    events: Events = Field(default=[kind.value for kind in USUAL])
    format: Annotated[
        Literal["standard", "airtable", "slack"],
        Field(
            description="Standard Webhooks; flat fields for Airtable's “When webhook received”; a sentence for Slack's "
            "incoming webhooks."
        ),
    ] = "standard"
    description: Description = ""


class EndpointChange(Body):
    """What is given is changed."""

    url: Address | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: Annotated[bool | None, Field(description="Switched on, it starts anew; nothing is sent while off.")] = None


class SecretRotation(Body):
    """Another secret in the place of one."""

    hours: Annotated[
        float,
        Field(ge=0, le=720, allow_inf_nan=False, description="How long the previous secret signs as well; 0 ends it."),
    ] = 24


class Recovery(Body):
    """Which messages are to be sent again."""

    since: Annotated[str, Field(description="Those of this moment and later that did not arrive: ISO 8601.")]


class EndpointView(Answer):
    """An address that is told. Of an address that may hold a secret only a part is shown."""

    endpoint_id: str
    url: str
    format: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: Annotated[
        str | None,
        Field(description="paused: by you. gone: it answered 410. failing: nothing arrived for five days."),
    ]
    disabled_at: Time | None
    failing_since: Annotated[Time | None, Field(description="Since then nothing arrived.")]
    delivered_at: Annotated[Time | None, Field(description="The last message that arrived.")]
    old_secret_until: Annotated[Time | None, Field(description="Until then the secret before signs too.")]
    created_at: Time


class NewEndpointView(EndpointView):
    """An endpoint with its secret, which is shown once."""

    secret: str


class EndpointList(Answer):
    """The endpoints of the account, oldest first."""

    endpoints: list[EndpointView]
    next_cursor: str | None


class Deleted(Answer):
    """It is gone."""

    endpoint_id: str
    deleted: bool


class AttemptView(Answer):
    """One try to send a message."""

    at: Time
    code: Annotated[int | None, Field(description="The status that was answered; null without an answer.")]
    ms: int
    outcome: str


class NoticeView(Answer):
    """One message to one address. `notice_id` is its `webhook-id`, the same at every attempt."""

    notice_id: str
    endpoint_id: Annotated[str | None, Field(description="Null for the `webhook_url` of an order.")]
    run_id: str | None
    type: str
    status: str
    created_at: Time
    finished_at: Time | None
    next_attempt_at: Time | None
    attempts: Annotated[list[AttemptView], Field(description="The newest first.")]


class NoticeQuery(NewestQuery):
    """Which messages, newest first."""

    status: Literal[STATUSES] | None = None  # type: ignore[valid-type]


class NoticeList(Answer):
    """A page of what was sent to an endpoint, newest first."""

    notices: list[NoticeView]
    next_cursor: str | None


class Recovered(Answer):
    """How many messages are sent again. With `more`, ask once more."""

    recovered: int
    more: bool


class AccountSecret(Answer):
    """What signs the messages to the `webhook_url` of an order, and messages that order something themselves."""

    secret: str
    start_url: Annotated[str | None, Field(description="Signed orders are taken here, with the rights of this key.")]
    start_secret: Annotated[str | None, Field(description="What signs them; it ends with this key.")]
