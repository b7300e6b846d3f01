"""Pages for people. Importing the modules registers their routes."""

from webapp.pages import actions, views
from webapp.pages.blueprint import bp
from webapp.pages.filters import register

__all__ = ["actions", "bp", "register", "views"]
