"""Audio and video: what ffprobe says of them, and of a video a few frames where the scene changes, with the words in
them. Sound is not understood here, only cut out for who does."""

import io
import json
import shutil
import subprocess
import time
import wave

from PIL import Image

from tagger.extract import outside
from tagger.extract.image import SHOWN, Seen, look_at
from tagger.extract.passages import by_structure, tidy
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source

_WANTED = {
    "title": "title",
    "artist": "artist",
    "album_artist": "artist",
    "album": "album",
    "genre": "genre",
    "date": "date",
    "year": "date",
    "tyer": "date",
    "creation_time": "date",
    "composer": "composer",
    "comment": "comment",
    "description": "description",
    "language": "language",
}
_MINUTES = 10
_RATE = 16_000
_FRAME_BYTES = 16 << 20
_START = b"\xff\xd8\xff"


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Duration, codecs, size and the tags inside. Whether it is a video is decided by its streams, not by its name."""
    program = shutil.which("ffprobe")
    if program is None:
        return Extract(sniffed.kind, sniffed.media_type, not_looked_at=("metadata",), error="ffprobe is not installed")
    command = [
        program,
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-of",
        "json",
        "-show_entries",
        "format=format_name,duration,bit_rate:format_tags:stream=codec_type,codec_name,width,height:stream_tags:stream_disposition=attached_pic",
        "-i",
        f"file:{source.path}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limits.wall_seconds * 0.8, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return Extract(sniffed.kind, sniffed.media_type, not_looked_at=("metadata",), error="ffprobe took too long")
    try:
        found = json.loads(done.stdout[: limits.answer_bytes] or b"{}")
    except ValueError:
        found = {}
    streams = [stream for stream in found.get("streams", []) if not stream.get("disposition", {}).get("attached_pic")]
    if not streams:
        return Extract(
            sniffed.kind, sniffed.media_type, looked_at=("header",), error="damaged media: no stream can be read"
        )
    properties = _properties(found.get("format", {}), streams)
    kinds = {stream.get("codec_type") for stream in streams}
    kind = Kind.VIDEO if "video" in kinds else Kind.AUDIO if "audio" in kinds else sniffed.kind
    words = [properties.get(key, "") for key in ("title", "artist", "album", "genre", "description", "comment")]
    seen = frames(source, limits) if kind is Kind.VIDEO else []
    words += dict.fromkeys(one.text for one in seen)
    return Extract(
        kind,
        sniffed.media_type,
        title=properties.pop("title", ""),
        text=by_structure("\n".join(filter(None, words)), limits.text_chars),
        properties=properties,
        pictures=tuple(picture for one in seen for picture in one.pictures)[: limits.pictures],
        sound=sound(source, limits) if "audio" in kinds else b"",
        looked_at=("metadata", f"{len(seen)} frames") if seen else ("metadata",),
        not_looked_at=("sound", "pictures") if kind is Kind.VIDEO and not seen else ("sound",),
        error="" if source.whole else "only the beginning and the end were read",
    )


def sound(source: Source, limits: Limits) -> bytes:
    """The beginning of the sound track as WAV; nothing where it cannot be had."""
    if not limits.sound_seconds:
        return b""
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-protocol_whitelist", "file,pipe"]
    command += ["-t", str(limits.sound_seconds), "-i", f"file:{source.path}", "-vn", "-sn", "-map", "0:a:0"]
    most = 2 * _RATE * limits.sound_seconds
    try:
        heard = outside.run(
            [*command, "-ac", "1", "-ar", str(_RATE), "-f", "s16le", "-"], most=most, seconds=limits.wall_seconds * 0.4
        )
    except outside.Missing:
        return b""
    if not heard.data:
        return b""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(heard.data[: len(heard.data) // 2 * 2])
    return held.getvalue()


def frames(source: Source, limits: Limits) -> list[Seen]:
    """What is seen in the first frame and those after a change of scene, among the key frames of the first minutes."""
    if not (limits.ocr or limits.pictures):
        return []
    deadline = time.monotonic() + limits.wall_seconds * 0.5
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-protocol_whitelist", "file,pipe"]
    command += ["-skip_frame", "nokey", "-t", str(_MINUTES * 60), "-i", f"file:{source.path}", "-an", "-sn"]
    command += ["-vf", f"select='eq(n,0)+gt(scene,0.2)',scale=w='min({SHOWN},iw)':h=-2", "-fps_mode", "vfr"]
    command += ["-frames:v", str(max(limits.ocr_pages, limits.pictures)), "-q:v", "3", "-c:v", "mjpeg"]
    try:
        drawn = outside.run([*command, "-f", "image2pipe", "-"], most=_FRAME_BYTES, seconds=limits.wall_seconds * 0.3)
    except outside.Missing:
        return []
    found: list[Seen] = []
    for frame in drawn.data.split(_START)[1:]:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with Image.open(io.BytesIO(_START + frame)) as image:
                found.append(look_at(image, limits, left))
        except (OSError, ValueError, SyntaxError):
            continue
    return found


def _properties(container: dict[str, object], streams: list[dict[str, object]]) -> dict[str, str]:
    found: dict[str, str] = {}
    tag_sets = [container.get("tags"), *(stream.get("tags") for stream in streams)]
    for tags in tag_sets:
        if isinstance(tags, dict):
            for key, value in tags.items():
                name = _WANTED.get(str(key).lower())
                if name and str(value).strip() and not (name == "language" and value == "und"):
                    found.setdefault(name, tidy(str(value))[:300])
    if duration := container.get("duration"):
        found["seconds"] = str(duration).split(".", 1)[0]
    for stream in streams:
        kind = str(stream.get("codec_type"))
        found.setdefault(f"{kind} codec", str(stream.get("codec_name", "")))
        if stream.get("width"):
            found.setdefault("width", str(stream["width"]))
            found.setdefault("height", str(stream.get("height", "")))
    return found
