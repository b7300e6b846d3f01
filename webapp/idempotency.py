"""`Idempotency-Key`: the same POST sent again gets the same answer and does nothing again.

After draft-ietf-httpapi-idempotency-key-header-07: another content under a key is 422, one that is still being
handled 409. Answers of 2xx and final 4xx are kept a day; a 5xx is not, because trying again may help.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, g, request

from pipelines.domain.errors import Problem, ReelgridError
from pipelines.domain.keys import digest, new_id
from pipelines.domain.records import Replay
from pipelines.domain.state.replay import KeptAnswer
from pipelines.security import sealing
from webapp.context import actor, secret, services
from webapp.errors import HttpProblem, answer

HEADER = "Idempotency-Key"
MAX_KEY = 255
KEPT_S = 24 * 3600.0
IN_FLIGHT_S = 20.0
"""A request is answered or dead after this: then its key may be taken over."""
_PASSING = frozenset({401, 402, 403, 408, 409, 425, 429})
"""Refusals that may be different the next time."""


class InFlight(HttpProblem):
    """The first of two equal requests is still being handled."""


def once(data: dict[str, Any], handle: Callable[[], Response], *, sealed: bool = False) -> Response:
    """Handle the request, unless its `Idempotency-Key` has an answer already. `sealed`: an answer with a secret in it
    is kept so that the database alone does not tell it.
    """
    return under(name_of_request(), (request.method, request.path), data, handle, sealed=sealed)


def name_of_request() -> str | None:
    """What the client calls this request, if it does. Raises 400."""
    name = request.headers.get(HEADER)
    if name is not None and not (name.isascii() and name.isprintable() and 0 < len(name) <= MAX_KEY):
        problem = Problem(HEADER, f"must be 1 to {MAX_KEY} printable ASCII characters.")
        raise HttpProblem(400, f"{HEADER} {problem.message}", (problem,))
    return name


def under(
    name: str | None,
    what: tuple[str, str],
    data: dict[str, Any],
    handle: Callable[[], Response],
    *,
    sealed: bool = False,
) -> Response:
    """`once`, under a key that came some other way, and for `what` is asked for."""
    g.run_id = g.press = None
    if name is None:
        return handle()
    # A secret is told again only to the key that asked for it: another of the account may have fewer rights.
    # A token has no id, and its rights instead.
    whose = (asker(), actor().key_id or sorted(actor().scopes)) if sealed else (asker(),)
    return guarded(digest("replay", *whose, *what, name), digest(data), handle, sealed=sealed)


def asker() -> str | None:
    """Whose answers they are: an account's, whichever of its keys is shown; else those of the key."""
    return actor().account_id or actor().key_id


def guarded(id: str, body_hash: str, handle: Callable[[], Response], *, sealed: bool = False) -> Response:
    """Handle once per `id`; the answer is kept when it is final."""
    mine = Replay(id=id, body_hash=body_hash, at=services().clock.now(), body=KeptAnswer(run_id=new_id("run")))
    kept = _taken(mine)
    if kept is not None:
        return kept
    try:
        response = handle()
    except (HttpProblem, ReelgridError) as refusal:
        response = answer(refusal)
    except BaseException:
        _leave(mine)
        raise
    return _keep(mine, response, sealed=sealed)


def _taken(mine: Replay) -> Response | None:
    """The answer of an earlier request under this id, or None when ours is the first to be handled."""
    with services().store.write() as tx:
        if tx.replays.add(mine):
            g.run_id, g.press = mine.body.run_id, mine.id
            return None
        found = tx.replays.get(mine.id, lock=True)
        if found is None:
            return None
        over, same = mine.at - found.at > KEPT_S, found.body_hash == mine.body_hash
        if over or (same and not found.status and mine.at - found.at > IN_FLIGHT_S):
            # Whoever died while handling it may have committed a run or a decision: both are found under this id.
            body = mine.body if over else found.body
            fresh = {"at": mine.at, "body_hash": mine.body_hash, "status": 0, "body": body}
            if tx.replays.change(found.id, {"at": found.at, "status": found.status}, **fresh):
                g.run_id, g.press = body.run_id, mine.id
                return None
    if found.body_hash != mine.body_hash:
        raise HttpProblem(422, f"This {HEADER} was used for another request.", (Problem(HEADER, "was used already."),))
    if not found.status:
        raise InFlight(409, "The first request with this key is still being handled.", (), {"Retry-After": "1"})
    headers = {"Idempotent-Replayed": "true", **found.body.headers}
    text = sealing.unseal(secret(), found.body.text) if found.body.sealed else found.body.text
    return Response(text, found.status, headers, mimetype=found.body.type)


def _keep(mine: Replay, response: Response, *, sealed: bool) -> Response:
    if response.status_code >= 500:  # noqa: PLR2004
        _leave(mine)
        return response
    if response.status_code in _PASSING:
        _forget(mine)
        return response
    headers = {"Location": response.headers["Location"]} if "Location" in response.headers else {}
    text = response.get_data(as_text=True)
    text = sealing.seal(secret(), text) if sealed else text
    kept = KeptAnswer(text=text, type=response.mimetype or "", headers=headers, sealed=sealed)
    with services().store.write() as tx:
        tx.replays.change(mine.id, {"at": mine.at}, status=response.status_code, body=kept)
    return response


def _leave(mine: Replay) -> None:
    """No answer: what was committed before it went wrong stays known, and the request may be sent again at once."""
    with services().store.write() as tx:
        tx.replays.change(mine.id, {"at": mine.at, "status": 0}, at=mine.at - IN_FLIGHT_S - 1)


def _forget(mine: Replay) -> None:
    with services().store.write() as tx:
        found = tx.replays.get(mine.id)
        if found is not None and found.at == mine.at and not found.status:
            tx.replays.remove(mine.id)
