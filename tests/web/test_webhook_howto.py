"""The receivers of the how-to believe what we send, once, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from pipelines.stages.notices.send import Notifier
from tests.conftest import needs
from tests.web.web_fixtures import OUTSIDE, WebHarness

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "customer-webhooks.md"


def code(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize(("language", "name"), [("python", "receiver.py"), ("js", "receiver.mjs")])
def test_a_receiver_takes_our_message_once_and_refuses_a_forged_one(tmp_path: Path, language: str, name: str) -> None:
    needs("Node", found=language != "js" or shutil.which("node") is not None)
    script = tmp_path / name
    script.write_text(code(language), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with WebHarness(tmp_path, {**OUTSIDE, "WEBHOOK_ORIGINS": origin}) as shop:
        made = shop.post("/api/webhooks", {"url": f"{origin}/reelgrid"}).json
        environ = {**os.environ, "WEBHOOK_SECRET": made["secret"], "PORT": origin.rpartition(":")[2]}
        command = [sys.executable if language == "python" else "node", str(script)]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as it:
            try:
                assert forged(origin) == 401
                notice = shop.post(f"/api/webhooks/{made['endpoint_id']}/test").json["notice_id"]
                for _ in range(2):
                    Notifier(shop.services).send_due()
                    shop.post(f"/api/notices/{notice}/resend")
                (sent,) = shop.get(f"/api/webhooks/{made['endpoint_id']}/notices").json["notices"]
                codes = [one["code"] for one in sent["attempts"]]
                assert codes == [204, 204]
            finally:
                it.terminate()
            assert it.stdout
            told = it.stdout.read()
    assert told.count("endpoint.test") == 1, told


def forged(origin: str) -> int:
    """What is answered to somebody without the secret, once the receiver is up."""
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,Zm9yZ2Vk"}
    for _ in range(200):
        try:
            return httpx.post(origin, content=b"{}", headers=headers, timeout=60.0).status_code
        except httpx.ConnectError:
            time.sleep(0.02)
    raise AssertionError("the receiver did not start")
