"""Puts the product together: the only module that names adapters. Building opens no connection."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import NotConfigured
from pipelines.domain.orders.checks import usable
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.policy import Policy
from pipelines.domain.records import RESTORED
from pipelines.ports import Clock, CrashPoints, FilmEditor, Hints, Issuer, Meaning, Providers, Store
from pipelines.queueing import NoHints, RqHints, socket_url
from pipelines.security.secret_keys import SecretKeys
from pipelines.security.signed_links import SignedLinks
from pipelines.settings import Origin, Settings
from pipelines.settings.values import database_url
from pipelines.stages.base_rows.airtable_calls import CallCounter
from pipelines.stages.kernel.services import Services
from pipelines.wakeups import RedisWakeups

if TYPE_CHECKING:
    from pipelines.writers.evals import PromptEvals

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
GIB = 1024.0**3
SOCKET_LIMIT = 100
"""A unix socket's path may have 107 characters on Linux, 103 on macOS."""


class SystemClock:
    """ports.Clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()


class AgreedClock:
    """ports.Clock: this machine's time, unless the database's server says that it is wrong. Several machines compare
    times that others wrote, such as the ends of leases: they must mean the same by them, or one that is ahead takes
    what another is buying, and gives up what it has bought.
    """

    def __init__(self, machine: Clock, store: Store) -> None:
        self._machine, self._store, self._told = machine, store, False

    def now(self) -> float:
        """Seconds since the epoch."""
        here, agreed = self._machine.now(), self._store.server_time()
        if agreed is None or abs(agreed - here) <= DISAGREES_S:
            self._told = False
            return here
        if not self._told:
            self._told = True
            logger.warning("this machine's clock is %+.0f s off the database's, whose time is used", here - agreed)
        return agreed


DISAGREES_S = 1.0
"""No clock that is kept right is further off, and no lease is so short that it would matter."""


class TraceCrashPoints:
    """ports.Points for production: each point is a line in the debug log, with the ids it is about."""

    def reach(self, name: str, **ids: str) -> None:
        """Log where we are."""
        logger.debug("point %s %s", name, ids)


def policy_of(settings: Settings, catalogue: Mapping[str, CatalogueModel], providers: Providers, today: date) -> Policy:
    """The operator's decisions as the stages need them."""
    from pipelines.providers.registry import base_urls

    origins = base_urls(settings, catalogue)
    pays = _offers_paid_clips(providers, catalogue, origins, today)
    here = settings.loopback
    airtable_is_here = Origin.of(settings.airtable_endpoint_url).loopback
    explicit = settings.video_model in catalogue
    if not explicit:
        logger.warning("VIDEO_MODEL %s is not in the catalogue", settings.video_model)
    return Policy(
        run_cap_micro=settings.max_cost_per_run_micro,
        day_cap_micro=settings.max_cost_per_day_micro,
        default_model=settings.video_model,
        fallback_models=settings.fallback_models,
        max_cuts_per_run=settings.max_cuts_per_run,
        approval_above_micro=settings.approval_threshold_micro,
        default_base=settings.airtable_base_id,
        public_url=settings.public_url,
        airtable_reaches_us=not here or airtable_is_here,
        # On a laptop, only providers that run on it too can call back: then all that are not here get no callback.
        providers_reach_us=not here or any(Origin.of(url).loopback for url in origins.values()),
        keep_clips_s=_days(settings.keep_clips_days),
        keep_cuts_s=_days(settings.keep_cuts_days),
        storage_limit_bytes=None if settings.storage_limit_gb is None else settings.storage_limit_gb * GIB,
        storage_gb_month_micro=settings.storage_gb_month_micro,
        credits_expire_days=settings.credits_expire_days,
        account_runs_in_flight=settings.account_runs_in_flight,
        account_backlog=settings.account_backlog,
        keep_old_films=settings.keep_old_films == "yes",
        disclosure=settings.disclosure,
        model_origins=tuple(sorted(origins.items())),
        animatic_by_default="video_model" not in settings.model_fields_set and pays,
    )


def prices_of(settings: Settings, catalogue: Mapping[str, CatalogueModel]) -> PriceList:
    """What accounts are charged. Raises SettingsError; what is sold at a loss is said in the log."""
    from pipelines.settings.price_list import below_cost, load_price_list

    prices = load_price_list(settings.price_list, settings.credit_micro)
    for sentence in below_cost(prices, catalogue):
        logger.warning("PRICE_LIST: %s", sentence)
    return prices


def _offers_paid_clips(
    providers: Providers, catalogue: Mapping[str, CatalogueModel], origins: Mapping[str, str], today: date
) -> bool:
    """Whether a provider is set up that still runs a model which costs something."""
    paid = [card for card in catalogue.values() if not card.free and providers.configured(card.provider)]
    return any(usable(card, today=today, origins=origins).refusal is None for card in paid)


def _days(days: int | None) -> float | None:
    return None if days is None else days * DAY_S


def broker_socket(settings: Settings) -> Path:
    """Where the embedded broker listens: under var/, or in a short temporary place where that path is too long."""
    path = settings.var.absolute() / "broker.sock"
    if len(str(path)) <= SOCKET_LIMIT:
        return path
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"reelgrid-{mark}.sock"


def broker_url(settings: Settings) -> str:
    """REDIS_URL, else the embedded broker."""
    return settings.redis_url or socket_url(broker_socket(settings))


def make_store(settings: Settings, *, pooled: bool = True, threads: int = 4) -> Store:
    """The truth, for so many threads at once. `pooled=False` keeps no connection open between transactions, for
    processes that fork.
    """
    from pipelines.database import SqlStore

    # The embedded broker is known to one machine, and who commits may be on another.
    wakeups = RedisWakeups(settings.redis_url, threads=pooled) if settings.redis_url else None
    direct_url = settings.database_direct_url
    return SqlStore(settings.database_url, pooled=pooled, threads=threads, direct_url=direct_url, wakeups=wakeups)


def secret_keys(settings: Settings, store: Store) -> SecretKeys:
    """What links, sessions and secrets hang on, for a database of the present schema. Raises NotConfigured."""
    if settings.secret_key is None:
        raise NotConfigured("SECRET_KEY is missing")
    with store.read() as tx:
        restored = tx.checkpoints.get(RESTORED)
    return SecretKeys(
        settings.secret_key.get_secret_value(), settings.former_secret_keys, int(restored.at) if restored else 0
    )


def back_up_database(settings: Settings, dest: Path) -> int:
    """Write the database of this moment into one file; how many bytes. Raises NotAllowed and NotConfigured."""
    from pipelines.database.backup import back_up

    return back_up(settings.database_direct_url or settings.database_url, dest)


def restore_database(source: Path, url: str) -> None:
    """Make an empty database what it was, with spending stopped. Raises NotAllowed, NotConfigured and ValueError."""
    from pipelines.database.backup import restore

    restore(source, database_url(url), SystemClock().now())


def mark_restored(settings: Settings, now: float, known_until: float) -> None:
    """Say of the database of these settings that it was brought back and knows nothing since then; spending stops."""
    from pipelines.database.backup import mark_restored as mark

    mark(settings.database_direct_url or settings.database_url, now, known_until)


def make_editor() -> FilmEditor:
    """The cutting room; its heavy libraries load when they are used."""
    from pipelines.media.editor import MediaEditor

    return MediaEditor()


def make_prompt_evals(settings: Settings, folder: Path | None) -> PromptEvals:
    """What tells whether another wording of the scene writer's prompt file is a better one, by answers in a folder."""
    from pipelines.writers.evals import PromptEvals

    return PromptEvals(settings, folder)


@dataclass(frozen=True, slots=True)
class Lettering:
    """What this machine can write into pictures: cards and burned captions."""

    scripts: Mapping[str, bool]
    """Whether there are letters for a script, by its name, and they can be set."""
    shaping: bool
    """Whether letters that join or reorder can be set at all."""


def lettering() -> Lettering:
    """What this machine's fonts and libraries can set; they are looked at when asked."""
    from pipelines.media.text import fonts

    return Lettering(fonts.scripts_supported(), fonts.shaping())


def build_services(
    settings: Settings,
    *,
    owner: str | None = None,
    hints: Hints | None = None,
    points: CrashPoints | None = None,
    clock: Clock | None = None,
    threads: int = 4,
) -> Services:
    """Everything on these settings, for a process of which so many threads ask the database at once."""
    from pipelines.airtable.connections import connect
    from pipelines.imaging import build_pictures
    from pipelines.net import telemetry
    from pipelines.payments import build_payments
    from pipelines.providers import build_providers, load_catalogue
    from pipelines.security.film_signature import build_signer
    from pipelines.speech import build_speech
    from pipelines.storage import GuardedIntake, build_store
    from pipelines.webhook_sender import WebhookSender
    from pipelines.writers import build_moderator, build_prompt_check, build_writer

    if settings.secret_key is None:
        raise NotConfigured("SECRET_KEY is missing")
    telemetry.start(settings)
    catalogue = load_catalogue(settings.catalogue)
    store, editor, media = make_store(settings, threads=threads), make_editor(), build_store(settings)
    clock = AgreedClock(clock or SystemClock(), store)
    providers = build_providers(settings, catalogue, editor)
    policy = policy_of(settings, catalogue, providers, datetime.fromtimestamp(clock.now(), UTC).date())
    work = settings.var / "work"
    keys = cache(lambda: secret_keys(settings, store))
    airtable = connect(settings, store, clock, on_call=CallCounter(store, clock))
    return Services(
        owner=owner or f"{socket.gethostname()}-{os.getpid()}",
        policy=policy,
        store=store,
        clock=clock,
        points=points or TraceCrashPoints(),
        hints=hints or NoHints(),
        links=SignedLinks(settings.public_url.rstrip("/"), keys, policy.providers_reach_us, clock),
        issuer=_issuer(settings),
        catalogue=catalogue,
        prices=prices_of(settings, catalogue),
        providers=providers,
        writer=build_writer(settings),
        moderator=build_moderator(settings),
        speech=build_speech(settings),
        pictures=build_pictures(settings),
        airtable=airtable.airtable,
        base_tools=airtable,
        media=media,
        intake=GuardedIntake(media, work, settings.trusted_origins["airtable"]),
        editor=editor,
        notices=WebhookSender(keys, settings.trusted_origins["webhooks"]),
        work=work,
        payments=build_payments(settings),
        prompt_check=build_prompt_check(settings),
        signer=build_signer(settings),
        meaning=_meaning(settings),
    )


def _issuer(settings: Settings) -> Issuer | None:
    from pipelines.net.issuer import PublishedIssuer

    return PublishedIssuer(settings.jwt_issuer) if settings.jwt_issuer else None


def _meaning(settings: Settings) -> Meaning | None:
    from pipelines.meaning import LocalMeaning

    return LocalMeaning(settings.database_url) if settings.search_embeddings == "local" else None


def build_before_forks(settings: Settings) -> Callable[[str], Services]:
    """The worker's services, made once for all the processes that will be forked: they share that memory, and none of
    them, of which each hint starts one, has to make its own (some 50 ms). Returns what names the owner of a process.
    """
    made = build_services(settings, hints=rq_hints(settings))
    made.store.warm_up()
    return lambda owner: replace(made, owner=owner)


def rq_hints(settings: Settings) -> RqHints:
    """Hints over the broker of these settings."""
    return RqHints(broker_url(settings))
