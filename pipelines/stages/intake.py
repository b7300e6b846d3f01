"""Pictures, logo and music of an order are brought into our storage when the run starts: Airtable's links die soon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import InvalidOrder, Permanent, Problem
from pipelines.domain.order import Order, SceneOrder
from pipelines.stages import scratch
from pipelines.stages.services import Services


def bring_all(
    services: Services, order: Order, scenes: list[SceneOrder] | None
) -> tuple[Order, list[SceneOrder] | None]:
    """The order with storage keys in place of addresses. Raises InvalidOrder naming each file that is not there."""
    carrier = _Carrier(services)
    order = replace(
        order,
        references=carrier.bring("references", order.references),
        first_frame=carrier.one("first_frame", order.first_frame),
        last_frame=carrier.one("last_frame", order.last_frame),
        logo=carrier.checked("logo", order.logo, services.studio.check_logo),
        music=carrier.checked("music", order.music, services.studio.check_music),
        scenes=tuple(carrier.scene(index, scene) for index, scene in enumerate(order.scenes)),
    )
    brought = [carrier.scene(index, scene) for index, scene in enumerate(scenes)] if scenes is not None else None
    if carrier.problems:
        raise InvalidOrder(tuple(dict.fromkeys(carrier.problems)))
    return order, brought


class _Carrier:
    """Collects what could not be fetched instead of stopping at the first."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.problems: list[Problem] = []

    def one(self, field: str, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            return self._services.intake.bring(url)
        except Permanent as error:
            self.problems.append(Problem(field, f"The file could not be fetched. {error.marketer}"))
            return None

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

    def bring(self, field: str, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(key for url in urls if (key := self.one(field, url)) is not None)

    def scene(self, index: int, scene: SceneOrder) -> SceneOrder:
        return replace(scene, references=self.bring(f"scenes[{index}].references", scene.references))
