"""Write docs/reference/looks.md and its stills: every setting of a row that changes what one sees or hears.

The stills are made by the product itself from two painted shots, so the page cannot promise what the product does
not do. Run it again after changing a look: `python -m tools.docs.looks`. With `--check` it only says whether the page
is the one it would write and all its stills are there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.domain.footage import (
    FilmPlan,
    FilmReport,
    Footage,
    Mood,
)
from pipelines.domain.orders.inputs import inputs_of
from pipelines.domain.orders.order import Order
from pipelines.media.editor import MediaEditor
from tools.docs.looks.shots import FPS, WIDE, make_kit, target
from tools.docs.looks.stills import CAPTION, MAKERS, STILLS
from tools.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "looks.md"
LARGEST_TOTAL = 1_000_000


def srt_sample() -> str:
    """The subtitle file of a small film, as the product writes it."""
    width, height = WIDE
    facts = Footage(
        duration_s=8, width=width, height=height, fps=FPS, frames=192,
        video_codec="h264", audio_codec="aac", size_bytes=1,
    )  # fmt: skip
    report = FilmReport(path=Path("film.mp4"), footage=facts, sha256="", paths=(), starts_s=(0.0, 4.0))
    plan = FilmPlan(target=target(), pieces=(Path("1.mp4"), Path("2.mp4")), captions=(CAPTION, "Then morning comes."))
    with tempfile.TemporaryDirectory(prefix="looks-") as folder:
        srt = MediaEditor().subtitles(plan, report, Path(folder) / "film")[0].read_text("utf-8")
    return f"```srt\n{srt.strip()}\n```"


SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "`Aspect Ratio` and `Formats`",
        (
            "`16:9` (default), `9:16`, `1:1`, `4:5`. `Formats` asks for more of them from the same clips: each is a "
            "film of its own with its own poster, and no clip is bought twice."
        ),
        ("aspect-ratio",),
    ),
    (
        "`Hooks`",
        (
            "So many films that differ in their first scene, 1 to 5. Only that scene is made again for each; all that "
            "follows is the same to the picture. Each film has the letter of its hook in its name, in each format."
        ),
        (),
    ),
    (
        "`Languages`",
        (
            "A film in each, from the same clips: its captions, cards and narration are translated, right-to-left "
            "scripts are shaped, and the pictures are the same. Each film has the tag of its language in its name."
        ),
        (),
    ),
    (
        "`Resolution`",
        (
            "`480p`, `720p` (default), `1080p`: the shorter side of the picture, in pixels. The still shows the same "
            "detail in each, light on the water; a clip in a higher one costs more at most models. Where a model has "
            "no such size, the row says which it makes instead."
        ),
        ("resolution",),
    ),
    (
        "`Fit`",
        (
            "What happens to a picture of another shape: `Crop` (default) fills the frame and loses the edges, `Blur` "
            "shows all of it over a soft copy of itself, `Letterbox` shows all of it between black bars."
        ),
        ("fit-crop", "fit-blur", "fit-letterbox"),
    ),
    (
        "`Transition` and `Transition Seconds`",
        (
            "Between two scenes: `Cut` (default), `Crossfade`, `Fade Black`, `Dip White`. A scene's own `Transition` "
            "says how it is entered from the scene before, whatever the film's is. With `Fade Black` the film also "
            "begins and ends in black, with its sound, for half of the seconds; on the first scene it says that the "
            "film begins so. Seconds: 0.2 to 2. Only the frames of the transition are encoded again."
        ),
        ("transition-cut", "transition-crossfade", "transition-fade-black", "transition-dip-white"),
    ),
    (
        "`Captions`",
        (
            "`None` (default), `Burned`, `Karaoke`, `Sidecar`. Burned captions are each scene's `Caption`, set inside "
            "the area that the networks' own buttons leave free, in any script this machine has fonts for (`flask "
            "doctor` says which). `Karaoke` burns them in, too, and lights one word after the other, each for a part "
            "of the scene by its length; with `Voiceover` it shows what is said, each word lit in its moment. "
            "`Sidecar` writes an SRT and a WebVTT file beside the film, linked on its page; the picture stays as it "
            "is. Of a film of two scenes:\n\n" + srt_sample()
        ),
        ("captions-burned", "captions-burned-tall"),
    ),
    (
        "`Logo`, `Logo Position` and `Logo Opacity`",
        (
            "A PNG, JPEG or WebP picture, laid over every clip inside the safe area; transparency is kept. Positions: "
            "`Top Left`, `Top Right` (default), `Bottom Left`, `Bottom Right`. Opacity: 0% to 100%, 85% by default; "
            "the second picture has 60%."
        ),
        ("logo", "logo-corners"),
    ),
    (
        "`AI Label`",
        (
            "Ticked, every picture of the film says AI in a corner of the safe area, cards included: top right, or top "
            "left where the logo is. The plate behind the letters makes them readable on any picture. Clips are "
            "labelled as they arrive, as with a logo, so the film is not ready later. Whether a film needs it, "
            "[Say that a film was made with AI](../how-to/disclose-ai.md) tells."
        ),
        ("ai-label",),
    ),
    (
        "`Title Card` and `End Card`",
        "A text for a moving card before the first scene, and one after the last. Empty: no card.",
        ("title-card", "end-card"),
    ),
    (
        "`Music`",
        (
            "An MP3, M4A, WAV, OGG or FLAC file under the whole film: repeated to its length, lowered while the film "
            "has sound of its own, faded out at the end. Above: the film's sound; below: with music."
        ),
        ("music",),
    ),
    (
        "`Music Mood`",
        (
            f"Music that is made here, free of rights, where `Music` has no file: {', '.join(Mood)}. "
            "The same mood is the same piece, and it fits any length."
        ),
        (),
    ),
    (
        "`Loudness`",
        (
            "Every clip is brought to this level, without letting peaks pass −1.5 dB; −16 LUFS is usual online. Empty: "
            "the sound stays as the model made it. Above: a clip as it came; below: at −16 LUFS."
        ),
        ("loudness",),
    ),
    (
        "`Voiceover` and `Voice`",
        (
            "A narrator speaks over each scene: its `Narration`, else its `Caption`. The clip's own sound gives way to "
            "the voice, and nothing is said in the first 0.3 s of a clip. `Voice` is `local/heart` by default, which "
            "speaks English ([Narrate a film](../how-to/narrate-a-film.md)). Above: a clip as it came; below: with a "
            "narrator."
        ),
        ("voiceover",),
    ),
    (
        "`Model` = `local/animatic`",
        (
            "The free storyboard: each scene's prompt on a moving card, for looking at the film before paying for it. "
            "The bar at the foot shows where in the film one is."
        ),
        ("animatic", "animatic-tall"),
    ),
    (
        "`Brand`",
        (
            "Captions and cards in the colours and the font of a row of `Brands`. Here white on #FE5102 has a contrast "
            "of 3.29, too little for words of this size, so what is behind them is darker."
        ),
        ("brand",),
    ),
    (
        "`Poster`, `Poster Style` and contact sheet",
        (
            "Chosen from the finished film: the poster is its sharpest well-lit frame, the sheet shows twelve moments. "
            "With `Poster Style` = `Title` the video's `Title` is set over that frame, inside the safe area, in the "
            "font and colours of its brand if it has one; the frame is then one of the scenes, never of a card. "
            "`Designed` has an image model make a picture of that frame first "
            "([Have pictures made](../how-to/have-pictures-made.md)). The "
            "poster is the row's picture, the pack's cover and what pages show before the film plays, always a JPEG "
            "below 2 MB."
        ),
        ("poster", "poster-title", "contact-sheet"),
    ),
)


def page() -> str:
    """The page's text."""
    parts = [
        (
            "<!-- Written by tools/docs/looks/page.py; change it there. -->\n"
            "# What each setting of a row looks like\n\n"
            "Every still on this page was made by the product from two painted shots. The settings are fields of the "
            "table `Videos`; an empty field means the default.\n"
        )
    ]
    for heading, text, stills in SECTIONS:
        images = [f"![{name.replace('-', ' ')}](stills/{name}.webp)" for name in stills]
        shown = "\n".join(images) + "\n" if images else ""
        parts.append("\n\n".join(filter(None, (f"## {heading}", text, shown))).rstrip() + "\n")
    return "\n".join(parts)


def complaints() -> Iterator[str]:
    """What is wrong with the page and stills as they are."""
    if not PAGE.exists() or PAGE.read_text("utf-8") != page():
        yield f"{PAGE.relative_to(ROOT)} is not what tools/docs/looks/page.py writes"
    named = {f"{name}.webp" for _, _, stills in SECTIONS for name in stills}
    there = {path.name for path in STILLS.glob("*")}
    headings = " ".join(heading for heading, _, _ in SECTIONS)
    inputs = {item.label for item in inputs_of(Order) if item.seen}
    yield from (
        f"{name} is a setting of a row, but not shown" for name in sorted(inputs) if f"`{name}`" not in headings
    )
    yield from (f"the still {name} is missing" for name in sorted(named - there))
    yield from (f"the still {name} is on no page" for name in sorted(there - named))
    total = sum(path.stat().st_size for path in STILLS.glob("*"))
    if total > LARGEST_TOTAL:
        yield f"the stills have {total:,} bytes, more than {LARGEST_TOTAL:,}"


def main() -> int:
    """Write everything, or check it."""
    if "--check" not in sys.argv[1:]:
        STILLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="looks-") as folder:
            kit = make_kit(Path(folder))
            for make in MAKERS:
                make(kit)
        PAGE.write_text(page(), encoding="utf-8")
    found = list(complaints())
    for complaint in found:
        print(complaint)
    return 1 if found else 0
