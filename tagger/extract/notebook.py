"""Notebooks (Jupyter): the prose of their cells and what their code defines. Outputs are left out, nothing is run."""

import json

from tagger.extract import code
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode, first_line

_CELLS = 400


def cells_of(text: str) -> tuple[list[str], list[str], str]:
    """The prose cells, the code cells and the language's name. ValueError where it is no notebook."""
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("no cells")
    prose: list[str] = []
    programs: list[str] = []
    for cell in document["cells"][:_CELLS]:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", "")
        said = "".join(map(str, source)) if isinstance(source, list) else str(source)
        (programs if cell.get("cell_type") == "code" else prose).append(said)
    metadata = document.get("metadata")
    named = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = named.get("name", "") if isinstance(named, dict) else ""
    return prose, programs, str(name)


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Headings and prose first, then comments and names of the code."""
    decoded = decode(source)
    try:
        prose, programs, language = cells_of(decoded.text)
    except (ValueError, RecursionError) as problem:
        text = tidy(decoded.text)
        return Extract(
            sniffed.kind,
            sniffed.media_type,
            text=by_structure(text, limits.text_chars),
            language=language_of(text),
            looked_at=("text",),
            not_looked_at=("cells",),
            error=f"damaged notebook: {type(problem).__name__}",
        )
    written = tidy("\n\n".join(prose))
    known = code.words_of("x.py" if language in {"", "python"} else f"x.{language}", "\n".join(programs))
    text = by_structure(written, limits.text_chars * 3 // 4)
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=first_line(written),
        text=f"{text}\n{tidy(known)[: limits.text_chars // 4]}".strip(),
        properties={"programming language": language.title()} if language else {},
        language=language_of(written),
        looked_at=("prose", "comments and names of the code"),
        not_looked_at=("outputs",),
    )
