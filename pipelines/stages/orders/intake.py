"""Pictures, logo and music of an order are brought into our storage when the run starts: Airtable's links die soon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.domain.errors import (
    BadDelivery,
    Busy,
    Expired,
    InvalidOrder,
    Permanent,
    Problem,
    RateLimited,
    ReelgridError,
    StorageUnavailable,
    Unavailable,
)
from pipelines.domain.orders.brand import Brand, brand_problems
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.files import keep
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

PAUSE_S = 5.0
"""So soon our storage is asked again."""
TRIES = 3
"""A file may be cut short on its way once or twice."""
_NOT_THERE = "There is nothing at this address, or it is not public."
_NO_FILE = "What comes from this address is a page or a part of a file."


def bring_all(
    services: Services,
    order: Order,
    scenes: list[SceneOrder] | None,
    *,
    of_base: bool = True,
    run_id: str | None = None,
    account_id: str | None = None,
) -> tuple[Order, list[SceneOrder] | None]:
    """The order with storage keys in place of addresses. Raises InvalidOrder naming each file that is not there or no
    use, Unavailable while a server does not answer, and Busy while our storage does not, which says nothing about a
    file and is no failure to fetch it. `of_base`: the addresses are those of attachments of a row. All
    are kept for the run that uses them.
    """
    carrier = _Carrier(partial(services.intake.bring, of_base=of_base, account_id=account_id), services)
    try:
        order, brought = carrier.order(order, scenes)
    except StorageUnavailable as error:
        raise Busy(error.operator, marketer=error.marketer, retry_after=error.retry_after or PAUSE_S) from error
    if run_id is not None and carrier.used:
        keep.use(services, run_id, carrier.used)
    if carrier.problems:
        raise InvalidOrder(tuple(dict.fromkeys(carrier.problems)))
    return order, brought


def bring_pictures(services: Services, addresses: Sequence[str], run: Run, *, of_base: bool = False) -> dict[str, str]:
    """By address the storage key of each picture, kept for the run. Raises as `bring_all` does."""
    carrier = _Carrier(partial(services.intake.bring, of_base=of_base, account_id=run.account_id), services)
    try:
        found = {address: carrier.picture("references", address) for address in addresses}
    except StorageUnavailable as error:
        raise Busy(error.operator, marketer=error.marketer, retry_after=error.retry_after or PAUSE_S) from error
    if carrier.problems:
        raise InvalidOrder(tuple(dict.fromkeys(carrier.problems)))
    keep.use(services, run.id, carrier.used)
    return {address: key for address, key in found.items() if key is not None}


def check_brand(services: Services, brand: Brand) -> tuple[str, ...]:
    """What whoever keeps a brand should know of it, its files included. Raises Unavailable."""
    carrier = _Carrier(partial(services.intake.bring, of_base=True, account_id=None), services)
    carrier.checked("Logo", brand.logo, services.editor.check_logo)
    carrier.checked("Music", brand.music, services.editor.check_music)
    with_font = carrier.brand(brand) or brand
    return (*(f"{problem.field}: {problem.message}" for problem in carrier.problems), *brand_problems(with_font))


class _Carrier:
    """Collects what could not be fetched instead of stopping at the first."""

    def __init__(self, bring: Callable[[str], str], services: Services) -> None:
        self._bring_file, self._services = bring, services
        self._keys: dict[str, str] = {}
        self.used: set[str] = set()
        self.problems: list[Problem] = []

    def order(self, order: Order, scenes: list[SceneOrder] | None) -> tuple[Order, list[SceneOrder] | None]:
        """All files of an order, and of scenes that came another way."""
        order = replace(
            order,
            references=self.pictures("references", order.references),
            first_frame=self.picture("first_frame", order.first_frame),
            last_frame=self.picture("last_frame", order.last_frame),
            logo=self.checked("logo", order.logo, self._services.editor.check_logo),
            music=self.checked("music", order.music, self._services.editor.check_music),
            brand=self.brand(order.brand),
            scenes=tuple(self.scene(index, scene) for index, scene in enumerate(order.scenes)),
        )
        brought = [self.scene(index, scene) for index, scene in enumerate(scenes)] if scenes is not None else None
        return order, brought

    def one(self, field: str, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            return self._bring(url)
        except (Permanent, BadDelivery) as error:
            self.problems.append(Problem(field, f"The file could not be fetched. {_why(error)}"))
            return None
        except StorageUnavailable:
            raise
        except (Unavailable, RateLimited) as error:
            words = f"{urlsplit(url).hostname} does not hand out a file of this order right now; we keep trying."
            raise Unavailable(f"{field}: {error.operator}", marketer=words, retry_after=error.retry_after) from error

    def _bring(self, url: str) -> str:
        """Once for all places that name it."""
        if url not in self._keys:
            self._keys[url] = self._fetched(url)
        self.used.add(self._keys[url])
        return self._keys[url]

    def _fetched(self, url: str) -> str:
        for _ in range(TRIES - 1):
            with suppress(BadDelivery):
                return self._bring_file(url)
        return self._bring_file(url)

    def checked(self, field: str, url: str | None, check: Callable[[Path], None]) -> str | None:
        """What is laid over or under the film is looked at before anything is bought for it."""
        key = self.one(field, url)
        if key is None:
            return None
        try:
            check(scratch.local(self._services, key))
        except InvalidOrder as error:
            self.problems += [Problem(field, problem.message) for problem in error.problems]
        return key

    def brand(self, brand: Brand | None) -> Brand | None:
        """The brand with its font brought in; no film waits for one that cannot be used."""
        if brand is None or brand.font is None:
            return brand
        try:
            key = self._bring(brand.font)
            self._services.editor.check_font(scratch.local(self._services, key))
        except InvalidOrder as error:
            return _without_font(brand, error.problems[0].message)
        except (Permanent, BadDelivery) as error:
            return _without_font(brand, f"The file could not be fetched. {_why(error)}")
        except StorageUnavailable:
            raise
        except (Unavailable, RateLimited) as error:
            words = f"{urlsplit(brand.font).hostname} does not hand out the brand's font right now; we keep trying."
            raise Unavailable(f"font: {error.operator}", marketer=words, retry_after=error.retry_after) from error
        return replace(brand, font=key)

    def picture(self, field: str, url: str | None) -> str | None:
        """What a video service will be shown. One that is ours already was looked at when it came."""
        if url is None or "://" not in url:
            self.used |= {url} if url else set()
            return url
        key = self.one(field, url)
        if key is None:
            return None
        try:
            return self._plain(key)
        except InvalidOrder as error:
            self.problems += [Problem(field, problem.message) for problem in error.problems]
            return key

    def _plain(self, key: str) -> str:
        """The picture as every video service reads it. Its name follows from the one it was made of, so that the same
        picture stays the same scene.
        """
        services = self._services
        plain = f"{key.rpartition('.')[0]}-plain.png"
        if services.media.stat(plain) is not None:
            self.used.add(plain)
            return plain
        with scratch.draft(services, "intake", Path(plain).name) as made:
            if not services.editor.plain_picture(scratch.local(services, key), made):
                return key
            services.media.put_file(made, plain, "image/png")
        self.used.add(plain)
        return plain

    def pictures(self, field: str, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(key for url in urls if (key := self.picture(field, url)) is not None)

    def scene(self, index: int, scene: SceneOrder) -> SceneOrder:
        return replace(scene, references=self.pictures(f"scenes[{index}].references", scene.references))


def _without_font(brand: Brand, why: str) -> Brand:
    return replace(brand, font=None, notes=(*brand.notes, f"Font was not used, Inter is. {why}"))


def _why(error: ReelgridError) -> str:
    """What the errors of a download mean for a file that a person named."""
    if isinstance(error, Expired):
        return _NOT_THERE
    return _NO_FILE if isinstance(error, BadDelivery) else error.marketer
