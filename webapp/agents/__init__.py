"""The agents' door: `POST /mcp` and `GET /llms.txt`, made from the operations of the API; and whose tokens open it."""

from flask import Blueprint

from webapp.agents import llms, mcp, protected_resource

bp = Blueprint("agents", __name__)
mcp.register(bp)
llms.register(bp)
protected_resource.register(bp)
