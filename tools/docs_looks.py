"""Write docs/reference/looks.md and its stills: every setting of a row that changes what one sees or hears.

The stills are made by the product itself from two painted shots, so the page cannot promise what the product does
not do. Run it again after changing a look: `python tools/docs_looks.py`. With `--check` it only says whether the page
is the one it would write and all its stills are there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipelines.domain.footage import Boundary, Card, ClipWork, FilmPlan, Fit, Logo, Target, Transition  # noqa: E402
from pipelines.media.encode import ffmpeg  # noqa: E402
from pipelines.media.music import mix_music  # noqa: E402
from pipelines.media.normalise import prepare  # noqa: E402
from pipelines.media.render import write_clip  # noqa: E402
from pipelines.media.stills import samples  # noqa: E402
from pipelines.media.studio import FilmStudio  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "looks.md"
STILLS = PAGE.parent / "stills"
LARGEST_TOTAL = 1_000_000
FPS = Fraction(24)
WIDE, TALL, SQUARE, PORTRAIT = (960, 540), (540, 960), (720, 720), (720, 900)
CAPTION = "Every night, someone climbs the stairs to light the sea."


def target(size: tuple[int, int] = WIDE, fit: Fit = Fit.CROP, lufs: float | None = None) -> Target:
    """A small target for the docs."""
    return Target(width=size[0], height=size[1], fps=FPS, fit=fit, loudness_lufs=lufs)


# --- two painted shots ------------------------------------------------------------------------------------------


def _sky(width: int, height: int, colours: list[tuple[int, int, int]]) -> Image.Image:
    rows = np.linspace(0, len(colours) - 1, height)
    stops = np.array(colours, float)
    low = np.floor(rows).astype(int).clip(0, len(colours) - 2)
    share = (rows - low)[:, None]
    column = stops[low] * (1 - share) + stops[low + 1] * share
    return Image.fromarray(np.repeat(column[:, None, :], width, axis=1).astype(np.uint8))


def _glow(image: Image.Image, centre: tuple[int, int], radius: int, colour: tuple[int, int, int]) -> Image.Image:
    light = Image.new("RGB", image.size)
    x, y = centre
    ImageDraw.Draw(light).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    light = light.filter(ImageFilter.GaussianBlur(radius * 0.9))
    return Image.fromarray(np.minimum(255, np.asarray(image, np.uint16) + np.asarray(light)).astype(np.uint8))


def _ridge(image: Image.Image, base: float, rise: float, seed: int, colour: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(image.width)
    waves = sum(rng.uniform(0.3, 1) / n * np.sin(x * n / image.width * 6 + rng.uniform(0, 6)) for n in (1, 2, 4, 9))
    y = image.height * (base - rise * waves)
    ImageDraw.Draw(image).polygon(
        [(0, image.height), *zip(x.tolist(), y.tolist(), strict=True), (image.width, image.height)], fill=colour
    )


def lighthouse(width: int, height: int) -> Image.Image:
    """A lighthouse at dusk, with room at the sides."""
    image = _sky(width, height, [(24, 26, 62), (92, 52, 104), (226, 112, 88), (255, 190, 120)])
    image = _glow(image, (int(width * 0.28), int(height * 0.66)), int(height * 0.12), (255, 190, 110))
    draw = ImageDraw.Draw(image)
    sea = int(height * 0.7)
    image.paste(_sky(width, height - sea, [(150, 84, 92), (44, 34, 72), (16, 16, 40)]), (0, sea))
    rng = np.random.default_rng(5)
    for _ in range(240):
        y = int(rng.uniform(sea, height))
        x, length = int(rng.normal(width * 0.28, width * 0.12)), int(rng.uniform(4, 40) * (y - sea) / height * 3 + 4)
        draw.line((x, y, x + length, y), fill=(255, 190, 130), width=1)
    _ridge(image, 0.86, 0.05, 3, (14, 12, 28))
    x, top, bottom = width * 0.56, height * 0.22, height * 0.86
    draw = ImageDraw.Draw(image)
    half = width * 0.022
    draw.polygon(
        [(x - half, bottom), (x + half, bottom), (x + half * 0.66, top), (x - half * 0.66, top)], fill=(236, 226, 220)
    )
    for band in (0.34, 0.52, 0.7):
        y = height * band
        draw.rectangle((x - half * 0.86, y, x + half * 0.86, y + height * 0.07), fill=(186, 46, 52))
    draw.rectangle((x - half, top - height * 0.012, x + half, top), fill=(20, 18, 34))
    draw.rectangle((x - half * 0.5, top - height * 0.07, x + half * 0.5, top - height * 0.012), fill=(255, 236, 170))
    draw.polygon(
        [(x - half * 0.7, top - height * 0.07), (x + half * 0.7, top - height * 0.07), (x, top - height * 0.11)],
        fill=(20, 18, 34),
    )
    return _glow(image, (int(x), int(top - height * 0.04)), int(height * 0.05), (255, 220, 140))


def valley(width: int, height: int) -> Image.Image:
    """Hills in the morning."""
    image = _sky(width, height, [(96, 164, 206), (170, 208, 214), (250, 228, 186)])
    image = _glow(image, (int(width * 0.7), int(height * 0.34)), int(height * 0.1), (255, 236, 180))
    greens = [(140, 178, 168), (96, 148, 122), (58, 112, 84), (28, 72, 56)]
    for index, colour in enumerate(greens):
        _ridge(image, 0.5 + index * 0.13, 0.06, 11 + index, colour)
    return image


def shot(
    paint: Callable[[int, int], Image.Image], size: tuple[int, int], seconds: float, dest: Path, tone: float
) -> Path:
    """A clip that pans slowly over a painting, with a soft tone that comes and goes."""
    width, height = size
    painting = np.asarray(paint(width + 48, height))
    frames = round(seconds * FPS)
    times = np.arange(round(seconds * 48_000)) / 48_000
    wave = 0.05 * np.sin(2 * np.pi * tone * times) * (np.sin(np.pi * times / seconds) ** 8)

    def frame(at: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        x = round(48 * min(1.0, at / seconds))
        return np.ascontiguousarray(painting[:, x : x + width])

    write_clip(frame, frames, target(size), np.stack([wave, wave], 1).astype(np.float32), dest)
    return dest


# --- the stills -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kit:
    """What the stills are made from."""

    folder: Path
    night: Path
    day: Path
    logo: Path
    song: Path

    def path(self, name: str) -> Path:
        """A work file."""
        return self.folder / name


def make_kit(folder: Path) -> Kit:
    """Paint the shots, the logo and a bar of music."""
    logo = Image.new("RGBA", (640, 240))
    draw = ImageDraw.Draw(logo)
    draw.rounded_rectangle((0, 0, 639, 239), 120, fill=(255, 255, 255, 255))
    draw.ellipse((36, 36, 204, 204), fill=(226, 92, 74, 255))
    draw.rounded_rectangle((240, 84, 590, 112), 14, fill=(30, 30, 50, 255))
    draw.rounded_rectangle((240, 136, 480, 160), 12, fill=(120, 120, 140, 255))
    logo.save(folder / "logo.png")
    beat = "aevalsrc='0.4*sin(2*PI*110*t)*exp(-6*mod(t,0.5))+0.2*sin(2*PI*330*t)*exp(-3*mod(t,0.25))':s=48000:d=4"
    ffmpeg("-v", "error", "-f", "lavfi", "-i", beat, str(folder / "song.wav"))
    night = shot(lighthouse, WIDE, 3, folder / "night.mp4", 196)
    day = shot(valley, WIDE, 3, folder / "day.mp4", 262)
    return Kit(folder, night, day, folder / "logo.png", folder / "song.wav")


def frame_of(film: Path, share: float = 0.5) -> Image.Image:
    """A picture of a film, at a share of its length."""
    pictures = samples(film, 24)
    return pictures[min(23, int(share * 24))][1]


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
    order = ClipWork(source=kit.night, **{"target": target(), **work})  # type: ignore[arg-type]
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


def make_transitions(kit: Kit) -> None:
    """Five frames across a join, for each kind."""
    for kind in Transition:
        seconds = 0.0 if kind is Transition.CUT else 1.0
        plan = FilmPlan(
            target=target(), pieces=(kit.night, kit.day), boundaries=(Boundary(kind=kind, seconds=seconds),)
        )
        film = FilmStudio().assemble(plan, kit.path(f"transition-{kind.name}.mp4"))
        middle = film.starts_s[1] + (seconds / 2 if kind is Transition.CROSSFADE else 0.0)
        pictures = samples(film.path, round(film.footage.frames))
        moments = [middle + offset * 0.3 for offset in (-2, -1, 0, 1, 2)]
        strip = [min(pictures, key=lambda timed, at=at: abs(timed[0] - at))[1] for at in moments]  # type: ignore[misc]
        save(row(strip, 130, 6), f"transition-{kind.value.lower().replace(' ', '-')}", 130)


def make_overlays(kit: Kit) -> None:
    """Captions and logo, wide and tall."""
    save(prepared(kit, "caption", caption=CAPTION), "captions-burned")
    tall = prepared(kit, "caption-tall", target=target(TALL), caption=CAPTION)
    cyrillic = prepared(
        kit, "caption-cyrillic", target=target(TALL), caption="Каждую ночь кто-то поднимается по лестнице."
    )
    save(row([tall, cyrillic], 480), "captions-burned-tall", 420)
    save(prepared(kit, "logo", logo=Logo(path=kit.logo)), "logo")
    corners = ("top-left", "top-right", "bottom-left", "bottom-right")
    images = [prepared(kit, f"logo-{at}", logo=Logo(path=kit.logo, corner=at, opacity=0.6)) for at in corners]
    save(row(images, 130, 6), "logo-corners", 130)


def make_cards(kit: Kit) -> None:
    """Title, end card and animatic."""
    studio = FilmStudio()
    title = Card(text="The Keeper", seconds=2, target=target(), heading="A film in four scenes", seed=0)
    end = Card(text="Book a night in the tower", seconds=2, target=target(), footer="keeper.example", seed=5)
    scene = Card(
        text="A lighthouse keeper climbs the spiral stairs at dawn, golden light falling through dusty windows.",
        seconds=4, target=target(), number=2, total=4, heading="The Keeper", seed=1,
    )  # fmt: skip
    tall = Card(text=scene.text, seconds=4, target=target(TALL), number=3, total=4, heading="The Keeper", seed=5)
    for name, card in {"title-card": title, "end-card": end, "animatic": scene, "animatic-tall": tall}.items():
        studio.animatic(card, kit.path(f"{name}.mp4"))
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
    with Image.open(dest) as image:
        ink = image.convert("RGBA")
    canvas = Image.new("RGBA", ink.size, "white")
    canvas.alpha_composite(ink)
    return canvas.convert("RGB")


def make_sounds(kit: Kit) -> None:
    """Music and loudness as waveforms."""
    orders = {name: ClipWork(source=kit.path(f"{name}.mp4"), target=target(lufs=-16)) for name in ("night", "day")}
    pieces = tuple(prepare(order, kit.path(f"level-{name}.mp4")).path for name, order in orders.items())
    film = FilmStudio().assemble(FilmPlan(target=target(), pieces=pieces), kit.path("film.mp4")).path
    mixed = mix_music(film, kit.song, kit.path("mixed.mp4"))
    pairs = {"music": (film, mixed), "loudness": (kit.night, pieces[0])}
    for name, (before, after) in pairs.items():
        images = [waveform(path, kit.path(f"{name}-{index}.png")) for index, path in enumerate((before, after))]
        canvas = Image.new("RGB", (900, 310), "white")
        canvas.paste(images[0], (0, 0))
        canvas.paste(images[1], (0, 160))
        save(canvas, name, 240)


def make_aids(kit: Kit) -> None:
    """Poster and contact sheet of the joined film."""
    film = kit.path("film.mp4")
    for name in ("poster", "contact_sheet"):
        picture = getattr(FilmStudio(), name)(film, kit.path(f"{name}.jpg"))
        with Image.open(picture) as image:
            save(image, name.replace("_", "-"))


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
            "goes before the film's. Seconds: 0.2 to 2. Only the frames of the transition are encoded again."
        ),
        ("transition-cut", "transition-crossfade", "transition-fade-black", "transition-dip-white"),
    ),
    (
        "`Captions`",
        (
            "`None` (default), `Burned`, `Sidecar`. Burned captions are each scene's `Caption`, set inside the area "
            "that the networks' own buttons leave free, in any script this machine has fonts for (`flask doctor` says "
            "which). `Sidecar` writes an SRT and a WebVTT file beside the film; the picture stays as it is."
        ),
        ("captions-burned", "captions-burned-tall"),
    ),
    (
        "`Logo`",
        (
            "A PNG, JPEG or WebP picture, laid over every clip inside the safe area; transparency is kept. By default "
            "at the top right; any corner and opacity can be had."
        ),
        ("logo", "logo-corners"),
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
        "`Loudness`",
        (
            "Every clip is brought to this level (−16 LUFS unless another is given), without letting peaks pass −1.5 "
            "dB. Above: a clip as it came; below: levelled."
        ),
        ("loudness",),
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
        "`Poster` and contact sheet",
        "Chosen from the finished film: the poster is its sharpest well-lit frame, the sheet shows twelve moments.",
        ("poster", "contact-sheet"),
    ),
)


def page() -> str:
    """The page's text."""
    parts = [
        (
            "<!-- Written by tools/docs_looks.py; change it there. -->\n# What each setting of a row looks like\n\n"
            "Every still on this page was made by the product from two painted shots. The settings are fields of the "
            "table `Videos`; an empty field means the default.\n"
        )
    ]
    for heading, text, stills in SECTIONS:
        images = "\n".join(f"![{name.replace('-', ' ')}](stills/{name}.webp)" for name in stills)
        parts.append(f"## {heading}\n\n{text}\n\n{images}\n")
    return "\n".join(parts)


def complaints() -> Iterator[str]:
    """What is wrong with the page and stills as they are."""
    if not PAGE.exists() or PAGE.read_text("utf-8") != page():
        yield f"{PAGE.relative_to(ROOT)} is not what tools/docs_looks.py writes"
    named = {f"{name}.webp" for _, _, stills in SECTIONS for name in stills}
    there = {path.name for path in STILLS.glob("*")}
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
            for make in (make_aspects, make_fits, make_transitions, make_overlays, make_cards, make_sounds, make_aids):
                make(kit)
        PAGE.write_text(page(), encoding="utf-8")
    found = list(complaints())
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
