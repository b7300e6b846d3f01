"""Crafted pictures: Pillow 11, which MoviePy keeps us on, has holes in decoders that no file from outside may reach."""

from __future__ import annotations

import ast
import io
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from pipelines.domain.errors import InvalidOrder
from pipelines.media.editor import MediaEditor
from pipelines.net.pixels import FORMATS
from pipelines.ports import MediaInput
from pipelines.providers.pictures import sized
from pipelines.sandbox.airtable.cells import thumbnails
from pipelines.sandbox.vendors.common.references import image_from_bytes
from pipelines.sandbox.vendors.kernel.engine import VendorSays
from tools.stack import ROOT

SHIPPED = ("pipelines", "webapp", "worker", "tools")


def opens() -> Iterator[tuple[str, ast.Call]]:
    """Every call of Pillow's `Image.open` in what we ship, and where it is."""
    for room in SHIPPED:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_opening_names_its_formats() -> None:
    found = dict(opens())
    assert found
    for place, call in found.items():
        given = [word.value for word in call.keywords if word.arg == "formats"]
        assert given, place
        named = FORMATS if ast.unparse(given[0]) == "FORMATS" else ast.literal_eval(given[0])
        assert set(named) <= set(FORMATS), place


def crafted() -> dict[str, bytes]:
    """A picture of every kind that Pillow can write, and beginnings of those that it only reads."""
    made = {
        "PSD": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 8, 3) + bytes(40),
        "FITS": b"".join(line.ljust(80) for line in (b"SIMPLE  =                    T", b"BITPIX  = 8", b"END")),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "FLI": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 4, 4, 8, 3) + bytes(112),
        "DCX": struct.pack("<II", 0x3ADE68B1, 12) + bytes(140),
        "GBR": struct.pack(">IIIII4sI", 29, 2, 4, 4, 1, b"GIMP", 1) + bytes(40),
        "XPM": b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a c #000000",\n"a"\n};\n',
        "NOTHING": bytes(64),
    }
    Image.init()
    for kind in sorted(set(Image.SAVE) - {"PDF", *FORMATS}):
        for mode in ("RGB", "L", "1", "P"):
            file = io.BytesIO()
            with suppress(OSError, ValueError, KeyError, TypeError):
                Image.new(mode, (4, 4)).save(file, kind)
                made[kind] = file.getvalue()
                break
    return made


CRAFTED = crafted()


def as_reference(path: Path, folder: Path) -> None:
    MediaEditor().plain_picture(path, folder / "made.png")


def as_logo(path: Path, _folder: Path) -> None:
    MediaEditor().check_logo(path)


def at_a_provider(path: Path, _folder: Path) -> None:
    sized(MediaInput(key=path.name, path=path, content_type="image/png"), 4, 4)


def at_the_sandbox(path: Path, _folder: Path) -> None:
    image_from_bytes(path.read_bytes(), param="image")


def as_an_attachment(path: Path, folder: Path) -> None:
    shutil.copy(path, folder / "attached")
    thumbnails._image(folder / "attached")


DOORS = (as_reference, as_logo, at_a_provider, at_the_sandbox, as_an_attachment)


@pytest.fixture(scope="module")
def asked() -> Iterator[list[str]]:
    """A decoder that takes every file for its own, registered with Pillow as each of its own is, and notes it."""
    seen: list[str] = []

    class Canary(ImageFile.ImageFile):
        format = "CANARY"

        def _open(self) -> None:
            seen.append("opened")
            raise SyntaxError("not really")

    def accepts(prefix: bytes) -> bool:
        seen.append(prefix[:8].hex())
        return True

    Image.register_open("CANARY", Canary, accepts)
    yield seen
    del Image.OPEN["CANARY"]
    Image.ID.remove("CANARY")


@pytest.mark.parametrize("door", DOORS)
def test_no_file_reaches_another_decoder(door: Callable[[Path, Path], None], asked: list[str], tmp_path: Path) -> None:
    """Whatever it is called: the decoder is chosen by content, and only three may be."""
    assert {"PSD", "FITS", "TIFF", "BMP", "ICNS", "JPEG2000", "TGA", "PCX"} <= set(CRAFTED)
    for kind, data in CRAFTED.items():
        path = tmp_path / f"{kind}.png"
        path.write_bytes(data)
        with suppress(InvalidOrder, VendorSays):
            door(path, tmp_path)
        assert asked == [], kind
    with suppress(SyntaxError, OSError):
        Image.open(io.BytesIO(bytes(64)))
    assert asked, "an opening without formats would have been seen"
    asked.clear()


@pytest.mark.parametrize("door", [as_reference, as_logo, at_a_provider])
@pytest.mark.parametrize("kind", ["PSD", "FITS", "EPS", "ICNS", "JPEG2000", "TGA", "PCX", "SGI", "DDS"])
def test_it_is_refused_in_words(door: Callable[[Path, Path], None], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(CRAFTED[kind])
    with pytest.raises(InvalidOrder, match="picture"):
        door(path, tmp_path)


def test_no_moviepy_without_its_cap_on_pillow_can_be_had() -> None:
    """When this fails, raise both by `make lock`: the holes are gone. Needs the package registry, and nothing else."""
    uv = Path(sys.executable).with_name("uv")
    asked = subprocess.run(
        [str(uv), "pip", "compile", "--quiet", "--no-header", "--python-version", "3.11", "-"],
        input="moviepy>=2.2\npillow>=12.2\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "No solution found" not in asked.stderr and asked.returncode:
        pytest.skip(f"the package registry does not answer: {asked.stderr[:200]}")
    assert asked.returncode != 0, f"MoviePy and a Pillow without holes go together now:\n{asked.stdout}"
