"""Pages for people, a file each: what they show and what their buttons do. A GET starts and changes nothing, however
often a scanner or a history follows it. Importing the modules registers their routes.
"""

from webapp.pages import decide, fonts, rows, runs, shares, sign_in, versions
from webapp.pages.blueprint import bp
from webapp.pages.filters import register
from webapp.pages.ordering import page as order_page
from webapp.pages.overview import account, films, keys, operate, queue, usage
from webapp.pages.pack import page as pack_page

__all__ = [
    "account",
    "bp",
    "decide",
    "films",
    "fonts",
    "keys",
    "operate",
    "order_page",
    "pack_page",
    "queue",
    "register",
    "rows",
    "runs",
    "shares",
    "sign_in",
    "usage",
    "versions",
]
