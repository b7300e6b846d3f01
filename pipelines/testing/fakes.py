"""The small fakes: time, crash points, hints, links, words and files from outside."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

from pipelines.domain.errors import ReelgridError, Unavailable
from pipelines.domain.footage import Word
from pipelines.domain.keys import storage_folder
from pipelines.domain.languages import LANGUAGES
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.planning.narration import Line, Said, is_english
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.domain.planning.translation import Translated, Translation
from pipelines.domain.state.action_link import ActionLink
from pipelines.ports import (
    Brief,
    HookBrief,
    KnownVoice,
    MediaInput,
    MediaStore,
    Message,
    Pictures,
    SceneText,
    Script,
    SendOutcome,
    Speaker,
    Speech,
)

MONDAY_NOON = 1_795_521_600.0
"""Where a `FixedClock` stands at first: 2026-11-24 12:00 UTC."""


class FixedClock:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = MONDAY_NOON) -> None:
        self._now, self._lock = now, threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._now

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += seconds


class NoCrashPoints:
    """Crash points at which nobody dies; `reached` lists those that were passed, `at` does something at one."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._acts: dict[str, Callable[[], object]] = {}

    def at(self, name: str, act: Callable[[], object]) -> None:
        """Do something once, when `name` is reached."""
        self._acts[name] = act

    def reach(self, name: str, **_ids: str) -> None:
        """We are at `name` now."""
        self.reached.append(name)
        act = self._acts.pop(name, None)
        if act is not None:
            act()


class QuietHints:
    """Hints that go nowhere: a test drives the steps itself."""

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:  # noqa: ARG002 - a port
        """As if they had been sent."""
        return True

    def check(self) -> None:
        """The broker answers."""


class RecordingSender:
    """ports.NoticeSender: nothing leaves; `sent` is what would have, and `answers` what comes back, 200 at the end."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.answers: list[SendOutcome] = []

    def send(self, message: Message, now: float) -> SendOutcome:  # noqa: ARG002 - a port
        """The next answer."""
        self.sent.append(message)
        return self.answers.pop(0) if self.answers else SendOutcome(arrived=True, words="answered 200", code=200)


class PlainLinks:
    """Readable links; each one to a file is another, as signed ones are."""

    def __init__(self, base: str = "https://reelgrid.test") -> None:
        self.base = base
        self._count = itertools.count(1)

    def media(self, key: str, filename: str, ttl_s: float, fetch_id: str | None = None) -> str:  # noqa: ARG002 - a port
        """A link to a file; `key_of` and `fetch_id_of` read it."""
        made_for = f"-{fetch_id}" if fetch_id else ""
        return f"{self.base}/media/{next(self._count)}{made_for}/{key}?name={filename}"

    @staticmethod
    def fetch_id_of(url: str) -> str | None:
        """What a link of `media` was made for."""
        return url.partition("/media/")[2].partition("/")[0].partition("-")[2] or None

    @staticmethod
    def key_of(url: str) -> str:
        """The storage key behind a link of `media`."""
        return url.partition("/media/")[2].partition("/")[2].partition("?")[0]

    def page(self, *, run_id: str) -> str:
        """The progress page of a run."""
        return f"{self.base}/runs/{run_id}"

    def row_page(self, base_id: str, record_id: str, handed_over_at: float) -> str:  # noqa: ARG002 - a port
        """The progress page of a row."""
        return f"{self.base}/r/{record_id}"

    def action(self, link: ActionLink) -> str:
        """What would be done, readable."""
        return f"{self.base}/decide?t={link.act}.{link.run_id}.{link.version}.{link.ceiling_micro}"

    def video(self, token: str) -> str:
        """The permanent link."""
        return f"{self.base}/v/{token}"

    def pack(self, token: str) -> str:
        """The permanent link to the page of a pack."""
        return f"{self.base}/v/{token}/pack"

    def callback(self, provider: str, token: str) -> str | None:
        """The callback address."""
        return f"{self.base}/api/webhook/{provider}/{token}"


_FAMILIAR = {
    "LATIN": "Guten Morgen",
    "CYRILLIC": "доброе утро",
    "GREEK": "καλημέρα",
    "ARABIC": "صباح الخير",
    "HEBREW": "בוקר טוב",
    "DEVANAGARI": "सुप्रभात",
    "HIRAGANA": "おはよう",
    "HANGUL": "안녕하세요",
    "CJK": "早上好",
}
"""A greeting in the letters of a script."""


def translated(text: str, language: str) -> str:
    """What the scripted writer makes of a text: a greeting, the text's numbers, and a mark that tells texts apart."""
    numbers = " ".join(re.findall(r"\d+", text))
    mark = sum(text.encode()) % 7
    return " ".join(filter(None, (_FAMILIAR[LANGUAGES[language].scripts[0]], "!" * mark, numbers)))


_FEW = 5


def shorter(text: str) -> str:
    """What the scripted writer makes of a line that takes too long: its first words."""
    return " ".join(text.split()[:_FEW]).rstrip(".,;") + "."


class ScriptedWriter:
    """Writes `<master prompt>: shot n`, softens by `gently: <prompt>`; `cost_micro` a time. `fail` is raised once."""

    def __init__(self, *, cost_micro: int = 0) -> None:
        self.cost_micro = cost_micro
        self.fail: ReelgridError | None = None
        self.alike = 0
        """How many of the next hooks say nothing new."""
        self.briefs: list[Brief] = []
        self.hook_briefs: list[HookBrief] = []
        self.softened: list[str] = []
        self.slips: list[str] = []
        """Said in the next answers, one in each."""
        self.cast: tuple[CastMember, ...] = ()
        """Who comes back, where it is asked for: all of them in every scene."""
        self.finds_cast = False
        """Whether it finds them in scenes of others, too."""
        self.read: list[Sequence[str]] = []
        self.translations: list[Translation] = []
        self.mistranslations: dict[str, list[str]] = {}
        """By language, what is said instead of each line in the next translations, once in each answer."""

    def write(self, brief: Brief) -> Script:
        """As many scenes as asked."""
        self._stumble()
        self.briefs.append(brief)
        numbers = range(1, brief.scenes + 1)
        slip = self.slips.pop(0) if self.slips else ""
        cast = self.cast if brief.cast else ()
        slip += "".join(f", {member.token}" for member in cast)
        scenes = tuple(SceneText(prompt=f"{brief.master_prompt}: shot {n}{slip}", caption=f"Shot {n}") for n in numbers)
        post_text = f"Watch this: {brief.master_prompt}" if brief.post else ""
        return Script(scenes=scenes, writer="scripted", cost_micro=self.cost_micro, cast=cast, post_text=post_text)

    def write_hooks(self, brief: HookBrief) -> Script:
        """As many openings as asked, each in words of its own; `alike` of them say what the first scene says."""
        self._stumble()
        self.hook_briefs.append(brief)
        first = brief.scenes[0]
        names = ("A thunderclap over rooftops", "Bare hands break bread", "Fish leap upstream", "Paper burns blue")
        new = tuple(SceneText(prompt=f"{name}, {name.lower()}", caption=name) for name in names[: brief.count])
        scenes = (*new[: len(new) - self.alike], *[first] * self.alike)
        return Script(scenes=scenes, writer="scripted", cost_micro=self.cost_micro)

    def cannot_translate(self) -> str | None:
        """It can."""
        return None

    def translate(self, asked: Translation) -> Translated:
        """Each line as `translated` has it, or as `shorter` has it."""
        self._stumble()
        self.translations.append(asked)
        slips = self.mistranslations.get(asked.language)
        slip = slips.pop(0) if slips else None
        say = shorter if asked.shorter else partial(translated, language=asked.language)
        lines = tuple(slip or say(line.text) for line in asked.lines)
        return Translated(lines=lines, cost_micro=self.cost_micro)

    def quote_translation_micro(self, asked: Translation) -> int:  # noqa: ARG002 - a port
        """What translating costs."""
        return self.cost_micro

    def find_cast(self, prompts: Sequence[str]) -> Script:
        """All of `cast`, whether a prompt names them or not."""
        self._stumble()
        self.read.append(prompts)
        return Script(scenes=(), writer="scripted", cost_micro=self.cost_micro, cast=self.cast)

    def quote_cast_micro(self, prompts: Sequence[str]) -> int | None:  # noqa: ARG002 - a port
        """What finding them costs."""
        return self.cost_micro if self.finds_cast else None

    def soften(self, prompt: str, reason: str) -> Script:  # noqa: ARG002 - a port
        """The prompt, gently."""
        self._stumble()
        self.softened.append(prompt)
        return Script(scenes=(SceneText(prompt=f"gently: {prompt}"),), writer="scripted", cost_micro=self.cost_micro)

    def quote_micro(self, brief: Brief) -> int:  # noqa: ARG002 - a port
        """What writing costs."""
        return self.cost_micro

    def quote_hooks_micro(self, brief: HookBrief) -> int:  # noqa: ARG002 - a port
        """What writing hooks costs."""
        return self.cost_micro

    def quote_softening_micro(self, prompt: str) -> int:  # noqa: ARG002 - a port
        """What softening costs."""
        return self.cost_micro

    def check(self) -> str:
        """All is well."""
        return "scripted."

    def _stumble(self) -> None:
        error, self.fail = self.fail, None
        if error is not None:
            raise error


class ScriptedSpeech(Speech):
    """The voice `local/heart`, and `acme/anna` who costs `price_micro` a line. Two and a half words take a second.
    `abroad` speaks what is not English where nobody names a voice, and costs nothing.

    `fail` is raised once for a line that holds its words, and nobody in `gone` answers; `said` are the lines in their
    order, `calls` who was called.
    """

    def __init__(self, *, price_micro: int = 10_000, usual: str = "local/heart") -> None:
        self.price_micro = price_micro
        self._usual = usual
        self.said: list[Line] = []
        self.calls: list[str] = []
        self.fail: dict[str, ReelgridError] = {}
        self.gone: set[str] = set()
        self.away: str | None = None
        self.abroad: str | None = None
        self.meanwhile: Callable[[], object] | None = None
        """Done once, before the next line is said."""

    @property
    def default_voice(self) -> str:
        """The free one, unless it was told otherwise."""
        return self._usual

    def voice_for(self, language: str) -> str:
        """The usual one, and for what is not English the other one."""
        return self.abroad if self.abroad and not language.startswith("en") else self._usual

    def unknown(self, voice: str) -> str | None:
        """Only these are known."""
        return None if voice in ("local/heart", "acme/anna", self.abroad) else f"There is no voice {voice!r} here."

    def silent(self, voice: str, today: date) -> str | None:  # noqa: ARG002 - a port
        """Whether it is away."""
        return self.away

    def cannot_say(self, line: Line) -> str | None:
        """All speak English, and one or two of them whatever else they are told."""
        if line.language != "en":
            return None if line.voice in ("acme/anna", self.abroad) else f"{line.voice} speaks English only."
        return None if is_english(line.text) else f"{line.voice} speaks English only."

    def quote_micro(self, line: Line, today: date) -> int:  # noqa: ARG002 - a port
        """The price of a line."""
        return 0 if line.voice in ("local/heart", self.abroad) else self.price_micro

    @contextmanager
    def speaking(self, voice: str) -> Iterator[Speaker]:
        """It is here."""
        self.calls.append(voice)
        yield self

    def cost_micro(self, line: Line, seconds: float, said: Said, today: date) -> int:  # noqa: ARG002 - a port
        """As quoted."""
        return self.quote_micro(line, today)

    def known(self, today: date) -> Sequence[KnownVoice]:  # noqa: ARG002 - a port
        """None is listed."""
        return ()

    def say(self, line: Line, dest: Path) -> Said:
        """A tone of the line's length."""
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        if line.voice in self.gone:
            raise Unavailable(f"{line.voice} does not answer")
        for words in [words for words in self.fail if words in line.text]:
            raise self.fail.pop(words)
        self.said.append(line)
        seconds = round(len(line.text.split()) / 2.5, 3)
        with wave.open(str(dest), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(b"\x00\x20\x00\xe0" * round(seconds * 4000))
        return Said(
            words=tuple(
                Word(text=word, start=place / 2.5, end=(place + 1) / 2.5)
                for place, word in enumerate(line.text.split())
            )
        )

    def check(self, today: date) -> str:  # noqa: ARG002 - a port
        """All is well."""
        return "scripted."


class ScriptedPictures(Pictures):
    """The image model `acme/brush`, who costs `price_micro` a picture and copies the first that came along.

    `fail` is raised once for a prompt that holds its words; `made` are the requests in their order.
    """

    def __init__(self, *, price_micro: int = 30_000, model: str | None = "acme/brush") -> None:
        self.price_micro = price_micro
        self._model = model
        self.made: list[PictureRequest] = []
        self.fail: dict[str, ReelgridError] = {}

    @property
    def model(self) -> str | None:
        """None where none was set up."""
        return self._model

    def unavailable(self, model: str | None, today: date) -> str | None:  # noqa: ARG002 - a port
        """Whether it is the one."""
        return None if model == "acme/brush" else "No picture service is set up here."

    def quote_micro(self, request: PictureRequest, today: date) -> int:  # noqa: ARG002 - a port
        """The price of a picture."""
        return self.price_micro

    def edit(self, request: PictureRequest, sources: Sequence[MediaInput], dest: Path, today: date) -> int:  # noqa: ARG002
        """A file that only this request has."""
        for words in [words for words in self.fail if words in request.prompt]:
            raise self.fail.pop(words)
        self.made.append(request)
        seen = b"".join(source.path.read_bytes() for source in sources)
        dest.write_bytes(b"\xff\xd8" + hashlib.sha256(request.prompt.encode() + seen).digest())
        return self.price_micro

    def check(self, today: date) -> str:  # noqa: ARG002 - a port
        """All is well."""
        return "scripted."


class ScriptedModerator:
    """Always names `sentence`."""

    def __init__(self, sentence: str | None = None) -> None:
        self.sentence = sentence

    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:  # noqa: ARG002 - a port
        """The likely culprit."""
        return self.sentence


class MappedIntake:
    """The outside world as a mapping of addresses to bytes, or to the error that fetching raises."""

    def __init__(self, media: MediaStore, world: Mapping[str, bytes | ReelgridError] | None = None) -> None:
        self._media = media
        self.world: dict[str, bytes | ReelgridError] = dict(world or {})
        self.fetched: list[str] = []
        self.troubles: list[ReelgridError] = []
        """Raised first, one a fetch."""

    def bring(self, url: str, *, of_base: bool = False, account_id: str | None = None) -> str:  # noqa: ARG002 - nothing is inside here
        """Into storage under a key that follows from the content."""
        if "://" not in url:
            return url
        self.fetched.append(url)
        if self.troubles:
            raise self.troubles.pop(0)
        found = self.world[url]
        if isinstance(found, ReelgridError):
            raise found
        return self._keep(found, account_id)

    def _keep(self, content: bytes, account_id: str | None) -> str:
        import tempfile
        from pathlib import Path

        sha = hashlib.sha256(content).hexdigest()
        key = f"{storage_folder('inputs', account_id)}/{sha[:2]}/{sha}.png"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(content)
            self._media.put_file(path, key, "image/png")
        return key
