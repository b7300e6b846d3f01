"""The agents' door: `POST /mcp` and `GET /llms.txt`, both made from the operations of the API."""

from flask import Blueprint

from webapp.agents import llms, mcp

bp = Blueprint("agents", __name__)
mcp.register(bp)
llms.register(bp)
