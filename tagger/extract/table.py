"""Tables as text (CSV, TSV): column names and a few rows. Numbers are counted, not read."""

import csv
import io

from tagger.extract.passages import language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode

_ROWS = 200


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The header and the words in the first rows."""
    decoded = decode(source)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(decoded.text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if source.suffix == "tsv" else csv.excel
    rows: list[list[str]] = []
    error = ""
    try:
        for row in csv.reader(io.StringIO(decoded.text[: 1 << 20], newline=""), dialect):
            rows.append([cell[:200] for cell in row[:200]])
            if len(rows) > _ROWS:
                break
    except csv.Error as problem:
        error = f"the table is broken after row {len(rows)}: {problem}"
    header = rows[0] if rows else []
    words = dict.fromkeys(cell for row in rows[1:] for cell in row if any(c.isalpha() for c in cell))
    text = tidy(", ".join(header) + "\n" + "\n".join(words))[: limits.text_chars]
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        text=text,
        properties={"encoding": decoded.encoding, "columns": str(len(header))},
        language=language_of(text),
        looked_at=("column names", f"{max(0, len(rows) - 1)} rows"),
        not_looked_at=() if decoded.complete and len(rows) <= _ROWS else ("later rows",),
        error=error,
    )
