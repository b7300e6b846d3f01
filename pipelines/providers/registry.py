"""All adapters by name. Finds them by the catalogue, makes them on first use, loads no SDK before that."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping
from functools import cache

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import NotConfigured, NotFound
from pipelines.ports import Call, Callback, FilmEditor, VideoProvider
from pipelines.providers.base import Adapter, Context
from pipelines.settings import Settings, Variable, in_sections, variables


class Registry:
    """`ports.Providers`: one adapter per provider and process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._modules = adapter_modules(context.catalogue)
        self._made: dict[tuple[int, str], Adapter] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> VideoProvider:
        """The adapter. Raises NotConfigured naming the setting that is missing."""
        kind = self._kind(name)
        missing = kind.missing(self._context.settings)
        if missing:
            raise NotConfigured(f"{name} needs {missing} to be set")
        with self._lock:
            # Connections must not be shared with the process that forked us.
            key = (os.getpid(), name)
            if key not in self._made:
                self._made[key] = kind(self._context)
            return self._made[key]

    def configured(self, name: str) -> bool:
        """Whether its key (or address) is set."""
        return name in self._modules and self._kind(name).missing(self._context.settings) is None

    def missing(self, name: str) -> str | None:
        """The variable to set before `name` can be used; None when all is there."""
        return self._kind(name).missing(self._context.settings)

    def callback(self, address: str, call: Call) -> tuple[str, Callback]:
        """Whose call it is, by the end of its address, and what it says. Raises NotFound or BadWebhook."""
        for name, module in self._modules.items():
            kind = _adapter(module)
            if address == (name if call.token is not None else kind.webhook):
                return name, kind.callback(self._context.settings, call)
        raise NotFound(f"no provider calls at {address!r}")

    def unsigned(self) -> tuple[str, ...]:
        """The secrets that providers which are set up could sign their callbacks with, and that are not set."""
        kinds = [self._kind(name) for name in self._modules if self.configured(name)]
        secrets = [kind.webhook_secret(self._context.settings) for kind in kinds]
        return tuple(found[0] for found in secrets if found and not found[1])

    def names(self) -> tuple[str, ...]:
        """Every provider of the catalogue."""
        return tuple(self._modules)

    def close(self) -> None:
        """Close this process's connections."""
        with self._lock:
            mine = [key for key in self._made if key[0] == os.getpid()]
            for key in mine:
                self._made.pop(key).close()

    def _kind(self, name: str) -> type[Adapter]:
        if name not in self._modules:
            raise NotConfigured(f"no model of the catalogue belongs to a provider {name!r}")
        return _adapter(self._modules[name])


def build_providers(settings: Settings, catalogue: Mapping[str, CatalogueModel], editor: FilmEditor) -> Registry:
    """All providers the catalogue names."""
    return Registry(Context(settings=settings, catalogue=catalogue, editor=editor))


def all_variables(catalogue: Mapping[str, CatalogueModel]) -> tuple[Variable, ...]:
    """Every variable an operator can set, those that only one provider knows included."""
    shared = variables(Settings)
    own = [row for module in adapter_modules(catalogue).values() for row in variables(_adapter(module).needs)]
    return in_sections((*shared, *own))


def base_urls(settings: Settings, catalogue: Mapping[str, CatalogueModel]) -> dict[str, str]:
    """Where each provider's requests go: the `origins` of `domain.planning.make_plan`."""
    urls = {name: _adapter(module).base_url(settings) for name, module in adapter_modules(catalogue).items()}
    return {name: url for name, url in urls.items() if url}


def adapter_modules(catalogue: Mapping[str, CatalogueModel]) -> dict[str, str]:
    """Provider → dotted module: a neighbour of this one, unless a row's option `adapter` names another."""
    modules: dict[str, str] = {}
    for card in catalogue.values():
        named = card.options.get("adapter")
        if named or card.provider not in modules:
            modules[card.provider] = str(named or f"{__package__}.{card.provider}")
    return modules


@cache
def _adapter(module: str) -> type[Adapter]:
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise NotConfigured(f"the catalogue names an adapter that is not there: {module}") from error
    kind = getattr(found, "Provider", None)
    if not (isinstance(kind, type) and issubclass(kind, Adapter)):
        raise NotConfigured(f"{module} has no class Provider(Adapter)")
    return kind
