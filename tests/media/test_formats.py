"""Whatever a clip is stored as, its piece shows the same colours in the same places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain.footage import Fit
from pipelines.media.clips.probe import deviations
from tests.media import shots
from tests.media.shots import run, tone

SIZE, ODD = "320x180", "427x241"
RED, GREEN, BLUE, WHITE = (200, 40, 40), (30, 180, 60), (40, 60, 200), (235, 235, 235)
"""Top left, top right, bottom left, bottom right."""
CORNERS = (RED, GREEN, BLUE, WHITE)

X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "14"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "20", "-b:v", "0"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-crf", "20", "-svtav1-params", "lp=1"]
PRORES = ["-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How the chart is stored. `near` is how far a colour may be off, in 255ths."""

    pixels: str
    codec: list[str]
    suffix: str = ".mp4"
    size: str = SIZE
    near: int = 8
    said: str = ""


def _chart(size: str, seconds: float = 0.2) -> list[str]:
    width, height = (int(number) for number in size.split("x"))
    boxes = [(width // 2, 0, GREEN), (0, height // 2, BLUE), (width // 2, height // 2, WHITE)]
    drawn = ",".join(f"drawbox=x={x}:y={y}:w={width}:h={height}:c=0x{bytes(c).hex()}:t=fill" for x, y, c in boxes)
    # The second box reaches under the third, which is drawn over it.
    return ["-f", "lavfi", "-i", f"color=c=0x{bytes(RED).hex()}:s={size}:r=30:d={seconds},format=gbrp,{drawn}"]


def _x265(*params: str) -> list[str]:
    return ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "14", "-x265-params", ":".join(["log-level=0", *params])]


def _as(pixels: str, matrix: str = "bt709", full: bool = False) -> str:
    reach = "pc" if full else "tv"
    tag = {"bt601": "smpte170m", "bt2020": "bt2020nc"}.get(matrix, matrix)
    tags = f"setparams=range={reach}:color_primaries=bt709:color_trc=bt709:colorspace={tag}"
    return f"scale=out_color_matrix={matrix}:out_range={reach},format={pixels},setsar=1,{tags}"


def _bright(transfer: str, *, tagged: bool = True) -> str:
    """High dynamic range with the chart's white where paper is in such films."""
    to = f"t={transfer}:p=bt2020:m=bt2020nc:r=tv:npl=203,format=yuv420p10le,setsar=1"
    untold = "" if tagged else ",setparams=color_primaries=unknown:colorspace=unknown"
    return f"format=gbrp,zscale=tin=bt709:pin=bt709:rin=full:min=gbr:{to}{untold}"


FORMATS: dict[str, Format] = {
    "HEVC of 10 bit": Format(pixels=_as("yuv420p10le"), codec=_x265(), said="HEVC"),
    "HEVC of 10 bit 4:2:2": Format(pixels=_as("yuv422p10le"), codec=_x265(), said="HEVC"),
    "HEVC of full range": Format(
        pixels=_as("yuv420p10le", full=True), codec=[*_x265("range=full"), "-color_range", "pc"], said="HEVC"
    ),
    "HDR10": Format(
        pixels=_bright("smpte2084"),
        codec=_x265("colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
        near=20,
        said="HEVC",
    ),
    "HLG": Format(
        pixels=_bright("arib-std-b67"),
        codec=_x265("colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"),
        near=20,
        said="HEVC",
    ),
    "PQ and nothing else said": Format(
        pixels=_bright("smpte2084", tagged=False), codec=_x265("transfer=smpte2084"), near=20, said="HEVC"
    ),
    "HLG and nothing else said": Format(
        pixels=_bright("arib-std-b67", tagged=False), codec=_x265("transfer=arib-std-b67"), near=20, said="HEVC"
    ),
    "AV1 of odd size": Format(pixels=_as("yuv420p"), codec=AV1, suffix=".webm", size=ODD, said="AV1"),
    "AV1 in HDR10": Format(
        pixels=_bright("smpte2084"),
        codec=[*AV1, "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"],
        near=20,
        said="AV1",
    ),
    "VP9 of odd size": Format(pixels=_as("yuv420p"), codec=VP9, suffix=".webm", size=ODD, said="VP9"),
    "VP9 of odd width": Format(pixels=_as("yuv420p"), codec=VP9, suffix=".webm", size="427x240", said="VP9"),
    "VP9 in RGB": Format(pixels="format=gbrp", codec=VP9, suffix=".webm", said="VP9"),
    "VP9 of full range": Format(
        pixels=_as("yuv420p", full=True), codec=[*VP9, "-color_range", "pc"], suffix=".webm", said="VP9"
    ),
    "VP9 with transparency": Format(
        pixels=_as("yuva420p"), codec=[*VP9, "-auto-alt-ref", "0"], suffix=".webm", said="VP9"
    ),
    "ProRes with transparency": Format(
        pixels=_as("yuva444p10le"), codec=PRORES, suffix=".mov", said="instead of H.264"
    ),
    "4:2:2 of 10 bit": Format(pixels=_as("yuv422p10le"), codec=X264, said="not 8 bit 4:2:0"),
    "4:4:4": Format(pixels=_as("yuv444p"), codec=X264, said="not 8 bit 4:2:0"),
    "RGB": Format(pixels="format=bgr24", codec=["-c:v", "libx264rgb", *X264[2:]], said="not 8 bit 4:2:0"),
    "full range": Format(
        pixels=_as("yuvj420p", full=True), codec=[*X264, "-color_range", "pc"], said="use the full range"
    ),
    "BT.601": Format(
        pixels=_as("yuv420p", "bt601"), codec=[*X264, "-colorspace", "smpte170m"], said="colours are not BT.709"
    ),
    "BT.2020": Format(
        pixels=_as("yuv420p", "bt2020"), codec=[*X264, "-colorspace", "bt2020nc"], said="colours are not BT.709"
    ),
}


def _stored(form: Format, folder: Path) -> Path:
    dest = folder / f"source{form.suffix}"
    sound = ["-c:a", "libopus"] if form.suffix == ".webm" else ["-c:a", "aac", "-ac", "2"]
    run(*_chart(form.size), *tone(0.2), "-vf", form.pixels, *form.codec, *sound, str(dest))
    return dest


def _quarters(path: Path) -> list[np.ndarray]:
    image = shots.frame(path, 0.1)
    height, width, _ = image.shape
    return [image[height * row // 4, width * column // 4] for row in (1, 3) for column in (1, 3)]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_piece_has_the_colours_of_its_clip(form: Format, prepare: shots.Prepare, tmp_path: Path) -> None:
    source, target = _stored(form, tmp_path), shots.target(320, 180, fit=Fit.LETTERBOX)
    piece = prepare(source, target=target)
    assert form.said in "; ".join(piece.changed)
    assert deviations(piece.path, target) == ()
    assert piece.footage.frames == 6
    for found, wanted in zip(_quarters(piece.path), CORNERS, strict=True):
        assert np.abs(found - wanted).max() <= form.near


TURNS: dict[str, tuple[list[str], tuple[tuple[int, int, int], ...]]] = {
    "a quarter to the left": (["-display_rotation", "90"], (GREEN, WHITE, RED, BLUE)),
    "half": (["-display_rotation", "180"], (WHITE, BLUE, GREEN, RED)),
    "a quarter to the right": (["-display_rotation", "270"], (BLUE, RED, WHITE, GREEN)),
    "mirrored": (["-display_hflip"], (GREEN, RED, WHITE, BLUE)),
    "upside down": (["-display_vflip"], (BLUE, WHITE, RED, GREEN)),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_turned_clip_stands_as_a_player_shows_it(name: str, prepare: shots.Prepare, tmp_path: Path) -> None:
    options, corners = TURNS[name]
    whole, source = _stored(Format(pixels=_as("yuv420p"), codec=X264), tmp_path), tmp_path / "turned.mp4"
    run(*options, "-i", str(whole), "-c", "copy", str(source))
    target = shots.target(180, 320) if "quarter" in name else shots.target(320, 180)
    piece = prepare(source, target=target)
    assert any("turned" in change or "mirrored" in change for change in piece.changed)
    for found, wanted in zip(_quarters(piece.path), corners, strict=True):
        assert np.abs(found - wanted).max() <= 8


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_an_interlaced_clip_loses_its_combs(first: str, prepare: shots.Prepare, tmp_path: Path) -> None:
    """A bar that moves between the two halves of each picture has straight edges afterwards."""
    bar = "geq=lum='if(between(X,20+N*5,80+N*5),220,30)':cb=128:cr=128"
    weave = f"{bar},tinterlace=interleave_{first},fieldorder={first[0]}ff,{_as('yuv420p')}"
    video = [*X264, "-flags", "+ildct+ilme"]
    moving = ["-f", "lavfi", "-i", "color=c=black:s=320x180:r=60:d=0.4"]
    source = shots.clip(tmp_path / "fields.mp4", *moving, *tone(0.4), vf=weave, video=video)
    piece = prepare(source, target=shots.target(320, 180))
    assert "the picture is interlaced" in piece.changed
    assert piece.footage.frames == 12
    before, after = _combs(shots.frame(source, 0.2)), _combs(shots.frame(piece.path, 0.2))
    assert before > 5
    assert after < before / 4


def _combs(image: np.ndarray) -> float:
    """How much each line differs from the mean of its neighbours."""
    luma = image.mean(axis=2)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())
