"""SECRET_KEY goes from one to another while people work: what the former one signed or sealed stays good for a time."""

from __future__ import annotations

import json

from flask.testing import FlaskClient

from pipelines.security import sealing
from pipelines.security.secret_keys import SecretKeys
from tests.web.test_pages import person
from tests.web.web_fixtures import BASE, OUTSIDE, WebHarness

OLD, NEW = OUTSIDE["SECRET_KEY"], "another secret key of tests"
ROTATED = {**OUTSIDE, "SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": f"{OLD},a key from long before that"}


def cookie_of(client: FlaskClient) -> str:
    found = client.get_cookie("reelgrid")
    assert found is not None
    return found.value


HOOK = "https://hooks.ada.example/x?token=abc"


def shows(harness: WebHarness, cookie: str) -> int:
    """What the start page answers to the browser of before."""
    client = harness.client
    client.set_cookie("reelgrid", cookie)
    return client.get("/", headers={"Accept": "text/html"}).status_code


def test_links_and_sessions_of_the_former_key_are_good_until_it_is_taken_out(harness: WebHarness) -> None:
    harness.finished("run_a")
    page = harness.services.links.page(run_id="run_a").removeprefix(OUTSIDE["PUBLIC_URL"])
    cookie = cookie_of(person(harness))
    harness.start(ROTATED)
    assert (harness.client.get(page).status_code, shows(harness, cookie)) == (200, 200)
    fresh = harness.services.links.page(run_id="run_a").removeprefix(OUTSIDE["PUBLIC_URL"])
    assert fresh != page, "the newest signs"
    harness.start({**OUTSIDE, "SECRET_KEY": NEW})
    assert (harness.client.get(page).status_code, shows(harness, cookie)) == (403, 401)
    assert harness.client.get(fresh).status_code == 200


def test_sealed_secrets_are_sealed_anew_and_open_without_the_former_key(harness: WebHarness) -> None:
    harness.services.base_tools.bases.connect(BASE, token="patOf.the.customer")
    made = harness.post("/api/webhooks", {"url": HOOK}).json
    harness.post(f"/api/webhooks/{made['endpoint_id']}/rotate")
    clip = {"prompt": "A fox.", "model": "local/animatic", "webhook_url": HOOK}
    run_id = harness.post("/api/generate-video", clip).json["run_id"]
    harness.start(ROTATED)
    runner = harness.app.test_cli_runner()
    assert "flask db reseal" in runner.invoke(args=["doctor"]).output
    assert json.loads(runner.invoke(args=["db", "reseal", "--json"]).output) == {"bases": [BASE], "webhooks": 2}
    with harness.store.read() as tx:
        base, (endpoint,), run = tx.bases.get(BASE), tx.endpoints.find(), tx.runs.get(run_id)
    assert base is not None
    assert run is not None
    assert run.webhook is not None
    assert sealing.unseal(SecretKeys(NEW), base.sealed_token or "") == "patOf.the.customer"
    assert sealing.unseal(SecretKeys(NEW), endpoint.address.sealed) == HOOK
    assert sealing.unseal(SecretKeys(NEW), endpoint.sealed_retired or "") == made["secret"]
    assert sealing.unseal(SecretKeys(NEW), run.webhook.sealed) == HOOK
    assert json.loads(runner.invoke(args=["db", "reseal", "--json"]).output) == {"bases": [], "webhooks": 0}
    assert "sealed secrets" not in runner.invoke(args=["doctor"]).output


def test_a_secret_whose_key_is_lost_is_told_by_the_doctor(harness: WebHarness) -> None:
    harness.services.base_tools.bases.connect(BASE, token="patOf.the.customer")
    harness.start({**OUTSIDE, "SECRET_KEY": NEW})
    told = harness.app.test_cli_runner().invoke(args=["doctor"]).output
    assert "SECRET_KEY_FALLBACKS" in told
