"""The REST API. Importing the modules registers their operations."""

from webapp.api import operate, runs, triggers
from webapp.api.operations import OPERATIONS, blueprint

__all__ = ["OPERATIONS", "blueprint", "operate", "runs", "triggers"]
