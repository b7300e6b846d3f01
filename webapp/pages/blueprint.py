"""The blueprint that all pages belong to."""

from flask import Blueprint

bp = Blueprint("pages", __name__)
