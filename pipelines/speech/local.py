"""The voice that comes with Reelgrid, in a process of its own: `python -m pipelines.speech.local`.

Each line that it reads asks for one sound (`{"text": …, "dest": …}`), and it answers each with a line: how long the
sound is, and from when to when each word of the text is said. Its libraries are loaded here and nowhere else: neither
web nor worker grows by them, and after a film's lines they are gone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from hibari import SAMPLE_RATE, Hibari, dsp, write_wav
from hibari.voices import voice_path

VOICE = "heart"
DURATIONS = "/Clip_output_0"
"""The tensor of the voice's graph that says how long each sound of speech takes."""
_GRAPH, _OUTPUT, _NAME = 7, 12, 1
"""Fields of ONNX: the graph of a model, an output of a graph, the name of an output."""

Span = tuple[float, float]


def serve(asked: TextIO, answers: TextIO) -> None:
    """Speak every line that is asked for, until nobody asks any more."""
    voice = TimedVoice()
    for line in asked:
        question = json.loads(line)
        samples, words = voice.say(question["text"])
        write_wav(question["dest"], samples)
        print(json.dumps({"seconds": len(samples) / SAMPLE_RATE, "words": words}), file=answers, flush=True)


class TimedVoice(Hibari):  # type: ignore[misc]
    """The voice, and how long each of its phonemes takes: protobuf messages that follow each other are merged, so a few
    bytes behind the model make an inner tensor an output. The sound stays the same, bit by bit.
    """

    def __init__(self) -> None:
        more = _field(_GRAPH, _field(_OUTPUT, _field(_NAME, DURATIONS.encode())))
        super().__init__(voice=VOICE, model=Path(voice_path(VOICE)).read_bytes() + more)
        self.durations: Any = None

    def from_ids(self, ids: Sequence[int], speed: float = 1.0, rng: np.random.Generator | None = None) -> Any:
        """As its own, and the durations kept."""
        given = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        *spectrum, self.durations = self.sess.run(None, given)
        return dsp.synth(*(part[0] for part in spectrum), rng or np.random.default_rng())

    def say(self, text: str) -> tuple[Any, list[Span]]:
        """The samples of a text and its words' times. The same seed: the same words are the same sound."""
        rng, sounds, words, at = np.random.default_rng(0), [], list[Span](), 0.0
        for sentence in self.split_sentences(text):
            spans: list[Span] = []
            for phonemes in self.phonemize(sentence):
                ids = self.ids(phonemes)
                sounds.append(self.from_ids(ids, rng=rng))
                seconds = len(sounds[-1]) / SAMPLE_RATE
                spans += self._spans(phonemes, at, seconds)
                at += seconds
            words += self._of_words(sentence.split(), spans, at)
        return np.concatenate(sounds) if sounds else np.zeros(0, np.float32), words

    def _spans(self, phonemes: str, begin: float, seconds: float) -> Iterator[Span]:
        """When each spoken word is said, without the pause after it."""
        known = [sign for sign in phonemes if sign in self.vocab]
        # The first and the last of the durations are the silence round the sentence.
        ends = np.cumsum(self.durations) * (seconds / float(np.sum(self.durations)))
        start: int | None = None
        stop = 0
        for place, sign in enumerate(known):
            if sign == " " and start is not None:
                yield begin + float(ends[start]), begin + float(ends[stop])
                start = None
            elif sign.isalpha():
                start, stop = place if start is None else start, place + 1
        if start is not None:
            yield begin + float(ends[start]), begin + float(ends[stop])

    def _of_words(self, words: Sequence[str], spans: Sequence[Span], end: float) -> list[Span]:
        """A written word may be several spoken ones, such as a number."""
        each = [sum(any(map(str.isalpha, part)) for part in self.g2p(word).split(" ")) for word in words]
        if sum(each) != len(spans):
            return _shared(words, spans, end)
        found: list[Span] = []
        place = 0
        for count in each:
            mine = spans[place : place + count]
            place += count
            nothing = found[-1][1] if found else (spans[0][0] if spans else end)
            found.append((mine[0][0], mine[-1][1]) if mine else (nothing, nothing))
        return found


def _shared(words: Sequence[str], spans: Sequence[Span], end: float) -> list[Span]:
    """Where written and spoken words cannot be told apart: by their letters."""
    begin, stop = (spans[0][0], spans[-1][1]) if spans else (end, end)
    ends = np.cumsum([len(word) + 1 for word in words])
    places = [begin + (stop - begin) * float(place) / float(ends[-1]) for place in (0, *ends)]
    return list(pairwise(places))


def _field(number: int, value: bytes) -> bytes:
    """A short field of a protobuf message."""
    return bytes([number << 3 | 2, len(value)]) + value


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
