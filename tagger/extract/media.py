"""Audio and video: what ffprobe says of them. Nothing is decoded; sound and pictures are not understood here."""

import json
import shutil
import subprocess

from tagger.extract.passages import tidy
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
    return Extract(
        kind,
        sniffed.media_type,
        title=properties.pop("title", ""),
        text="\n".join(filter(None, words)),
        properties=properties,
        looked_at=("metadata",),
        not_looked_at=("sound", "pictures") if kind is Kind.VIDEO else ("sound",),
        error="" if source.whole else "only the beginning and the end were read",
    )


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
