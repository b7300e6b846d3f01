"""Pages for people. Importing the modules registers their routes."""

from webapp.pages import act, look
from webapp.pages.blueprint import bp
from webapp.pages.filters import register

__all__ = ["act", "bp", "look", "register"]
