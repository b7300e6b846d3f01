"""A paid clip is not given up while one way to it was not tried: every fault of a link, in every adapter.

A server on loopback stands for the vendor at its configured address, another for the place its links lead to.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipelines.domain.errors import BadDelivery, Expired, Unavailable
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.state.generation import JobResult
from pipelines.media.editor import MediaEditor
from pipelines.ports import GenerationRequest, Job, VideoProvider
from pipelines.providers import build_providers, load_catalogue
from tests.wire.play import settings_for
from tests.wire.replay import CLIP

Answer = tuple[int, dict[str, str], bytes]
CATALOGUE = load_catalogue()
MODELS = {
    "sora": "sora/sora-2",
    "openrouter": "openrouter/alibaba/wan-3.0",
    "kie": "kie/bytedance/seedance-2-mini",
    "omni": "omni/gemini-omni-1.2-flash",
    "veo": "veo/veo-3.1-generate-001",
}
JOBS = {"veo": "projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001/operations/op1"}
OPERATION = f"/v1beta1/{JOBS['veo'].rpartition('/operations/')[0]}:fetchPredictOperation"
MP4 = base64.b64encode(CLIP).decode()
_PRIVATE = rsa.generate_private_key(65537, 2048)
KEY = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
GOOD: Answer = (200, {"Content-Type": "video/mp4"}, CLIP)


class Server:
    """Answers by path; remembers who asked for what, and with which key."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                key = self.headers.get("Authorization") or self.headers.get("x-goog-api-key")
                server.asked.append((path, key))
                status, headers, body = server.answers.get(path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 — http.server's name

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, path: str, body: Any) -> None:
        self.answers[path] = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def vendor() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Where links lead that are not the vendor's: never trusted to be inside, never shown a key."""
    with Server() as server:
        yield server


@contextmanager
def adapter(name: str, vendor: Server, folder: Path) -> Iterator[VideoProvider]:
    vendor.says("/token", {"access_token": "test-key", "token_type": "Bearer", "expires_in": 3600})
    key = KEY if name == "veo" else "unused"
    with closing(build_providers(settings_for(vendor.url, folder, key), CATALOGUE, MediaEditor())) as registry:
        yield registry.get(name)


def request(name: str) -> GenerationRequest:
    return GenerationRequest(
        model=MODELS[name], prompt="a", seconds=4, width=1280, height=720, aspect_ratio="16:9", resolution="720p"
    )


def done(name: str, link: str | None) -> Job:
    return Job(
        id=JOBS.get(name, "video_1abc"), status=GenerationStatus.SUCCEEDED, progress=100, result=JobResult(url=link)
    )


def own_way(name: str, vendor: Server) -> None:
    """The clip is where the vendor itself has it: its content, a fresh link, a fresh answer."""
    vendor.answers["/good.mp4"] = GOOD
    match name:
        case "sora":
            vendor.answers["/v1/videos/video_1abc/content"] = GOOD
        case "openrouter":
            vendor.answers["/api/v1/videos/video_1abc/content"] = GOOD
        case "kie":
            vendor.says("/api/v1/common/download-url", {"code": 200, "data": f"{vendor.url}/good.mp4"})
        case "omni":
            part = {"type": "video", "uri": f"{vendor.url}/good.mp4"}
            body = {"id": "video_1abc", "status": "completed", "steps": [{"type": "model_output", "content": [part]}]}
            vendor.says("/v1/interactions/video_1abc", body)
        case "veo":
            videos = [{"bytesBase64Encoded": MP4, "mimeType": "video/mp4"}]
            vendor.says(OPERATION, {"name": JOBS[name], "done": True, "response": {"videos": videos}})


EXPIRED = b'<?xml version="1.0"?><Error><Code>ExpiredToken</Code></Error>'
FAULTS: dict[str, Answer] = {
    **{str(status): (status, {}, EXPIRED) for status in (400, 401, 402, 403, 404, 410, 418, 422, 429, 500, 503)},
    "html": (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"),
    "json": (200, {"Content-Type": "application/json"}, b'{"error": "expired"}'),
    "text": (200, {"Content-Type": "video/mp4"}, b"Not found here, sorry"),
    "picture": (200, {"Content-Type": "image/png"}, b"\x89PNG\r\n\x1a\n" + bytes(600)),
    "empty": (200, {"Content-Type": "video/mp4"}, b""),
    "cut short": (200, {"Content-Type": "video/mp4", "Content-Length": "99999"}, CLIP),
    "nothing": (204, {}, b""),
    "loop": (302, {"Location": "/bad.mp4"}, b""),
    "redirect inside": (302, {"Location": "http://10.1.2.3:9/x.mp4"}, b""),
    "redirect to a file": (302, {"Location": "file:///etc/passwd"}, b""),
    "redirect to nonsense": (302, {"Location": "http://[bad/"}, b""),
    "redirect to no name": (302, {"Location": "http://xn--a/x.mp4"}, b""),
}
ADDRESSES = {
    "a port nobody trusts": "http://localhost:30000/x.mp4",
    "a private net": "http://10.1.2.3:9000/x.mp4",
    "a file": "file:///data/x.mp4",
    "a bucket": "s3://bucket/x.mp4",
    "a host that is none": "https://cdn.invalid/x.mp4",
    "no address": "http://[bad/x.mp4",
    "a name in Punycode that means nothing": "http://xn--a/x.mp4",
    "a port that is none": "http://example.com:99999/x.mp4",
    "a path on its disk": "/data/outputs/x.mp4",
    "a drive": "C:\\videos\\x.mp4",
}
every = pytest.mark.parametrize("name", MODELS)


@every
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_a_link_answers_the_next_way_is_tried(name: str, fault: str, vendor: Server, tmp_path: Path) -> None:
    vendor.answers["/bad.mp4"] = FAULTS[fault]
    own_way(name, vendor)
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{vendor.url}/bad.mp4"), request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP
    assert "/bad.mp4" in [path for path, _ in vendor.asked]


@every
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_be_used_leads_to_the_next_way(
    name: str, address: str, vendor: Server, tmp_path: Path
) -> None:
    own_way(name, vendor)
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, ADDRESSES[address]), request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


@every
def test_a_server_inside_that_nobody_named_is_never_asked_and_no_key_goes_there(
    name: str, vendor: Server, elsewhere: Server, tmp_path: Path
) -> None:
    own_way(name, vendor)
    elsewhere.answers["/x.mp4"] = GOOD
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{elsewhere.url}/x.mp4"), request(name), tmp_path / "clip.mp4")
    assert elsewhere.asked == []


@every
def test_our_key_goes_to_the_configured_address_only(
    name: str, vendor: Server, elsewhere: Server, tmp_path: Path
) -> None:
    vendor.answers["/go.mp4"] = (302, {"Location": f"{elsewhere.url}/x.mp4"}, b"")
    own_way(name, vendor)
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{vendor.url}/go.mp4"), request(name), tmp_path / "clip.mp4")
    assert elsewhere.asked == []
    assert all("test-key" in (key or "") for path, key in vendor.asked if path not in ("/good.mp4", "/token"))


FILE = "/v1beta/files/abc123:download"
OTHER_NAMES = {
    "omni": (
        FILE,
        "https://generativelanguage.googleapis.com/v1beta/files/abc123:download?alt=media",
        "https://generativelanguage.googleapis.com/v1beta/files/abc123",
        "https://generativelanguage.googleapis.com/download/v1beta/files/abc123:download?alt=media",
        "files/abc123",
    ),
    "sora": ("/v1/videos/video_1abc/content", "https://api.openai.com/v1/videos/video_1abc/content"),
    "openrouter": (
        "/api/v1/videos/video_1abc/content",
        "https://openrouter.ai/api/v1/videos/video_1abc/content?index=0",
    ),
}


@pytest.mark.parametrize(("name", "link"), [(n, link) for n, (_, *links) in OTHER_NAMES.items() for link in links])
def test_a_link_to_the_vendors_own_host_is_asked_for_at_the_configured_address_with_the_key(
    name: str, link: str, vendor: Server, tmp_path: Path
) -> None:
    path = OTHER_NAMES[name][0]
    vendor.answers[path] = GOOD
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, link), request(name), tmp_path / "clip.mp4")
    key = "test-key" if name == "omni" else "Bearer test-key"
    assert vendor.asked == [(path, key)]
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


@every
def test_a_link_that_died_is_taken_from_a_fresh_answer(name: str, vendor: Server, tmp_path: Path) -> None:
    vendor.answers["/good.mp4"] = GOOD
    link = f"{vendor.url}/good.mp4"
    vendor.says("/v1/videos/video_1abc", {"id": "video_1abc", "status": "completed", "url": link})
    vendor.says("/api/v1/videos/video_1abc", {"id": "video_1abc", "status": "completed", "urls": [link]})
    record = {"taskId": "video_1abc", "state": "success", "resultJson": json.dumps({"resultUrls": [link]})}
    vendor.says("/api/v1/jobs/recordInfo", {"code": 200, "data": record})
    part = {"type": "video", "uri": link}
    steps = [{"type": "model_output", "content": [part]}]
    vendor.says("/v1/interactions/video_1abc", {"id": "video_1abc", "status": "completed", "steps": steps})
    samples = {"generatedSamples": [{"video": {"uri": link}}]}
    vendor.says(OPERATION, {"done": True, "response": {"generateVideoResponse": samples}})
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{vendor.url}/dead.mp4"), request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


@every
def test_gone_is_said_only_when_every_way_says_so_and_each_is_named(name: str, vendor: Server, tmp_path: Path) -> None:
    with adapter(name, vendor, tmp_path) as provider:
        with pytest.raises(Expired) as caught:
            provider.fetch(done(name, f"{vendor.url}/dead.mp4"), request(name), tmp_path / "clip.mp4")
        assert "the link to 127.0.0.1" in caught.value.operator
        assert "a fresh answer" in caught.value.operator
        vendor.answers["/dead.mp4"] = (503, {}, b"")
        with pytest.raises((Unavailable, BadDelivery)):
            provider.fetch(done(name, f"{vendor.url}/dead.mp4"), request(name), tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


CONTENTS: dict[str, Answer] = {
    "JSON with a link": (200, {"Content-Type": "application/json"}, b'{"data": {"url": "%s/good.mp4"}}'),
    "JSON called octets": (200, {"Content-Type": "application/octet-stream"}, b'{"video_url": "%s/good.mp4"}'),
    "a bare link": (200, {"Content-Type": "text/plain"}, b"%s/good.mp4\n"),
    "a quoted link": (200, {"Content-Type": "application/json"}, b'"%s/good.mp4"'),
    "a refusal that names the link": (
        400,
        {"Content-Type": "application/json"},
        b'{"detail": "Video has been uploaded to cloud storage. Please use the cloud URL: %s/good.mp4"}',
    ),
    "the clip in JSON": (
        200,
        {"Content-Type": "application/json"},
        b'{"video": {"b64_json": "' + MP4.encode() + b'"}}',
    ),
    "a file that is called text": (200, {"Content-Type": "text/html"}, CLIP),
    "a file that is called JSON": (200, {"Content-Type": "application/json"}, CLIP),
    "all of it in a part": (206, {"Content-Range": f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}"}, CLIP),
    "another good status": (203, {"Content-Type": "video/mp4"}, CLIP),
}
CONTENT_OF = {"sora": "/v1/videos/video_1abc/content", "openrouter": "/api/v1/videos/video_1abc/content"}


@pytest.mark.parametrize("name", CONTENT_OF)
@pytest.mark.parametrize("answer", CONTENTS)
def test_the_vendors_own_endpoint_may_answer_with_a_link_or_a_clip_inside(
    name: str, answer: str, vendor: Server, tmp_path: Path
) -> None:
    status, headers, body = CONTENTS[answer]
    vendor.answers[CONTENT_OF[name]] = status, headers, body.replace(b"%s", vendor.url.encode())
    vendor.answers["/good.mp4"] = GOOD
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, None), request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


@every
def test_a_link_may_lead_to_json_with_a_link_but_no_page_is_searched_for_videos(
    name: str, vendor: Server, tmp_path: Path
) -> None:
    vendor.answers["/good.mp4"], vendor.answers["/advert.mp4"] = GOOD, (200, {}, CLIP + b"an advert")
    vendor.answers["/page"] = (200, {"Content-Type": "text/html"}, b"<video src='%s/advert.mp4'>" % vendor.url.encode())
    vendor.says("/go.mp4", {"url": f"{vendor.url}/good.mp4"})
    with adapter(name, vendor, tmp_path) as provider:
        job = done(name, f"{vendor.url}/page")
        job = dataclasses.replace(job, result=JobResult(url=job.result.url, others=(f"{vendor.url}/go.mp4",)))
        provider.fetch(job, request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP
    assert "/advert.mp4" not in [path for path, _ in vendor.asked]


@every
def test_a_clip_inside_a_fresh_answer_is_taken(name: str, vendor: Server, tmp_path: Path) -> None:
    vendor.says("/v1/videos/video_1abc", {"id": "video_1abc", "status": "completed", "data": [{"b64_json": MP4}]})
    vendor.says(
        "/api/v1/videos/video_1abc", {"id": "video_1abc", "status": "completed", "url": f"data:video/mp4;base64,{MP4}"}
    )
    vendor.says(
        "/api/v1/jobs/recordInfo", {"code": 200, "data": {"state": "success", "resultJson": json.dumps({"video": MP4})}}
    )
    steps = [{"content": [{"type": "video", "data": MP4}]}]
    vendor.says("/v1/interactions/video_1abc", {"id": "video_1abc", "status": "completed", "steps": steps})
    vendor.says(OPERATION, {"done": True, "response": {"generatedVideos": [{"video": {"encodedVideo": MP4}}]}})
    with adapter(name, vendor, tmp_path) as provider:
        job = provider.poll(JOBS.get(name, "video_1abc"), request(name))
        assert (job.status, job.result) == (GenerationStatus.SUCCEEDED, JobResult())
        provider.fetch(job, request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


def test_a_clip_in_a_bucket_that_cannot_be_read_is_waited_for_and_says_what_to_do(
    vendor: Server, tmp_path: Path
) -> None:
    with (
        adapter("veo", vendor, tmp_path) as provider,
        pytest.raises(Unavailable, match=r"gs://ours/clip\.mp4") as caught,
    ):
        provider.fetch(done("veo", "gs://ours/clip.mp4"), request("veo"), tmp_path / "clip.mp4")
    assert "Storage Object Viewer" in caught.value.operator


@pytest.mark.parametrize("answer", [{"done": True}, {"done": True, "response": {}}, {"done": True, "response": None}])
def test_an_operation_that_is_done_before_its_video_is_there_is_asked_again(
    answer: dict[str, Any], vendor: Server, tmp_path: Path
) -> None:
    vendor.says(OPERATION, answer)
    with adapter("veo", vendor, tmp_path) as provider:
        assert provider.poll(JOBS["veo"], request("veo")).status is GenerationStatus.RUNNING


@every
def test_a_file_that_is_not_what_was_bought_leads_to_the_next_way(name: str, vendor: Server, tmp_path: Path) -> None:
    """Also to a link of a fresh answer, behind damaged files at the link that we had and at the vendor's own place."""
    damaged = (200, {"Content-Type": "video/mp4"}, CLIP[:-100])
    own_way(name, vendor)
    vendor.answers |= {path: damaged for path, answer in vendor.answers.items() if answer == GOOD}
    vendor.answers |= {"/bad.mp4": damaged, "/fresh.mp4": GOOD}
    fresh = {"status": "completed", "video_url": f"{vendor.url}/fresh.mp4"}
    vendor.says("/v1/videos/video_1abc", {"id": "video_1abc", **fresh})
    vendor.says("/api/v1/videos/video_1abc", {"id": "video_1abc", **fresh})
    vendor.says("/api/v1/jobs/recordInfo", {"code": 200, "data": {"taskId": "video_1abc", **fresh}})
    vendor.says("/v1/interactions/video_1abc", {"id": "video_1abc", **fresh})
    taken: list[bytes] = []

    def accept(file: Path) -> None:
        taken.append(file.read_bytes())
        if taken[-1] != CLIP:
            raise BadDelivery("a part of it is missing")

    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{vendor.url}/bad.mp4"), request(name), tmp_path / "clip.mp4", accept)
    assert (taken[0], taken[-1]) == (CLIP[:-100], CLIP)
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


@pytest.mark.parametrize("name", ["sora", "openrouter"])
def test_a_link_to_the_content_at_another_address_is_tried_where_ours_has_none(
    name: str, vendor: Server, tmp_path: Path
) -> None:
    path = "/store/videos/video_1abc/content"
    vendor.answers[path] = GOOD
    with adapter(name, vendor, tmp_path) as provider:
        provider.fetch(done(name, f"{vendor.url}{path}"), request(name), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP
    assert [asked for asked, _ in vendor.asked][1:] == [path]
