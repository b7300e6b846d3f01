"""The vendors who make clips, one module each, and the catalogue of their models. Importing this loads no SDK."""

from pipelines.providers.catalogue import CatalogueError, load_catalogue
from pipelines.providers.registry import Registry, all_variables, base_urls, build_providers

__all__ = ["CatalogueError", "Registry", "all_variables", "base_urls", "build_providers", "load_catalogue"]
