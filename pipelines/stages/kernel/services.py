"""Everything a stage may use, handed to it as one frozen value. Built by `pipelines.bootstrap`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.policy import Policy
from pipelines.ports import (
    Airtable,
    BaseTools,
    Clock,
    CrashPoints,
    FilmEditor,
    FilmSigner,
    Hints,
    Intake,
    Issuer,
    Links,
    Meaning,
    MediaStore,
    Moderator,
    NoticeSender,
    Payments,
    Pictures,
    PromptCheck,
    Providers,
    SceneWriter,
    Speech,
    Store,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Ports, the operator's policy and the catalogue. `work` is this machine's scratch folder."""

    owner: str
    """Who holds the leases: the name of this process."""
    policy: Policy
    store: Store
    clock: Clock
    points: CrashPoints
    hints: Hints
    links: Links
    catalogue: Mapping[str, CatalogueModel]
    prices: PriceList
    providers: Providers
    writer: SceneWriter
    moderator: Moderator
    speech: Speech
    pictures: Pictures
    airtable: Airtable
    base_tools: BaseTools
    media: MediaStore
    intake: Intake
    editor: FilmEditor
    notices: NoticeSender
    work: Path
    issuer: Issuer | None = None
    """Whose tokens act for accounts; None where only keys do."""
    payments: Payments = field(default_factory=Payments)
    prompt_check: PromptCheck | None = None
    """None where whatever a provider takes is filmed."""
    signer: FilmSigner | None = None
    """None where films are not signed."""
    meaning: Meaning | None = None
    """None where films are found by their words only."""

    @property
    def today(self) -> date:
        """The day (UTC), for what has an end or a price by the day."""
        return datetime.fromtimestamp(self.clock.now(), UTC).date()

    def catalogue_model(self, model: str) -> CatalogueModel:
        """The catalogue's row of a model that a committed plan names. Raises NotConfigured if it has left since."""
        if model not in self.catalogue:
            raise NotConfigured(f"model {model} is not in the catalogue any more")
        return self.catalogue[model]
