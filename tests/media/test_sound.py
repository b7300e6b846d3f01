"""Sound of our own: chords under cards, music under films, loudness measured and levelled."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.domain.errors import InvalidOrder, UnplayableMedia
from pipelines.domain.footage import FilmPlan, Mood
from pipelines.media.audio import mood as mood_music
from pipelines.media.audio.chime import compose
from pipelines.media.audio.loudness import Loudness, gain_db, measure_loudness
from pipelines.media.audio.music import mix_music
from pipelines.media.clips.probe import probe
from pipelines.media.editor import MediaEditor
from pipelines.media.join.assemble import assemble
from tests.media import shots
from tests.media.shots import clip, good, level_db, picture, remuxed, run, sound


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.mp3"
    run("-f", "lavfi", "-i", "anoisesrc=d=3:c=pink:a=0.4:seed=4", "-c:a", "libmp3lame", str(path))
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds with a loud tone from 3 to 6 s and silence elsewhere."""
    voice = "aevalsrc='if(between(t,3,6),0.4*sin(2*PI*440*t),0)':s=48000:d=10"
    return clip(tmp_path_factory.mktemp("film") / "film.mp4", *picture(seconds=10), "-f", "lavfi", "-i", voice)


def without_tone(samples: np.ndarray) -> float:
    """Level of everything above 1 kHz: the music without the 440 Hz tone."""
    spectrum = np.fft.rfft(samples[:, 0])
    spectrum[np.fft.rfftfreq(len(samples), 1 / 48_000) < 1000] = 0
    return level_db(np.fft.irfft(spectrum))


def part(samples: np.ndarray, start: float, stop: float) -> np.ndarray:
    return samples[round(start * 48_000) : round(stop * 48_000)]


def test_music_is_looped_ducked_under_sound_and_faded_at_the_end(film: Path, song: Path, tmp_path: Path) -> None:
    mixed = sound(mix_music(film, song, tmp_path / "mixed.mp4"))
    before, under, after = (without_tone(part(mixed, *span)) for span in ((1, 2.5), (3.7, 5.8), (7, 7.4)))
    assert before > -45
    assert before - under > 6
    assert abs(after - before) < 4
    fading = [without_tone(part(mixed, at, at + 0.3)) for at in (7.5, 8.6, 9.6)]
    assert fading == sorted(fading, reverse=True)
    assert fading[0] - fading[-1] > 10


def test_the_sound_of_a_film_is_a_file_of_its_length_with_the_same_packets(film: Path, tmp_path: Path) -> None:
    ready = remuxed(film, tmp_path / "ready.mp4", "-movflags", "+faststart")
    dest = MediaEditor().soundtrack(ready, tmp_path / "sound.m4a", "de")
    with av.open(str(dest)) as opened, av.open(str(ready)) as whole:
        assert [(one.type, one.language) for one in opened.streams] == [("audio", "deu")]
        assert opened.streams.audio[0].start_time == whole.streams.audio[0].start_time
        assert [bytes(packet) for packet in opened.demux(audio=0)] == [bytes(packet) for packet in whole.demux(audio=0)]
    assert np.array_equal(sound(dest), sound(ready))
    with pytest.raises(UnplayableMedia):
        MediaEditor().soundtrack(remuxed(film, tmp_path / "mute.mp4", "-an"), tmp_path / "none.m4a", "de")


def test_music_changes_neither_picture_nor_length_nor_the_place_of_the_sound(
    film: Path, song: Path, tmp_path: Path
) -> None:
    mixed = mix_music(film, song, tmp_path / "mixed.mp4")
    assert shots.frame_hashes(mixed) == shots.frame_hashes(film)
    before, after = sound(film)[:, 0], sound(mixed)[:, 0]
    assert abs(len(after) - len(before)) <= 1024
    middle = part(before, 2.9, 4)
    start = round(2.9 * 48_000)
    fits = {lag: float(np.dot(middle, after[start + lag : start + lag + len(middle)])) for lag in range(-50, 51)}
    assert max(fits, key=fits.__getitem__) == 0
    assert np.abs(after).max() < 0.95


def test_a_silent_film_gets_its_music_at_full_level(song: Path, tmp_path: Path) -> None:
    silent = remuxed(good(tmp_path / "w.mp4", seconds=5), tmp_path / "silent.mp4", "-an")
    mixed = mix_music(silent, song, tmp_path / "mixed.mp4")
    assert probe(mixed).audio_codec == "aac"
    measured = measure_loudness(mixed)
    assert measured is not None
    assert -22 < measured.lufs < -14


@pytest.mark.parametrize(
    "content", [b"", b"#EXTM3U\n/etc/hostname\n", b"ffconcat version 1.0\nfile a.mp3\n", b"\0" * 9000]
)
def test_music_that_cannot_be_played_is_the_orders_fault(film: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "song.mp3").write_bytes(content)
    with pytest.raises(InvalidOrder, match="Music"):
        mix_music(film, tmp_path / "song.mp3", tmp_path / "mixed.mp4")
    assert not (tmp_path / "mixed.mp4").exists()


@pytest.mark.parametrize(
    "options", [["-c:a", "pcm_s16le", "x.wav"], ["-c:a", "aac", "x.m4a"], ["-c:a", "flac", "x.flac"]]
)
def test_the_usual_kinds_of_music_files_are_played(song: Path, tmp_path: Path, options: list[str]) -> None:
    *codec, name = options
    run("-i", str(song), *codec, str(tmp_path / name))
    mixed = mix_music(good(tmp_path / "f.mp4", seconds=1), tmp_path / name, tmp_path / "m.mp4")
    assert probe(mixed).frames == 30


@pytest.mark.parametrize("kind", ["mp3", "m4a", "ogg", "wav", "flac"])
def test_music_shorter_than_a_film_without_sound_is_repeated_under_it(song: Path, tmp_path: Path, kind: str) -> None:
    music = tmp_path / f"song.{kind}"
    run("-i", str(song), "-t", "1.7", str(music))
    silent = [clip(tmp_path / f"{name}.mp4", *picture(seconds=2), audio=["-an"]) for name in ("one", "two")]
    film = assemble(FilmPlan(target=shots.target(), pieces=tuple(silent), music=music), tmp_path / "film.mp4")
    heard = sound(film.path)
    assert len(heard) == pytest.approx(4 * 48_000, abs=1024)
    assert min(level_db(part(heard, at, at + 0.4)) for at in (0.5, 1.5, 2.5)) > -40


@pytest.mark.parametrize("mood", list(Mood))
def test_music_that_is_made_here_is_the_same_each_time_and_its_end_leads_into_its_beginning(mood: Mood) -> None:
    made = mood_music.compose(mood)
    assert np.array_equal(made, mood_music.compose(mood))
    assert 25 < len(made) / 48_000 < 65
    assert 0.4 < np.abs(made).max() <= 0.5
    # No part of it is silent, and the step from its last sample to its first is as small as any other.
    assert min(level_db(part(made, at, at + 1.0)) for at in range(int(len(made) / 48_000))) > -35
    steps = np.abs(np.diff(made, axis=0))
    assert np.abs(made[0] - made[-1]).max() <= np.quantile(steps, 0.99)


def test_moods_sound_different() -> None:
    starts = [mood_music.compose(mood)[:48_000] for mood in Mood]
    assert not any(np.allclose(one, other, atol=0.05) for i, one in enumerate(starts) for other in starts[:i])


def test_made_music_under_a_film_leaves_its_picture_and_length(film: Path, tmp_path: Path) -> None:
    mood_music.write_music(Mood.CALM, tmp_path / "calm.wav")
    mixed = mix_music(film, tmp_path / "calm.wav", tmp_path / "mixed.mp4")
    assert shots.frame_hashes(mixed) == shots.frame_hashes(film)
    assert abs(len(sound(mixed)) - len(sound(film))) <= 1024
    assert level_db(part(sound(mixed), 7, 7.4)) > -40


def test_loudness_agrees_with_the_standards_reference_tone(tmp_path: Path) -> None:
    """EBU Tech 3341 case 1: a 1 kHz stereo sine at -23 dBFS measures -23 LUFS."""
    sine = f"aevalsrc='{10 ** (-23 / 20)}*sin(2*PI*1000*t)|{10 ** (-23 / 20)}*sin(2*PI*1000*t)':s=48000:d=10"
    run("-f", "lavfi", "-i", sine, str(tmp_path / "tone.wav"))
    measured = measure_loudness(tmp_path / "tone.wav")
    assert measured is not None
    assert measured.lufs == pytest.approx(-23, abs=0.2)
    assert measured.peak_db == pytest.approx(-23, abs=0.3)


@pytest.mark.parametrize(
    ("measured", "gain"),
    [
        (Loudness(-23, -12), 7.0),
        (Loudness(-23, -4), 2.5),
        (Loudness(-10, -0.2), -6.0),
        (Loudness(-16.3, -9), 0.0),
        (Loudness(-70, -70), 0.0),
        (Loudness(-50, -45), 20.0),
    ],
    ids=["quiet", "held back by peaks", "loud", "close enough", "silent", "never more than 20 dB"],
)
def test_gains_reach_the_target_only_as_far_as_peaks_allow(measured: Loudness, gain: float) -> None:
    assert gain_db(measured, -16) == gain


def test_the_chord_is_quiet_fades_at_both_ends_and_differs_by_seed_and_scene() -> None:
    first, same, other, later = (
        compose(96_000, 1, 1),
        compose(96_000, 1, 1),
        compose(96_000, 2, 1),
        compose(96_000, 1, 2),
    )
    assert first.shape == (96_000, 2)
    assert np.array_equal(first, same)
    assert not np.allclose(first, other)
    assert not np.allclose(first, later)
    assert 0.02 < np.abs(first).max() < 0.2
    assert np.abs(first[[0, -1]]).max() < 1e-3
    assert level_db(first[24_000:72_000]) > -45


@pytest.mark.parametrize("samples", [1, 2, 1600])
def test_the_shortest_chord_is_still_sound(samples: int) -> None:
    assert np.isfinite(compose(samples, 3)).all()
