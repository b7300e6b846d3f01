"""The REST API. Importing the modules registers their operations."""

from webapp.api import operate, runs, triggers
from webapp.api.account import credits as account_credits
from webapp.api.account import handlers as account
from webapp.api.batches import handlers as batches
from webapp.api.following import handlers as following
from webapp.api.notices import handlers as notices
from webapp.api.operations import OPERATIONS, blueprint

__all__ = [
    "OPERATIONS",
    "account",
    "account_credits",
    "batches",
    "blueprint",
    "following",
    "notices",
    "operate",
    "runs",
    "triggers",
]
