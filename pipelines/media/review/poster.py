"""What stands for a film before it plays: poster, contact sheet, preview; and the last frame for the next scene."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from pipelines.domain.brands.contrast import on_footage
from pipelines.domain.footage import BEST_FRAME, Corner, Lettering, Poster
from pipelines.media.clips.frames import DEMUXERS, last_picture, picture_at, samples, to_image
from pipelines.media.clips.probe import probe
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.reader import sniff
from pipelines.media.normalise.overlay import CAPTION_SHARE
from pipelines.media.normalise.pictures import open_picture
from pipelines.media.review.best_frame import best_frame
from pipelines.media.text.fonts import Weight, face_of
from pipelines.media.text.layout import Box, clean, fit, safe_area
from pipelines.media.text.plates import ai_label, fill_plate
from pipelines.media.text.shaping import baseline, draw_line, settable

JPEG_QUALITY = 88
POSTER_BYTES = 1_900_000
"""YouTube takes thumbnails up to 2 MB."""
POSTER_QUALITIES = (JPEG_QUALITY, 80, 70, 55, 35)
"""Tried in order until the file is small enough."""
TITLE_SIZES = (5.0, 12.5)
"""Smallest and largest type of a title in hundredths of the shorter side: it is read in a grid of small pictures."""
TITLE_LEADING, TITLE_SHARE = 1.12, 0.4
"""The most of the safe area's height that a title may take."""
THUMBNAIL_PX = 480
"""Of the longer side."""
THUMBNAIL_BYTES = 25_000
THUMBNAIL_QUALITIES = (72, 55, 40, 25, 10, 0)
"""Tried in order until the file is small enough; a picture of nothing but detail takes the last."""
THUMBNAIL_AT_S = 1.2
"""Past a fade from black, and near enough to the first keyframe to be cheap."""

SHEET_CELLS = 12
SHEET_WIDTH = 1600
SHEET_GAP = 12
SHEET_GROUND = (16, 17, 22)

PREVIEW_PARTS = 4
PREVIEW_PART_S = 0.8
PREVIEW_SHORT_SIDE = 320


def _save_jpeg(image: Image.Image, dest: Path, most: int | None = None) -> Path:
    with encode.arriving(dest) as temporary:
        for quality in POSTER_QUALITIES if most else (JPEG_QUALITY,):
            image.convert("RGB").save(temporary, "JPEG", quality=quality, optimize=True, progressive=True)
            if most is None or temporary.stat().st_size <= most:
                break
    return dest


def poster(film: Path, dest: Path, look: Poster = BEST_FRAME, *, ready: Path | None = None) -> Path:
    """Write the sharpest well-exposed frame as JPEG, or the picture that `look` has for it, with its title set over it.
    Frames that were scored ahead into the folder `ready` are not decoded for that. Raises `UnplayableMedia`, and
    `InvalidOrder` for a picture that is none.
    """
    ground, label = look.ground, look.ai_label
    image = best_frame(film, look.between_s, ready) if ground is None else _grounded(film, ground, label)
    words = settable(clean(look.title or ""), Weight.DISPLAY)
    if words:
        image = _titled(image, words, look)
    return _save_jpeg(image, dest, POSTER_BYTES)


def _grounded(film: Path, ground: Path, label: Corner | None) -> Image.Image:
    """A picture that was made for the poster, in the shape of the film."""
    facts = probe(film)
    picture = open_picture(ground, "Poster").convert("RGB")
    image = ImageOps.fit(picture, (facts.width, facts.height), Image.Resampling.LANCZOS).convert("RGBA")
    if label is not None:
        shown, box = ai_label(*image.size, label)
        image.alpha_composite(shown, (box.x, box.y))
    return image


def _titled(image: Image.Image, words: str, look: Poster) -> Image.Image:
    """The title on its plate, low in the safe area, clear of the labels above it and of captions."""
    canvas, brand = image.convert("RGBA"), look.lettering or Lettering()
    safe, unit = safe_area(*canvas.size), min(canvas.size) / 100
    pad_x, pad_y, face = round(3 * unit), round(2 * unit), face_of(brand.font, words, Weight.DISPLAY)
    room = Box(0, 0, safe.width - 2 * pad_x, round(safe.height * TITLE_SHARE) - 2 * pad_y)
    smallest, largest = (round(units * unit) for units in TITLE_SIZES)
    block = fit(words, face, room, range(smallest, largest + 1), TITLE_LEADING)
    width, height = min(safe.width, block.width + 2 * pad_x), block.height + 2 * pad_y
    bottom = safe.bottom - round(safe.height * CAPTION_SHARE) if look.above_captions else safe.bottom
    plate = Box(safe.x + (safe.width - width) // 2, bottom - height, width, height)
    ink, shade, opacity = on_footage(brand.ink, brand.plate)
    fill_plate(canvas, plate, round(1.8 * unit), (*shade, opacity))
    for index, line in enumerate(block.lines):
        drawn = draw_line(line, face, block.size, ink, rtl=block.rtl)
        x = plate.x + (plate.width - drawn.width) // 2
        y = plate.y + pad_y + index * block.leading + round(block.leading * 0.78) - baseline(block.size)
        canvas.alpha_composite(drawn, (max(0, x), max(0, y)))
    return canvas


def last_frame(clip: Path, dest: Path) -> Path:
    """Write the very last picture as PNG. Raises `UnplayableMedia`."""
    image = last_picture(clip)
    with encode.arriving(dest) as temporary:
        image.save(temporary, "PNG", compress_level=3)
    return dest


def thumbnail(clip: Path, dest: Path) -> Path:
    """Write a picture from within the clip as WebP, small enough for a page of fifty. Raises `UnplayableMedia`."""
    image = picture_at(clip, THUMBNAIL_AT_S)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    with encode.arriving(dest) as temporary:
        for quality in THUMBNAIL_QUALITIES:
            image.save(temporary, "WEBP", quality=quality, method=3)
            if temporary.stat().st_size <= THUMBNAIL_BYTES:
                break
    return dest


def contact_sheet(film: Path, dest: Path) -> Path:
    """Write a grid of frames, evenly spread and marked with their times, as JPEG. Raises `UnplayableMedia`."""
    cells = [(moment, to_image(frame)) for moment, frame in samples(film, SHEET_CELLS)]
    tall = cells[0][1].height > cells[0][1].width
    columns = 6 if tall else 4
    width = (SHEET_WIDTH - SHEET_GAP) // columns - SHEET_GAP
    height = round(width * cells[0][1].height / cells[0][1].width)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (SHEET_WIDTH, SHEET_GAP + rows * (height + SHEET_GAP)), SHEET_GROUND)
    for index, (moment, image) in enumerate(cells):
        row, column = divmod(index, columns)
        place = (SHEET_GAP + column * (width + SHEET_GAP), SHEET_GAP + row * (height + SHEET_GAP))
        sheet.paste(_cell(image.resize((width, height), Image.Resampling.LANCZOS), moment), place)
    return _save_jpeg(sheet, dest)


def _cell(image: Image.Image, moment: float) -> Image.Image:
    """One frame with its time on a small dark tag."""
    label = draw_line(f"{int(moment // 60)}:{moment % 60:04.1f}", Weight.BOLD, 17, (255, 255, 255))
    tag = Image.new("RGBA", (label.width + 12, label.height + 4), (0, 0, 0, 150))
    tag.alpha_composite(label, (6, 2))
    canvas = image.convert("RGBA")
    canvas.alpha_composite(tag, (8, canvas.height - tag.height - 8))
    return canvas.convert("RGB")


def preview(film: Path, dest: Path) -> Path:
    """Write a small silent MP4 that loops: a few short looks across the film. Raises `UnplayableMedia`."""
    facts = probe(film)
    starts, part_s = _preview_parts(facts.duration_s)
    demuxer = DEMUXERS[sniff(film)]
    inputs = [
        word
        for start in starts
        for word in ("-f", demuxer, "-ss", f"{start:.3f}", "-t", f"{part_s:.3f}", "-i", str(film))
    ]
    scale = f"scale='if(gt(iw,ih),-2,{PREVIEW_SHORT_SIDE})':'if(gt(iw,ih),{PREVIEW_SHORT_SIDE},-2)':flags=area"
    chains = "".join(
        f"[{index}:v:0]{scale},setsar=1,fps=15,setpts=PTS-STARTPTS[v{index}];" for index in range(len(starts))
    )
    joined = "".join(f"[v{index}]" for index in range(len(starts)))
    with encode.arriving(dest) as temporary:
        encode.ffmpeg(
            *("-v", "error", *inputs, "-filter_complex", f"{chains}{joined}concat=n={len(starts)}:v=1[small]"),
            *("-map", "[small]", "-an", "-c:v", "libx264", "-preset", encode.PRESET, "-crf", "30"),
            *("-pix_fmt", "yuv420p", *encode.container(), str(temporary)),
        )
    return dest


def _preview_parts(seconds: float) -> tuple[list[float], float]:
    """Where the looks begin and how long they are; a short film is shown whole."""
    if seconds <= PREVIEW_PARTS * PREVIEW_PART_S:
        return [0.0], max(seconds, 0.1)
    room = seconds - PREVIEW_PART_S
    return [room * (index + 0.5) / PREVIEW_PARTS for index in range(PREVIEW_PARTS)], PREVIEW_PART_S
