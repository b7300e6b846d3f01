"""Pictures that people name, and the last picture of a clip: whatever their kind, they look as they are meant to."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import ClipWork, Corner, Fit, Logo, Target
from pipelines.media.editor import MediaEditor
from pipelines.media.normalise.normalise import prepare
from pipelines.media.normalise.overlay import paint_overlay
from pipelines.media.normalise.pictures import open_picture, plain_picture
from pipelines.net.pixels import to_rgb, to_rgba
from pipelines.ports import MediaInput
from pipelines.providers.pictures import sized
from tests.media import shots
from tests.media.clip_factory import run
from tests.media.test_outside import RED, coloured, nclx, with_colr

ORANGE, GREY = (200, 120, 40), (156, 156, 156)
SIZE = (48, 32)


def _lab() -> Image.Image:
    flat = Image.new("RGB", SIZE, ORANGE)
    made = ImageCms.profileToProfile(
        flat, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert made is not None
    return made


def _deep(mode: str, dtype: str, value: float) -> Image.Image:
    return Image.frombytes(mode, SIZE, np.full((SIZE[1], SIZE[0]), value, dtype).tobytes())


MODES: dict[str, tuple[Image.Image, tuple[int, int, int, int]]] = {
    "1": (Image.new("1", SIZE, 1), (255, 255, 255, 255)),
    "L": (Image.new("L", SIZE, 156), (*GREY, 255)),
    "LA": (Image.new("LA", SIZE, (156, 100)), (*GREY, 100)),
    "La": (Image.new("LA", SIZE, (156, 100)).convert("La"), (*GREY, 100)),
    "P": (Image.new("RGB", SIZE, ORANGE).quantize(4), (*ORANGE, 255)),
    "PA": (Image.new("RGB", SIZE, ORANGE).quantize(4).convert("PA"), (*ORANGE, 255)),
    "RGB": (Image.new("RGB", SIZE, ORANGE), (*ORANGE, 255)),
    "RGBA": (Image.new("RGBA", SIZE, (*ORANGE, 90)), (*ORANGE, 90)),
    "RGBa": (Image.new("RGBA", SIZE, (*ORANGE, 90)).convert("RGBa"), (*ORANGE, 90)),
    "CMYK": (Image.new("RGB", SIZE, ORANGE).convert("CMYK"), (*ORANGE, 255)),
    "YCbCr": (Image.new("RGB", SIZE, ORANGE).convert("YCbCr"), (*ORANGE, 255)),
    "HSV": (Image.new("RGB", SIZE, ORANGE).convert("HSV"), (*ORANGE, 255)),
    "LAB": (_lab(), (*ORANGE, 255)),
    "I": (_deep("I", "<i4", 40_000), (*GREY, 255)),
    "I, eight bits": (_deep("I", "<i4", 156), (*GREY, 255)),
    "I;16": (_deep("I;16", "<u2", 40_000), (*GREY, 255)),
    "I;16B": (_deep("I;16B", ">u2", 40_000), (*GREY, 255)),
    "F": (_deep("F", "<f4", 156.0), (*GREY, 255)),
    "F, fractions": (_deep("F", "<f4", 0.612), (*GREY, 255)),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_a_picture_keeps_its_look(mode: str) -> None:
    """To within what eight bits and a premultiplied alpha allow."""
    image, right = MODES[mode]
    assert image.mode == mode.split(",", maxsplit=1)[0]
    shown = np.asarray(to_rgba(image)).astype(int)
    assert np.abs(shown - right).max() <= 3, shown[0, 0]


def test_a_palette_with_transparency_keeps_it() -> None:
    """Both kinds: one colour that is clear, and an alpha for each."""
    image = Image.new("P", SIZE, 0)
    image.putpalette([*ORANGE, 0, 0, 0])
    image.info["transparency"] = 0
    assert to_rgba(image).getpixel((0, 0)) == (*ORANGE, 0)
    image.info["transparency"] = bytes([77, 255])
    assert to_rgba(image).getpixel((0, 0)) == (*ORANGE, 77)
    assert to_rgb(image).getpixel((0, 0)) == tuple(round(c * 77 / 255 + 255 * 178 / 255) for c in ORANGE)


def _deep_png(path: Path, value: int, clear: int | None = None) -> Path:
    """A PNG of 16-bit grey, written by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + struct.pack(">H", value) * SIZE[0] for _ in range(SIZE[1]))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, 16, 0, 0, 0, 0))
    trns = chunk(b"tRNS", struct.pack(">H", clear)) if clear is not None else b""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + trns + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def test_a_logo_of_16_bits_is_grey_in_the_overlay(tmp_path: Path) -> None:
    """It came out white."""
    logo = Logo(path=_deep_png(tmp_path / "deep.png", 40_000), corner=Corner.TOP_LEFT, opacity=1.0)
    work = ClipWork(source=Path(), target=shots.target(), logo=logo)
    assert paint_overlay(work, tmp_path / "ink.png")
    with Image.open(tmp_path / "ink.png") as ink:
        box = ink.getchannel("A").getbbox()
        assert box is not None
        assert ink.getpixel(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)) == (*GREY, 255)
    assert open_picture(_deep_png(tmp_path / "clear.png", 7, clear=7), "Logo").getpixel((0, 0)) == (0, 0, 0, 0)


def test_a_reference_of_16_bits_or_of_print_colours_is_made_plain(tmp_path: Path) -> None:
    """Not every service reads those; an ordinary picture is left as it is."""
    Image.new("RGB", SIZE, ORANGE).convert("CMYK").save(tmp_path / "print.jpg")
    Image.new("RGB", SIZE, ORANGE).save(tmp_path / "plain.png")
    for name, right in (("deep.png", GREY), ("print.jpg", ORANGE)):
        if name == "deep.png":
            _deep_png(tmp_path / name, 40_000)
        assert plain_picture(tmp_path / name, tmp_path / "made.png", "Picture")
        assert np.abs(shots.as_array(tmp_path / "made.png") - right).max() <= 4
    assert not plain_picture(tmp_path / "plain.png", tmp_path / "none.png", "Picture")
    assert not (tmp_path / "none.png").exists()


def test_a_video_service_is_shown_what_is_transparent_on_white(tmp_path: Path) -> None:
    """The colour under what is clear is anybody's guess, often black."""
    Image.new("RGBA", SIZE, (0, 0, 0, 0)).save(tmp_path / "clear.png")
    data, kind, _ = sized(MediaInput(key="clear.png", path=tmp_path / "clear.png", content_type="image/png"), 64, 64)
    (tmp_path / "sent.png").write_bytes(data)
    assert kind == "image/png"
    assert shots.as_array(tmp_path / "sent.png").min() == 255


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF"])
def test_other_formats_are_converted(tmp_path: Path, kind: str) -> None:
    """Through ffmpeg, in a process of its own."""
    path = tmp_path / "picture"
    Image.new("RGB", (400, 300), ORANGE).save(path, kind)
    assert plain_picture(path, tmp_path / "made.png", "Picture")
    made = shots.as_array(tmp_path / "made.png")
    assert made.shape == (300, 400, 3)
    assert np.abs(made - ORANGE).max() <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"BM" + bytes(50),
        b"II*\0" + bytes(80),
        b"\0\0\0\x1cftypavif" + bytes(60),
        b"\x89PNG\r\n\x1a\n" + bytes(9),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"icns\0\0\0\x08",
        b"8BPS\0\x01" + bytes(30),
    ],
)
def test_what_cannot_be_decoded_is_named(tmp_path: Path, data: bytes) -> None:
    """One sentence, before anything is bought."""
    path = tmp_path / "odd"
    path.write_bytes(data)
    with pytest.raises(InvalidOrder, match="no picture we can read"):
        plain_picture(path, tmp_path / "made.png", "Picture")


def test_a_picture_of_more_than_fifty_megapixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """Few bytes can claim very many pixels, in every format."""
    data = bytearray(b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0))
    (tmp_path / "huge.bmp").write_bytes(data + bytes(1000))
    with pytest.raises(InvalidOrder):
        open_picture(tmp_path / "huge.bmp", "Logo")


# The last picture of a clip.


def _last(clip: Path, folder: Path) -> np.ndarray:
    return shots.as_array(MediaEditor().last_frame(clip, folder / "last.png"))


def _film_shows(clip: Path, folder: Path, width: int, height: int) -> np.ndarray:
    target = Target(width=width, height=height, fps=Fraction(30), fit=Fit.CROP)
    done = prepare(ClipWork(source=clip, target=target), folder / "piece.mp4")
    return shots.frame(done.path, 0.5)


HALVES = "color=c=0x20c040:s=320x180:r=30:d=1,drawbox=w=100:h=60:c=0xe03030:t=fill"
MATRICES = {
    "mirrored": (-1, 0, 0, 1, 320, 180),
    "upside down": (1, 0, 0, -1, 320, 180),
    "turned right": (0, 1, -1, 0, 180, 320),
    "turned left": (0, -1, 1, 0, 180, 320),
    "turned over": (-1, 0, 0, -1, 320, 180),
    "mirrored and turned": (0, 1, 1, 0, 180, 320),
    "mirrored and turned left": (0, -1, -1, 0, 180, 320),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_last_picture_is_turned_and_mirrored_as_the_film_shows_it(tmp_path: Path, name: str) -> None:
    """The next scene begins with it."""
    a, b, c, d, width, height = MATRICES[name]
    path = tmp_path / "clip.mp4"
    run("-f", "lavfi", "-i", HALVES, "-vf", shots.TAGS.rstrip(","), *shots.X264, path)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    last = _last(path, tmp_path)
    assert last.shape == (height, width, 3)
    assert np.abs(last - _film_shows(path, tmp_path, width, height)).mean() < 4


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_the_last_picture_of_high_dynamic_range_looks_as_in_the_film(tmp_path: Path, transfer: str) -> None:
    """Washed out, it would make the next scene washed out."""
    path = tmp_path / "hdr.mp4"
    params = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    chain = (
        "scale=out_color_matrix=bt709,format=gbrp,zscale=tin=bt709:pin=bt709:rin=full:min=gbr:"
        f"t={transfer}:p=bt2020:m=bt2020nc:r=limited,format=yuv420p10le"
    )
    run("-f", "lavfi", "-i", HALVES, "-vf", chain, "-c:v", "libx265", "-x265-params", params, "-tag:v", "hvc1", path)
    last, film = _last(path, tmp_path), _film_shows(path, tmp_path, 320, 180)
    assert np.abs(last - film).mean() < 4


def test_the_last_picture_has_the_colours_that_only_the_container_states(tmp_path: Path) -> None:
    """As the film is converted by them."""
    clip = with_colr(coloured(tmp_path / "odd.mp4", "smpte170m", full=True), nclx("smpte170m", full=True))
    assert np.abs(_last(clip, tmp_path)[300:340, 300:340] - RED).max() <= 4
