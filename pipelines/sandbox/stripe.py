"""Stripe's Payment Links as far as a shop on one machine needs them: `GET /stripe/pay` "pays", and sends the events."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import httpx
from flask import Blueprint, Flask, Response, jsonify, render_template_string, request

SECRET = "whsec_sandbox"  # noqa: S105 - of the sandbox
API_KEY = "rk_sandbox"
"""Of whoever may read the events."""
ENDPOINT = "http://127.0.0.1:8000/api/webhook/stripe"
COMPLETED, PAID_LATER = "checkout.session.completed", "checkout.session.async_payment_succeeded"
TIMEOUT_S = 10.0
_PAID, _UNPAID = {"payment_status": "paid"}, {"payment_status": "unpaid"}
WAYS: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "paid": ((COMPLETED, _PAID),),
    "twice": ((COMPLETED, _PAID), (COMPLETED, _PAID), (PAID_LATER, _PAID)),
    "later": ((COMPLETED, _UNPAID), (PAID_LATER, _PAID)),
    "reordered": ((PAID_LATER, _PAID), (COMPLETED, _UNPAID)),
    "euro": ((COMPLETED, {**_PAID, "currency": "eur"}),),
    "nobody": ((COMPLETED, {**_PAID, "client_reference_id": None}),),
}
"""How a payment may go: the events in the order in which they are sent, and what each says."""
_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pay</title>
<style>:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 500px }
</style></head><body><h1>Pay</h1><p>Nothing is charged. The events go to <code>{{ url }}</code>.</p>
<form method="post"><p><label>Account <input name="client_reference_id" value="{{ account }}"></label></p>
<p><label>Dollars <input name="usd" value="5"></label></p>
<p><label>How <select name="how">{% for way in ways %}<option>{{ way }}</option>{% endfor %}</select></label></p>
<button>Pay</button></form></body></html>"""


class Till:
    """Where events are sent, and what they are signed with."""

    def __init__(self) -> None:
        self.url, self.secret = ENDPOINT, SECRET
        self.page = 100
        """The most events in one answer."""
        self.charged: dict[str, int] = {}
        """Cents, by payment."""
        self.events: list[dict[str, Any]] = []
        """Everything that happened, the newest first, whoever heard of it."""

    def send(self, kind: str, thing: Mapping[str, Any], event: str | None = None) -> dict[str, Any]:
        """One event, signed as Stripe signs; what the endpoint answered."""
        made = event or f"evt_{secrets.token_hex(12)}"
        now = int(time.time())
        told = {"id": made, "object": "event", "type": kind, "created": now, "data": {"object": thing}}
        text = json.dumps(told).encode()
        if event is None:
            self.events.insert(0, told)
        mac = hmac.new(self.secret.encode(), f"{now}.".encode() + text, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={now},v1={mac}"}
        try:
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
                status = client.post(self.url, content=text, headers=headers).status_code
        except httpx.HTTPError as error:
            return {"type": kind, "event": made, "error": str(error)}
        return {"type": kind, "event": made, "status": status}


def register(app: Flask) -> None:
    """Mount the till."""
    till, stripe = Till(), Blueprint("stripe", __name__, url_prefix="/stripe")

    @stripe.post("/endpoint")
    def endpoint() -> Response:
        told = request.get_json()
        till.url, till.secret = told.get("url", till.url), told.get("secret", till.secret)
        till.page = int(told.get("page", till.page))
        return jsonify({"url": till.url, "secret": till.secret})

    @stripe.get("/pay")
    def page() -> str:
        account = request.args.get("client_reference_id", "")
        return render_template_string(_TEMPLATE, account=account, url=till.url, ways=list(WAYS))

    @stripe.post("/pay")
    def pay() -> Response:
        told: Mapping[str, Any] = request.get_json(silent=True) or request.form
        how = str(told.get("how") or "paid")
        if how not in WAYS:
            return Response(f"how must be one of {', '.join(WAYS)}", 400)
        cents, payment = round(float(told.get("usd") or 5) * 100), f"pi_{secrets.token_hex(12)}"
        till.charged[payment] = cents
        session = {
            "id": f"cs_test_{secrets.token_hex(12)}",
            "object": "checkout.session",
            "client_reference_id": told.get("client_reference_id") or None,
            "payment_intent": payment,
            "amount_subtotal": cents,
            "currency": "usd",
        }
        events = [till.send(kind, {**session, **says}) for kind, says in WAYS[how]]
        if how == "twice":
            events.append(till.send(COMPLETED, {**session, **_PAID}, events[0]["event"]))
        return jsonify({"session": session["id"], "payment": payment, "events": events})

    @stripe.post("/give-back")
    def give_back() -> Response:
        told = request.get_json()
        cents, payment = round(float(told["usd"]) * 100), told["payment"]
        if told.get("dispute"):
            return jsonify(till.send("charge.dispute.created", {"payment_intent": payment, "amount": cents}))
        charge = {"payment_intent": payment, "amount": till.charged.get(payment, cents), "amount_refunded": cents}
        return jsonify(till.send("charge.refunded", charge))

    @stripe.get("/v1/events")
    def events() -> tuple[Response, int]:
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return jsonify({"error": {"message": "Invalid API Key provided"}}), 401
        since, until = (int(request.args.get(f"created[{end}]", usual)) for end, usual in (("gte", 0), ("lte", 10**10)))
        types = request.args.getlist("types[]")
        found = [one for one in till.events if since <= one["created"] <= until and one["type"] in types]
        after = request.args.get("starting_after")
        start = next((place for place, one in enumerate(found, 1) if one["id"] == after), 0)
        page = found[start : start + min(int(request.args.get("limit", "10")), till.page)]
        more = start + len(page) < len(found)
        return jsonify({"object": "list", "data": page, "has_more": more, "url": "/v1/events"}), 200

    app.register_blueprint(stripe)
