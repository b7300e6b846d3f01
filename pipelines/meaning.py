"""Search by meaning with a model on this machine: a process of its own has it, so that neither web nor worker does."""

from __future__ import annotations

import base64
import json
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipelines.domain.errors import Unavailable

MODEL = "use-multilingual-3"
QUERY_S, EMBED_S = 2.0, 30.0
HANGS_S = 120.0
"""Loading the model and an account's vectors takes seconds: who says nothing for so long hangs."""
_ROOT = Path(__file__).parents[1]
_AWAY = "The search by meaning is away for a moment. Please search again."


@dataclass(frozen=True, slots=True)
class _Process:
    """The other end. It ends by itself when nobody asks any more, and when we are gone."""

    popen: subprocess.Popen[str]
    asked: IO[str]
    answers: IO[str]


class LocalMeaning:
    """ports.Meaning: at most one process, started when it is asked, and asked one question at a time."""

    model = MODEL

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._turn = threading.Lock()
        self._process: _Process | None = None
        self._owed_since: float | None = None
        """Since when an answer is owed that nobody waited for."""

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Raises Unavailable."""
        answer = self._ask({"texts": list(texts)}, EMBED_S)
        return [base64.b64decode(vector) for vector in answer["vectors"]]

    def nearest(self, text: str, *, account_id: str | None, since: float, until: float, limit: int) -> list[str]:
        """Raises Unavailable."""
        asked = {"text": text, "account_id": account_id, "since": since, "until": until, "limit": limit}
        found: list[str] = self._ask(asked, QUERY_S)["ids"]
        return found

    @property
    def pid(self) -> int | None:
        """That of the process; None where there is none."""
        return self._process.popen.pid if self._process else None

    def close(self) -> None:
        """End the process; the next question starts another one."""
        with self._turn:
            self._end()

    def _ask(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        if not self._turn.acquire(timeout=seconds):
            raise Unavailable("the model is busy", marketer=_AWAY)
        try:
            answer = self._exchange(question, until)
        finally:
            self._turn.release()
        if "error" in answer:
            raise Unavailable(answer["error"], marketer=_AWAY)
        return answer

    def _exchange(self, question: Mapping[str, Any], until: float) -> dict[str, Any]:
        process = self._running()
        if self._owed_since is not None:
            self._read(process, self._owed_since, until)
        began = time.monotonic()
        try:
            print(json.dumps(question), file=process.asked, flush=True)
        except OSError as error:
            self._end()
            raise Unavailable(f"the model has died: {error}", marketer=_AWAY) from error
        self._owed_since = began
        return self._read(process, began, until)

    def _running(self) -> _Process:
        if self._process and self._process.popen.poll() is None:
            return self._process
        self._end()
        popen = subprocess.Popen(
            # Its sums are small: threads would cost more than they bring, and take the cores of others.
            ["/usr/bin/env", "OPENBLAS_NUM_THREADS=1", sys.executable, "-m", "pipelines.meaning_process"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        if popen.stdin is None or popen.stdout is None:
            raise AssertionError("there are pipes")
        self._process = _Process(popen, popen.stdin, popen.stdout)
        # Not as an argument: those can be read by everybody on the machine.
        print(json.dumps({"database_url": self._database_url}), file=popen.stdin, flush=True)
        return self._process

    def _read(self, process: _Process, asked_at: float, until: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.answers, selectors.EVENT_READ)
            if not waiting.select(max(0.0, until - time.monotonic())):
                if time.monotonic() - asked_at > HANGS_S:
                    self._end()
                raise Unavailable("the model takes too long", marketer=_AWAY)
        line = process.answers.readline()
        if not line.endswith("\n"):
            self._end()
            raise Unavailable("the model has died", marketer=_AWAY)
        self._owed_since = None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        if self._process is not None:
            self._process.popen.kill()
            self._process.popen.wait()
            for pipe in (self._process.asked, self._process.answers):
                with suppress(OSError):
                    pipe.close()
        self._process = self._owed_since = None
