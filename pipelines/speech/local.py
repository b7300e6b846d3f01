"""The voice that comes with Reelgrid, in a process of its own: `python -m pipelines.speech.local`.

Each line that it reads asks for one sound (`{"text": …, "dest": …}`), and it answers each with a line. Its libraries
are loaded here and nowhere else: neither web nor worker grows by them, and after a film's lines they are gone.
"""

from __future__ import annotations

import json
import sys
from typing import TextIO

VOICE = "heart"


def serve(asked: TextIO, answers: TextIO) -> None:
    """Speak every line that is asked for, until nobody asks any more."""
    from hibari import SAMPLE_RATE, Hibari, write_wav

    voice = Hibari(voice=VOICE)
    for line in asked:
        question = json.loads(line)
        # The same seed: the same words are the same sound, bit by bit.
        samples = voice(question["text"], seed=0)
        write_wav(question["dest"], samples)
        print(json.dumps({"seconds": len(samples) / SAMPLE_RATE}), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
