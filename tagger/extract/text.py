"""Plain text in any encoding: which one it is, and the parts of the text that are worth reading.

Not for Markdown's or a program's structure: their own files start from here.
"""

import codecs
from typing import NamedTuple

import charset_normalizer

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

HEAD = 256 << 10
WINDOW = 32 << 10
DETECT = 16 << 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = (
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "euc_kr",
    "cp1251",
    "koi8_r",
    "cp1252",
    "latin_1",
    "utf_16_le",
    "utf_16_be",
)
_SHORT = 200
"""Bytes above ASCII below which a text is too short for statistics."""


class Decoded(NamedTuple):
    """A text file's head, sampled middle and tail as text."""

    text: str
    encoding: str
    complete: bool


def encoding_of(data: bytes) -> str:
    """The encoding of a piece of text: by its mark, then UTF-8, then by what makes sense of it (Chinese, Japanese,
    Korean, Cyrillic, Latin)."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    sample = data[:DETECT]
    if wide := unmarked_wide(sample):
        return wide
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample, final=False)
    except UnicodeDecodeError:
        high = sum(byte > 127 for byte in sample)
        if high < _SHORT and (name := _of_short(sample)):
            return name
        best = charset_normalizer.from_bytes(sample, cp_isolation=list(_LIKELY), steps=4, chunk_size=512).best()
        return best.encoding if best is not None else "cp1252"
    return "utf-8"


def unmarked_wide(sample: bytes) -> str:
    """UTF-16 that does not say so, by its zeros: every other byte of Latin text is one. '' when it is none."""
    pairs = len(sample) // 2
    if pairs < 4 or b"\0" not in sample:
        return ""
    for name, zeros, letters in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        plain = sum(byte in b"\t\n\r" or 32 <= byte < 127 or byte >= 160 for byte in letters)
        if zeros.count(0) > 0.8 * pairs and letters.count(0) == 0 and plain > 0.95 * pairs:
            return name
    return ""


def _of_short(sample: bytes) -> str:
    """Short texts give a detector too little. Takes the multi-byte encoding in which all is common letters; '' if none.

    Japanese has kana, Korean is nearly all hangul, and Chinese uses the first, more common plane of its tables.
    """
    scores: dict[str, float] = {}
    for name in ("gb18030", "big5", "cp932", "euc_jp", "euc_kr"):
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample, final=False)
        except UnicodeDecodeError:
            continue
        wide = [c for c in text if ord(c) > 127]
        if not wide or not all(c.isalpha() or "\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef" for c in wide):
            continue
        if name in {"gb18030", "big5"}:
            first, last = (0xB0, 0xD7) if name == "gb18030" else (0xA4, 0xC6)
            leads = [c.encode(name)[0] for c in wide if "\u4e00" <= c <= "\u9fff"]
            scores[name] = sum(first <= lead <= last for lead in leads) / len(wide)
        elif name == "euc_kr":
            hangul = sum("\uac00" <= c <= "\ud7af" for c in wide) / len(wide)
            scores[name] = hangul if hangul > 0.9 else 0.0
        else:
            kana = sum("\u3040" <= c <= "\u30ff" for c in wide) / len(wide)
            scores[name] = 1.0 if kana > 0.25 else 0.0
    best = max(scores, key=lambda name: scores[name], default="")
    return best if best and scores[best] > 0.5 else ""


def read_windows(source: Source) -> tuple[list[bytes], bool]:
    """The head, three windows of the middle and the tail, as far as they were fetched; and whether that is all of
    it."""
    with open(source.path, "rb") as file:
        head = file.read(HEAD if source.whole else min(HEAD, source.ranges[0][1]))
        if len(head) >= source.size:
            return [head], True
        starts: list[int] = []
        if source.whole:
            starts = [max(HEAD, source.size * quarter // 4) for quarter in (1, 2, 3)]
        else:
            starts = [offset for offset, _ in source.ranges[1:-1]]
        starts.append(max(len(head), source.size - WINDOW))
        windows = [head]
        for start in sorted(set(starts)):
            file.seek(start & ~3)  # a multiple of four: UTF-16 and UTF-32 stay in step
            windows.append(file.read(WINDOW))
    return windows, False


def decode(source: Source) -> Decoded:
    """A text file as text. Bytes that do not fit their encoding become U+FFFD: one bad byte costs one character."""
    windows, complete = read_windows(source)
    encoding = encoding_of(windows[0])
    later = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    texts = [windows[0].decode(encoding, "replace")]
    for window in windows[1:]:
        _, _, rest = window.decode(later, "replace").partition("\n")
        texts.append(rest)
    return Decoded("\n…\n".join(texts), encoding, complete)


def first_line(text: str) -> str:
    """The first line that says something, shortened; '' when there is none."""
    for line in text[:2000].splitlines():
        if sum(c.isalpha() for c in line) >= 3:
            return line.strip().lstrip("#*=-/ ").strip()[:200]
    return ""


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Plain text."""
    decoded = decode(source)
    text = tidy(decoded.text)
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=first_line(text),
        text=by_structure(text, limits.text_chars),
        properties={"encoding": decoded.encoding},
        language=language_of(text),
        looked_at=("text",) if decoded.complete else ("head", "samples of the middle", "tail"),
        not_looked_at=() if decoded.complete else ("most of the middle",),
    )
