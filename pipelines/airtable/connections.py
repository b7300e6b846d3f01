"""Everything of this room on one set of settings: what bootstrap hands to stages, doors and commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.airtable.adapter import AirtableAdapter
from pipelines.airtable.base_admin.doctor import Doctor
from pipelines.airtable.base_admin.script import automation_script, button_formula
from pipelines.airtable.base_admin.setup import Setup
from pipelines.airtable.bases import Bases, Defaults
from pipelines.airtable.field_map import FieldMap, load_field_map
from pipelines.airtable.limiter import Limiter
from pipelines.airtable.rows.client import Client, OnCall
from pipelines.airtable.rows.name_book import NameBook
from pipelines.airtable.webhooks import Webhooks
from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.errors import NotConfigured
from pipelines.ports import Check, Clock, SetupReport, Store
from pipelines.security.secret_keys import SecretKeys
from pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class AirtableTools:
    """The room's services. One per process; made before a fork it may be used after it."""

    airtable: AirtableAdapter
    webhooks: Webhooks
    bases: Bases
    limiter: Limiter
    client: Client
    book: NameBook
    clock: Clock
    field_map: FieldMap
    public_url: str

    def setup(self, base_id: str, models: Sequence[str]) -> SetupReport:
        """Build or complete a base; `models` become the options of the `Model` fields. Raises of the tree."""
        wanted = tuple(models)
        mapped, formula = self.field_map.for_base(base_id), self.button_formula(base_id)
        return Setup(self.client, self.book, base_id, mapped, formula, wanted).run()

    def doctor(self, base_id: str) -> list[Check]:
        """Check every assumption about a base."""
        mapped = self.field_map.for_base(base_id)
        return Doctor(self.client, self.book, self.webhooks, self.clock, mapped, base_id, self.public_url).run()

    def script(self, base_id: str | None = None) -> str:
        """The automation script with this deployment's values. For a base that we have seen it names the table by
        its id, so that renaming the table breaks nothing. Makes no call.
        """
        seen = self.bases.state(base_id).schema if base_id else None
        known = (seen.tables or {}).get(AirtableTable.VIDEOS) if seen else None
        table = known["id"] if known else self.field_map.for_base(base_id or "").table(AirtableTable.VIDEOS)
        return automation_script(self.public_url, table)

    def button_formula(self, base_id: str | None = None) -> str:
        """The formula of a button field that opens the record's page."""
        page = self.field_map.for_base(base_id or "").field(AirtableTable.VIDEOS, VideoField.PROGRESS_PAGE)
        return button_formula(self.public_url, page, self.bases.named(base_id))


def connect(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    on_call: OnCall | None = None,
    wait: Callable[[float], object] | None = None,
) -> AirtableTools:
    """The room on these settings; opens no connection. Raises NotConfigured for a FIELD_MAP that cannot be read."""
    if settings.secret_key is None:
        raise NotConfigured("SECRET_KEY is missing")
    token = settings.airtable_api_key.get_secret_value() if settings.airtable_api_key else None
    defaults = Defaults(
        SecretKeys(settings.secret_key.get_secret_value(), settings.former_secret_keys),
        token,
        settings.airtable_base_id,
    )
    bases, limiter = Bases(store, clock, defaults), Limiter(store, clock, wait=wait)
    endpoint, content = settings.airtable_endpoint_url, settings.airtable_content_url
    client = Client(bases=bases, limiter=limiter, endpoint_url=endpoint, content_url=content, on_call=on_call)
    field_map = load_field_map(settings.field_map)
    book = NameBook(client, field_map, clock)
    return AirtableTools(
        airtable=AirtableAdapter(client, book),
        webhooks=Webhooks(client, book, bases, clock, settings.public_url),
        bases=bases,
        limiter=limiter,
        client=client,
        book=book,
        clock=clock,
        field_map=field_map,
        public_url=settings.public_url,
    )
