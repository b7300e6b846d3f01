"""`python -m pipelines.sandbox` as a process: its first line, its state after a kill, and airtable.js unmodified."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from pyairtable import Api

from pipelines.sandbox.airtable import FIRST_BASE
from tests.conftest import needs
from tests.sandbox.airtable.sandbox_airtable import TOKEN, VIDEOS, Board, Web, until

ROOT = Path(__file__).parents[3]
OFF = {"rate_limit": 0, "token_rate_limit": 0}


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The sandbox as a process and the address it printed."""
    command = [sys.executable, "-m", "pipelines.sandbox", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


@contextmanager
def client(url: str) -> Iterator[Any]:
    api = Api(TOKEN, endpoint_url=f"{url}/airtable", timeout=(60, 60), retry_strategy=None)
    try:
        yield api.base(FIRST_BASE)
    finally:
        api.session.close()


def test_a_fresh_sandbox_prints_its_address_has_one_empty_base_and_ends_on_sigterm() -> None:
    with process() as (running, url):
        with client(url) as base:
            assert base.schema().tables == []
        assert requests.get(url, timeout=60).status_code == 200
        assert requests.get(f"{url}/bill", timeout=60).status_code == 200
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_a_killed_sandbox_loses_nothing(tmp_path: Path) -> None:
    with Web() as web:
        state = ("--state", str(tmp_path / "state"))
        with process(*state) as (running, url), client(url) as base:
            requests.post(f"{url}/airtable/_control/faults", json=OFF | {"attachment_delay_s": 60}, timeout=60)
            videos = base.create_table("Videos", VIDEOS)
            rows = videos.batch_create([{"Title": f"{n:02d}", "Status": "Ready"} for n in range(20)])
            videos.delete(rows[3]["id"])
            videos.update(rows[0]["id"], {"Final Video": [{"url": web.serve("/a", b"bytes")}]})
            hook = base.add_webhook(web.url + "/hook", {"options": {"filters": {"dataTypes": ["tableData"]}}})
            videos.update(rows[1]["id"], {"Status": "Done"})
            until(lambda: web.posts)
            running.kill()
        with process(*state) as (_, url), client(url) as base:
            requests.post(f"{url}/airtable/_control/faults", json=OFF | {"attachment_delay_s": 0}, timeout=60)
            kept = base.table("Videos").all()
            assert [row["fields"]["Title"] for row in kept] == [f"{n:02d}" for n in range(20) if n != 3]
            assert kept[1]["fields"]["Status"] == "Done"
            assert base.webhook(hook.id).cursor_for_next_payload == 2
            assert len(list(base.webhook(hook.id).payloads())) == 1
            assert kept[0]["fields"]["Final Video"][0]["filename"] == "a"


def test_a_fetch_that_was_pending_at_the_kill_is_taken_up_and_its_bytes_survive_the_next(tmp_path: Path) -> None:
    with Web() as web:
        with Board(state=tmp_path) as airtable:
            airtable.build()
            airtable.control("POST", "faults", {"attachment_delay_s": 3600})
            url = web.serve("/late.bin", b"late bytes")
            row = airtable.videos.create({"Title": "t", "Final Video": [{"url": url}]})
            airtable.control("POST", "faults", {"attachment_delay_s": 0})
        for _ in range(2):
            with Board(state=tmp_path) as airtable:
                files = until(partial(_ready, airtable, row["id"]))
                assert requests.get(files[0]["url"], timeout=60).content == b"late bytes"
        assert web.gets == ["/late.bin"]


def _ready(airtable: Board, record_id: str) -> Any:
    files = airtable.videos.get(record_id)["fields"]["Final Video"]
    return files if "size" in files[0] else None


SCRIPT = """
const Airtable = require('airtable');
const [endpointUrl, baseId, fileUrl] = process.argv.slice(2);
const base = new Airtable({apiKey: 'patJs', endpointUrl, noRetryIfRateLimited: true}).base(baseId);
(async () => {
  const out = {};
  const videos = base('Videos');
  const rows = [];
  for (let start = 0; start < 120; start += 10) {
    const batch = [...Array(10).keys()].map(n => ({fields: {Title: `t${String(start + n).padStart(3, '0')}`}}));
    rows.push(...await videos.create(batch));
  }
  out.created = rows.length;
  const one = await videos.create({Title: 'single', Status: 'Brand New', Generate: true}, {typecast: true});
  out.single = one.fields;
  out.all = (await videos.select({sort: [{field: 'Title', direction: 'desc'}]}).all()).length;
  const pages = [];
  await videos.select({pageSize: 50, fields: ['Title']}).eachPage((page, next) => { pages.push(page.length); next(); });
  out.pages = pages;
  out.first = (await videos.select({filterByFormula: "{Title}='t007'", maxRecords: 1}).firstPage())[0].get('Title');
  out.byPost = (await videos.select({method: 'post', filterByFormula: "FIND('t01', {Title})"}).all()).length;
  await videos.update(one.id, {'Scene Count': 3});
  out.patched = (await videos.find(one.id)).fields;
  await videos.replace([{id: one.id, fields: {Title: 'replaced'}}]);
  out.replaced = (await videos.find(one.id)).fields;
  const upsert = await videos.update(
    [{fields: {Title: 'replaced', 'Scene Count': 5}}, {fields: {Title: 'fresh'}}],
    {performUpsert: {fieldsToMergeOn: ['Title']}});
  out.upsert = upsert.map(r => r.fields);
  const merged = await base.makeRequest({method: 'PATCH', path: '/Videos', body: {
    performUpsert: {fieldsToMergeOn: ['Title']}, records: [{fields: {Title: 'fresh'}}, {fields: {Title: 'fresher'}}]}});
  out.merged = [merged.body.createdRecords.length, merged.body.updatedRecords.length];
  await videos.update(one.id, {'Final Video': [{url: fileUrl, filename: 'a.mp4'}]});
  let files;
  do { files = (await videos.find(one.id)).get('Final Video'); } while (!files[0].size);
  out.file = [files[0].filename, files[0].type, files[0].size];
  out.destroyed = (await videos.destroy([one.id, rows[0].id])).map(r => r.id).length;
  const kind = promise => promise.then(() => 'none', e => [e.error, e.statusCode]);
  out.errors = [
    await kind(videos.find(one.id)),
    await kind(videos.create({Status: 'Nope'})),
    await kind(base('Nope').select().all()),
    await kind(new Airtable({apiKey: 'bad', endpointUrl}).base(baseId)('Videos').select().all()),
  ];
  console.log(JSON.stringify(out));
})().catch(e => { console.error(e); process.exit(1); });
"""


@pytest.fixture(scope="module")
def airtable_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which `require('airtable')` works; needs Node and the npm registry or its cache."""
    needs("Node", found=bool(shutil.which("node") and shutil.which("npm")))
    folder = tmp_path_factory.mktemp("js")
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", "airtable@0.12.2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    needs(f"airtable.js ({done.stderr[-200:]})", found=done.returncode == 0)
    (folder / "script.js").write_text(SCRIPT)
    return folder


def test_airtable_js_works_unmodified(airtable_js: Path) -> None:
    with Board() as airtable, Web() as web:
        airtable.build()
        file_url = web.serve("/a.mp4", b"not really a film")
        command = ["node", "script.js", f"{airtable.sandbox.url}/airtable", FIRST_BASE, file_url]
        done = subprocess.run(command, cwd=airtable_js, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out == {
        "created": 120,
        "single": {"Title": "single", "Status": "Brand New", "Generate": True},
        "all": 121,
        "pages": [50, 50, 21],
        "first": "t007",
        "byPost": 10,
        "patched": {"Title": "single", "Status": "Brand New", "Generate": True, "Scene Count": 3},
        "replaced": {"Title": "replaced"},
        "upsert": [{"Title": "replaced", "Scene Count": 5}, {"Title": "fresh"}],
        "merged": [1, 1],
        "file": ["a.mp4", "video/mp4", 17],
        "destroyed": 2,
        "errors": [
            ["NOT_FOUND", 404],
            ["INVALID_MULTIPLE_CHOICE_OPTIONS", 422],
            ["NOT_AUTHORIZED", 403],
            ["AUTHENTICATION_REQUIRED", 401],
        ],
    }
