"""The fakes that ship keep the promises of the ports they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.errors import (
    AirtableDenied,
    AirtableQuota,
    Ambiguous,
    NotConfigured,
    OutOfCredit,
    RateLimited,
    RecordGone,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.records import OutboxEntry
from pipelines.media.clips.probe import probe
from pipelines.ports import (
    Airtable,
    Clock,
    CrashPoints,
    FilmEditor,
    GenerationRequest,
    Hints,
    Intake,
    Job,
    Links,
    Moderator,
    Providers,
    SceneWriter,
    Submission,
    VideoProvider,
)
from pipelines.testing import (
    FixedClock,
    MappedIntake,
    MemoryAirtable,
    NoCrashPoints,
    Outcome,
    PlainLinks,
    QuietFilmEditor,
    QuietHints,
    ScriptedModerator,
    ScriptedProvider,
    ScriptedProviders,
    ScriptedWriter,
    ServicesHarness,
    make_services,
    tiny_mp4,
)

BASE = "appMemory00000001"


def test_every_fake_is_its_port(tmp_path: Path) -> None:
    clock: Clock = FixedClock()
    points: CrashPoints = NoCrashPoints()
    hints: Hints = QuietHints()
    links: Links = PlainLinks()
    writer: SceneWriter = ScriptedWriter()
    moderator: Moderator = ScriptedModerator()
    editor: FilmEditor = QuietFilmEditor()
    provider: VideoProvider = ScriptedProvider("acme", clock)
    providers: Providers = ScriptedProviders(provider)
    airtable: Airtable = MemoryAirtable(clock, lambda _url: None)
    services = make_services(tmp_path, writer=writer, editor=editor, airtable=airtable, providers=providers)
    intake: Intake = MappedIntake(services.media)
    assert all(fake is not None for fake in (points, hints, links, moderator, intake))
    assert (services.writer, services.editor, services.airtable, services.providers) == (
        writer,
        editor,
        airtable,
        providers,
    )


def test_single_fields_of_the_policy_and_whole_services_can_be_replaced(tmp_path: Path) -> None:
    services = make_services(tmp_path, run_cap_micro=7, owner="me")
    assert (services.policy.run_cap_micro, services.owner) == (7, "me")
    with services.store.read() as tx:
        assert tx.runs.count() == 0


def test_a_tiny_video_is_playable_of_its_length_and_differs_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "tiny.mp4"
    path.write_bytes(tiny_mp4(2.5, "one"))
    assert probe(path).duration_s == pytest.approx(2.5)
    assert tiny_mp4(2.5, "one") == tiny_mp4(2.5, "one") != tiny_mp4(2.5, "two")


# ---------------------------------------------------------------- the provider


def submission(prompt: str = "A cat", key: str = "key") -> Submission:
    request = GenerationRequest(
        model="acme/film", prompt=prompt, seconds=4, width=1280, height=720, aspect_ratio="16:9", resolution="720p"
    )
    return Submission(request=request, idem_key=key)


@pytest.mark.parametrize(
    ("outcome", "error", "bought"),
    [
        (Outcome.REFUSE, Refused, 0),
        (Outcome.NO_CREDIT, OutOfCredit, 0),
        (Outcome.LOST, Ambiguous, 0),
        (Outcome.AMBIGUOUS, Ambiguous, 1),
        (Outcome.RATE_LIMIT, RateLimited, 0),
        (Outcome.AWAY, Unavailable, 0),
    ],
)
def test_a_purchase_ends_as_scripted(outcome: Outcome, error: type[ReelgridError], bought: int) -> None:
    provider = ScriptedProvider("acme", FixedClock())
    provider.script("cat", outcome)
    with pytest.raises(error):
        provider.submit(submission())
    assert len(provider.bought) == bought


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (Outcome.SUCCEED, GenerationStatus.SUCCEEDED, None),
        (Outcome.FLAG, GenerationStatus.FAILED, Reason.REFUSED),
        (Outcome.FAIL, GenerationStatus.FAILED, Reason.PROVIDER_ERROR),
        (Outcome.NEVER, GenerationStatus.RUNNING, None),
    ],
)
def test_a_job_is_done_after_its_time(outcome: Outcome, status: GenerationStatus, reason: Reason | None) -> None:
    clock = FixedClock()
    provider = ScriptedProvider("acme", clock)
    provider.script("cat", outcome)
    job = provider.submit(submission())
    assert provider.poll(job.id, submission().request).status is GenerationStatus.RUNNING
    clock.pass_by(provider.ready_after_s)
    found = provider.poll(job.id, submission().request)
    assert (found.status, found.reason) == (status, reason)


def test_outcomes_come_one_after_the_other_and_the_last_stays() -> None:
    provider = ScriptedProvider("acme", FixedClock())
    provider.script("cat", Outcome.REFUSE, Outcome.SUCCEED)
    with pytest.raises(Refused):
        provider.submit(submission())
    assert [provider.submit(submission()).id for _ in range(2)] == ["acme-1", "acme-2"]


def test_the_same_key_is_the_same_job_where_keys_are_honoured_and_lists_find_it() -> None:
    clock = FixedClock()
    provider = ScriptedProvider("acme", clock)
    provider.honours_keys = True
    first, again = provider.submit(submission()), provider.submit(submission())
    assert first.id == again.id
    assert [job.id for job in provider.find(submission(), clock.now() - 1)] == [first.id]
    assert provider.find(submission(), clock.now() + 1) == []


def test_a_damaged_file_is_no_video(tmp_path: Path) -> None:
    provider = ScriptedProvider("acme", FixedClock())
    provider.script("dog", Outcome.DAMAGED)
    for prompt, start in (("A cat", b"ftyp"), ("A dog", b"html")):
        job: Job = provider.submit(submission(prompt, prompt))
        provider.fetch(job, submission(prompt).request, tmp_path / "clip")
        assert start in (tmp_path / "clip").read_bytes()[:16]


def test_a_vendor_that_is_not_set_up_says_what_is_missing() -> None:
    providers = ScriptedProviders(ScriptedProvider("acme", FixedClock()))
    providers.unset.add("acme")
    assert not providers.configured("acme")
    with pytest.raises(NotConfigured, match="ACME_API_KEY"):
        providers.get("acme")


# ---------------------------------------------------------------- the base


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def airtable(clock: FixedClock) -> MemoryAirtable:
    return MemoryAirtable(clock, lambda _url: 123)


def want(airtable: MemoryAirtable, record: str, **fields: object) -> OutboxEntry:
    return OutboxEntry(id=f"w-{record}", base_id=BASE, table="Videos", record_id=record, fields=dict(fields))


def test_a_row_is_read_as_the_real_base_reads_it(airtable: MemoryAirtable) -> None:
    record = airtable.add("Videos", Prompt="- A cat\n- A dog", Clip_Seconds="soon", Generate=True)
    row = airtable.row(BASE, "Videos", record)
    assert [scene.prompt for scene in row.order.scenes] == ["A cat", "A dog"]
    assert [field for field, _ in row.problems] == ["Clip Seconds"]
    assert row.ticks == {"Generate"}


def test_linked_scenes_come_by_number_and_cost_a_call_only_when_there_are_some(airtable: MemoryAirtable) -> None:
    record = airtable.add("Videos", Prompt="A cat")
    assert airtable.scenes(BASE, airtable.row(BASE, "Videos", record)) == []
    assert [call.verb for call in airtable.calls] == ["row"]
    for number in (2, 2.5, 1):
        airtable.add("Scenes", Video=[record], Scene_no=number, Prompt=f"scene {number}")
    found = airtable.scenes(BASE, airtable.row(BASE, "Videos", record))
    assert [scene.scene.prompt for scene in found] == ["scene 1", "scene 2", "scene 2.5"]
    assert {scene.status for scene in found} == {"Draft"}


def test_ten_rows_of_a_table_are_one_call_and_an_upsert_finds_its_row_again(airtable: MemoryAirtable) -> None:
    wants = [
        OutboxEntry(id=f"w{n}", base_id=BASE, table="Scenes", merge={"Scene Key": f"k{n}"}, fields={"Scene #": n})
        for n in range(1, 13)
    ]
    assert all(written.ok for written in airtable.flush(BASE, wants))
    assert [len(call.rows) for call in airtable.calls] == [10, 2]
    airtable.flush(BASE, wants[:1])
    assert len(airtable.rows("Scenes")) == 12


def test_what_is_confirmed_already_is_not_written_again(airtable: MemoryAirtable) -> None:
    record = airtable.add("Videos")
    said = want(airtable, record, Status="Done")
    airtable.flush(BASE, [said])
    confirmed = replace(said, sent={"Status": "Done"})
    assert airtable.flush(BASE, [confirmed])[0].ok
    assert len(airtable.calls) == 1


def test_files_arrive_later_or_never(airtable: MemoryAirtable, clock: FixedClock) -> None:
    record = airtable.add("Videos")
    files = [{"url": "https://x.test/film.mp4", "filename": "film.mp4"}]
    airtable.flush(BASE, [want(airtable, record, **{"Final Video": files})])
    assert airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"][0].size is None
    clock.pass_by(2)
    (file,) = airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"]
    assert (file.size, file.type) == (123, "video/mp4")
    airtable.lose_films = 1
    airtable.flush(BASE, [want(airtable, record, **{"Final Video": files})])
    clock.pass_by(999)
    assert airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"][0].size is None


def test_files_named_by_id_stay_and_the_others_go(airtable: MemoryAirtable, tmp_path: Path) -> None:
    record = airtable.add("Videos")
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    first, second = (airtable.upload(BASE, record, "Final Video", path, name) for name in ("a.mp4", "b.mp4"))
    assert [file["id"] for file in airtable.cells(record)["Final Video"]] == [first.id, second.id]
    airtable.flush(BASE, [want(airtable, record, **{"Final Video": [{"id": second.id}]})])
    assert [file["filename"] for file in airtable.cells(record)["Final Video"]] == ["b.mp4"]


@pytest.mark.parametrize(
    ("switch", "error"),
    [
        (lambda airtable: setattr(airtable, "quota", True), AirtableQuota),
        (lambda airtable: setattr(airtable, "denied", True), AirtableDenied),
        (lambda airtable: setattr(airtable, "away", True), Unavailable),
        (lambda airtable: setattr(airtable, "locked_until", 9e12), RateLimited),
    ],
)
def test_every_way_to_say_no(
    airtable: MemoryAirtable, switch: Callable[[MemoryAirtable], None], error: type[ReelgridError]
) -> None:
    record = airtable.add("Videos")
    switch(airtable)
    for ask in (
        lambda: airtable.row(BASE, "Videos", record),
        lambda: airtable.flush(BASE, [want(airtable, record, Status="Done")]),
        lambda: airtable.settings(BASE),
    ):
        with pytest.raises(error):
            ask()
    assert len(airtable.calls) == 3


def test_a_deleted_row_is_gone_for_readers_and_writers(airtable: MemoryAirtable) -> None:
    record = airtable.add("Videos")
    airtable.delete("Videos", record)
    with pytest.raises(RecordGone):
        airtable.row(BASE, "Videos", record)
    (written,) = airtable.flush(BASE, [want(airtable, record, Status="Done")])
    assert (written.ok, written.gone) == (False, True)


# ---------------------------------------------------------------- the rest


def test_a_link_leads_back_to_its_file_and_no_two_are_alike() -> None:
    links = PlainLinks()
    one, two = (links.media("cuts/ab/film.mp4", "film.mp4", 60) for _ in range(2))
    assert one != two
    assert links.key_of(one) == links.key_of(two) == "cuts/ab/film.mp4"


def test_a_house_says_that_nothing_is_due_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    harness = ServicesHarness(make_services(tmp_path))
    harness.settle()
    with pytest.raises(KeyError):
        harness.until("run_none", "done")


def test_the_writer_stumbles_once_and_then_writes() -> None:
    writer = ScriptedWriter(cost_micro=5)
    writer.fail = Unavailable("down")
    with pytest.raises(Unavailable):
        writer.soften("A cat", "refused")
    assert writer.soften("A cat", "refused").scenes[0].prompt == "gently: A cat"
