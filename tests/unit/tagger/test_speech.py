"""Transcripts, by a real server that speaks the protocol and by a real program."""

import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tagger.extract import kinds
from tagger.extract.result import Limits, Source
from tagger.speech import Program
from tagger.suggest.failure import ModelUnavailable
from tagger.transcription import Transcription
from tests.unit.tagger.scripted import ScriptedEndpoint, tags

LISTENING = Limits(sound_seconds=2, ocr="")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a picture and a tone."""
    program = shutil.which("ffmpeg")
    assert program is not None
    path = tmp_path_factory.mktemp("sound") / "film.mp4"
    command = [program, "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=3", "-f", "lavfi"]
    command += ["-i", "testsrc=size=64x48:rate=5:duration=3", "-shortest", str(path)]
    subprocess.run(command, check=True)
    return path


def sound_of(path: Path) -> bytes:
    return kinds.extract(Source(str(path), path.name.encode(), path.stat().st_size), LISTENING).sound


def test_the_sound_of_a_film_is_cut_out(film: Path, tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(sound_of(film))
    with wave.open(str(tmp_path / "sound.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
        assert 1.5 < sound.getnframes() / 16_000 <= 2.0
    assert kinds.extract(Source(str(film), b"f", film.stat().st_size), Limits(ocr="")).sound == b""


def test_an_endpoint_transcribes(film: Path) -> None:
    wav = sound_of(film)
    with ScriptedEndpoint(tags()) as server:
        server.transcript = " words  that were said "
        listener = Transcription(server.url, "whisper", "key", 10.0)
        assert listener.local
        assert listener.hear(wav).text == "words that were said"
        assert server.sounds == [wav]
    with pytest.raises(ModelUnavailable):
        listener.hear(wav)


def test_a_program_transcribes(film: Path) -> None:
    code = "import sys; print('heard', open(sys.argv[1], 'rb').read(4).decode())"
    wav = sound_of(film)
    for command in (f'{sys.executable} -c "{code}"', f'{sys.executable} -c "{code}" {{file}} more'):
        assert Program(command, 30.0).hear(wav).text == "heard RIFF"
    assert Program("false", 30.0).hear(wav).problem == "false ended with 1"
    with pytest.raises(ModelUnavailable):
        Program("no-such-program-here", 30.0).hear(wav)
