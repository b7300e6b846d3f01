"""The stills of the page: made by the product itself from two painted shots."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pipelines.domain.footage import (
    Boundary,
    Card,
    ClipWork,
    Corner,
    FilmPlan,
    Fit,
    Lettering,
    Logo,
    Poster,
    Transition,
    Voice,
)
from pipelines.domain.planning.narration import BEFORE_S, Line, room_s
from pipelines.media.audio.music import mix_music
from pipelines.media.clips.frames import samples, to_image
from pipelines.media.editor import MediaEditor
from pipelines.media.ffmpeg.encode import ffmpeg
from pipelines.media.normalise.normalise import prepare
from pipelines.speech import embedded
from tools.docs.looks.shots import PORTRAIT, SQUARE, TALL, WIDE, Kit, lighthouse, shot, target
from tools.stack import ROOT

STILLS = ROOT / "docs" / "reference" / "stills"
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
