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

from PIL import Image

from pipelines.domain.footage import (
    Boundary,
    Card,
    ClipWork,
    Corner,
    FilmPlan,
    FilmReport,
    Fit,
    Footage,
    Lettering,
    Logo,
    Mood,
    Poster,
    Transition,
    Voice,
)
from pipelines.domain.orders.inputs import inputs_of
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.narration import BEFORE_S, Line, room_s
from pipelines.media.audio.music import mix_music
from pipelines.media.clips.frames import samples, to_image
from pipelines.media.editor import MediaEditor
from pipelines.media.ffmpeg.encode import ffmpeg
from pipelines.media.normalise.normalise import prepare
from pipelines.speech import embedded
from tools.docs.shots import FPS, PORTRAIT, SQUARE, TALL, WIDE, Kit, lighthouse, make_kit, shot, target

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "looks.md"
STILLS = PAGE.parent / "stills"
LARGEST_TOTAL = 1_000_000
CAPTION = "Every night, someone climbs the stairs to light the sea."
RESOLUTIONS = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
DETAIL = (0.2, 0.715, 0.32, 0.875)
"""The part of the picture that tells resolutions apart, as shares of its sides: light on the sea."""


def frame_of(film: Path, share: float = 0.5) -> Image.Image:
    """A picture of a film, at a share of its length."""
    pictures = samples(film, 24)
    return to_image(pictures[min(23, int(share * 24))][1])


def save(image: Image.Image, name: str, height: int = 360) -> None:
    """Store a still as WebP, small enough for a page."""
    scaled = image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)
    scaled.convert("RGB").save(STILLS / f"{name}.webp", "WEBP", quality=80, method=6)


def row(images: list[Image.Image], height: int = 200, gap: int = 10) -> Image.Image:
    """Pictures side by side on white."""
    scaled = [image.resize((round(image.width * height / image.height), height)) for image in images]
    canvas = Image.new("RGB", (sum(image.width for image in scaled) + gap * (len(scaled) - 1), height), "white")
    x = 0
    for image in scaled:
        canvas.paste(image, (x, 0))
        x += image.width + gap
    return canvas


def prepared(kit: Kit, name: str, **work: object) -> Image.Image:
    """A frame of the night shot after `prepare` with these settings."""
    order = ClipWork(**{"source": kit.night, "target": target(), **work})  # type: ignore[arg-type]
    return frame_of(prepare(order, kit.path(f"{name}.mp4")).path, 0.4)


def make_aspects(kit: Kit) -> None:
    """One clip in four formats."""
    sizes = {"16-9": WIDE, "9-16": TALL, "1-1": SQUARE, "4-5": PORTRAIT}
    images = [prepared(kit, f"aspect-{name}", target=target(size)) for name, size in sizes.items()]
    save(row(images, 320), "aspect-ratio", 320)


def make_fits(kit: Kit) -> None:
    """The three ways to fill a frame of another shape."""
    for fit in Fit:
        image = prepared(kit, f"fit-{fit}", target=target(TALL, fit))
        save(image, f"fit-{fit.value.lower()}", 420)


def make_resolutions(kit: Kit) -> None:
    """The same detail of one shot in each resolution, side by side."""
    large = shot(lighthouse, (1920, 1080), 0.5, kit.path("large.mp4"), 196)
    details = []
    for name, size in RESOLUTIONS.items():
        image = prepared(kit, f"resolution-{name}", source=large, target=target(size))
        box = [share * side for share, side in zip(DETAIL, (*size, *size), strict=True)]
        details.append(image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3]))))
    save(row(details, 260), "resolution", 260)


def make_transitions(kit: Kit) -> None:
    """Five frames across a join, for each kind."""
    for kind in Transition:
        seconds = 0.0 if kind is Transition.CUT else 1.0
        plan = FilmPlan(
            target=target(), pieces=(kit.night, kit.day), boundaries=(Boundary(kind=kind, seconds=seconds),)
        )
        film = MediaEditor().assemble(plan, kit.path(f"transition-{kind.name}.mp4"))
        middle = film.starts_s[1] + (seconds / 2 if kind is Transition.CROSSFADE else 0.0)
        pictures = samples(film.path, round(film.footage.frames))
        moments = [middle + offset * 0.3 for offset in (-2, -1, 0, 1, 2)]
        near = [min(pictures, key=lambda timed, at=at: abs(timed[0] - at))[1] for at in moments]  # type: ignore[misc]
        strip = [to_image(frame) for frame in near]
        save(row(strip, 130, 6), f"transition-{kind.value.lower().replace(' ', '-')}", 130)


def make_overlays(kit: Kit) -> None:
    """Captions and logo, wide and tall."""
    save(prepared(kit, "caption", caption=CAPTION), "captions-burned")
    tall = prepared(kit, "caption-tall", target=target(TALL), caption=CAPTION)
    cyrillic = prepared(
        kit, "caption-cyrillic", target=target(TALL), caption="Каждую ночь кто-то поднимается по лестнице."
    )
    save(row([tall, cyrillic], 480), "captions-burned-tall", 420)
    save(prepared(kit, "ai-label", ai_label=Corner.TOP_RIGHT), "ai-label")
    save(prepared(kit, "logo", logo=Logo(path=kit.logo)), "logo")
    images = [prepared(kit, f"logo-{at}", logo=Logo(path=kit.logo, corner=at, opacity=0.6)) for at in Corner]
    save(row(images, 130, 6), "logo-corners", 130)


def make_brand(kit: Kit) -> None:
    """A caption and an end card in a brand's orange, which is darkened as far as white words need it."""
    orange = Lettering(plate=(0xFE, 0x51, 0x02))
    card = Card(text="Book a night", seconds=1, target=target(), footer="Prices include breakfast.", lettering=orange)
    MediaEditor().animatic(card, kit.path("brand-card.mp4"))
    images = [prepared(kit, "brand", caption=CAPTION, lettering=orange), frame_of(kit.path("brand-card.mp4"), 0.9)]
    save(row(images, 270), "brand", 270)


def make_cards(kit: Kit) -> None:
    """Title, end card and animatic."""
    editor = MediaEditor()
    title = Card(text="The Keeper", seconds=2, target=target(), heading="A film in four scenes", seed=0)
    end = Card(text="Book a night in the tower", seconds=2, target=target(), footer="keeper.example", seed=5)
    scene = Card(
        text="A lighthouse keeper climbs the spiral stairs at dawn, golden light falling through dusty windows.",
        seconds=4, target=target(), number=2, total=4, heading="The Keeper", seed=1,
    )  # fmt: skip
    tall = Card(text=scene.text, seconds=4, target=target(TALL), number=3, total=4, heading="The Keeper", seed=5)
    for name, card in {"title-card": title, "end-card": end, "animatic": scene, "animatic-tall": tall}.items():
        editor.animatic(card, kit.path(f"{name}.mp4"))
        save(frame_of(kit.path(f"{name}.mp4"), 0.75), name, 420 if name.endswith("tall") else 360)


def waveform(film: Path, dest: Path) -> Image.Image:
    """The sound of a film as a picture."""
    shape = "showwavespic=s=900x150:colors=0x2b6cb0:split_channels=0:draw=full:scale=sqrt"
    ffmpeg(
        "-v",
        "error",
        "-i",
        str(film),
        "-filter_complex",
        f"[0:a]aformat=channel_layouts=mono,{shape}[w]",
        "-map",
        "[w]",
        "-frames:v",
        "1",
        str(dest),
    )
    with Image.open(dest, formats=("PNG", "JPEG", "WEBP")) as image:
        ink = image.convert("RGBA")
    canvas = Image.new("RGBA", ink.size, "white")
    canvas.alpha_composite(ink)
    return canvas.convert("RGB")


def make_sounds(kit: Kit) -> None:
    """Music and loudness as waveforms."""
    orders = {name: ClipWork(source=kit.path(f"{name}.mp4"), target=target(lufs=-16)) for name in ("night", "day")}
    pieces = tuple(prepare(order, kit.path(f"level-{name}.mp4")).path for name, order in orders.items())
    film = MediaEditor().assemble(FilmPlan(target=target(), pieces=pieces), kit.path("film.mp4")).path
    mixed = mix_music(film, kit.song, kit.path("mixed.mp4"))
    said = _narrated(kit)
    pairs = {"music": (film, mixed), "loudness": (kit.night, pieces[0]), "voiceover": (kit.night, said)}
    for name, (before, after) in pairs.items():
        images = [waveform(path, kit.path(f"{name}-{index}.png")) for index, path in enumerate((before, after))]
        canvas = Image.new("RGB", (900, 310), "white")
        canvas.paste(images[0], (0, 0))
        canvas.paste(images[1], (0, 160))
        save(canvas, name, 240)


def _narrated(kit: Kit) -> Path:
    """The night shot with a line of the built-in voice."""
    line = Line(text="Every night, somebody climbs the stairs.", voice=embedded.VOICE)
    with embedded.speaking() as narrator:
        narrator.say(line, kit.path("line.wav"))
    voice = Voice(path=kit.path("line.wav"), text=line.text, begins_s=BEFORE_S, room_s=room_s(4.0))
    return prepare(ClipWork(source=kit.night, target=target(), voice=voice), kit.path("voiceover.mp4")).path


def make_aids(kit: Kit) -> None:
    """Poster and contact sheet of the joined film."""
    film = kit.path("film.mp4")
    titled = MediaEditor().poster(film, kit.path("titled.jpg"), Poster(title="The Keeper"))
    with Image.open(titled, formats=("JPEG",)) as image:
        save(image, "poster-title")
    for name in ("poster", "contact_sheet"):
        picture = getattr(MediaEditor(), name)(film, kit.path(f"{name}.jpg"))
        with Image.open(picture, formats=("PNG", "JPEG", "WEBP")) as image:
            save(image, name.replace("_", "-"))


MAKERS = (
    make_aspects,
    make_resolutions,
    make_fits,
    make_transitions,
    make_overlays,
    make_brand,
    make_cards,
    make_sounds,
    make_aids,
)


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


# --- the page ---------------------------------------------------------------------------------------------------

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
            "<!-- Written by tools/docs/looks.py; change it there. -->\n# What each setting of a row looks like\n\n"
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
        yield f"{PAGE.relative_to(ROOT)} is not what tools/docs/looks.py writes"
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


if __name__ == "__main__":
    sys.exit(main())
