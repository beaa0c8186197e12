"""What the offline suggester's tags are worth: texts that people have labelled, before and after some were taught.

The texts are descriptions of Debian's packages, the truth is what their maintainers and debtags said of them. They are
fetched by apt into a folder of their own (`--cache`) and never committed. Sets marked `held out` had no part in the
choice of the method or of its weights. Every text is new to the suggester when it is asked: first those that are taught
are seen and given their tags, then the others come, one by one.
"""

import argparse
import math
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.mounts import PROJECT
from graphfs.model import Edge, Source, Tag
from tagger.extract.result import Extract, Kind
from tagger.suggest.encoder import Encoder
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.subject import Subject, Wishes

SHARES = (0.0, 0.05, 0.1, 0.25)
"""Of the texts: how many are taught."""
MOST = 300
A_LABEL = 40
SHORTEST = 40
SURE = 0.3
"""Calibration is measured over suggestions at least this sure."""
LEFT = 0.75
"""This part of the texts is measured, the same at every share."""

Package = dict[str, str]


@dataclass(frozen=True)
class Item:
    """A text and its true labels."""

    text: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Score:
    """How one pass did. `micro`: of as many tags as the truth has, the part that is right (micro-F1 at that number)."""

    hit1: float
    hit3: float
    micro: float
    ece: float
    applied: float
    """Of the tags that would have been applied, the part that is right; nan when there were none."""
    milliseconds: float


def _debtags(facet: str) -> Callable[[Package], set[str]]:
    return lambda package: set(re.findall(rf"\b{facet}::([\w-]+)", package.get("Tag", "")))


def _section(package: Package) -> set[str]:
    return {package.get("Section", "")}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SETS: dict[str, tuple[str, Callable[[Package], set[str]], frozenset[str]]] = {
    "fields of science": (
        "en",
        _debtags("field"),
        _words(
            "astronomy aviation biology chemistry electronics finance geography geology genealogy linguistics"
            " mathematics medicine meteorology physics religion statistics arts"
        ),
    ),
    "games by kind, held out": (
        "en",
        _debtags("game"),
        _words("adventure arcade board card fps mud platform puzzle rpg simulation sport strategy tetris typing"),
    ),
    "networks by service, held out": (
        "en",
        _debtags("network"),
        _words("client configuration firewall hiavailability load-balancing routing scanner server service vpn"),
    ),
    "sections in French, held out": (
        "fr",
        _section,
        _words(
            "admin database editors education electronics fonts games graphics hamradio mail math science"
            " sound text vcs video web"
        ),
    ),
    "sections in Chinese": (
        "zh_CN",
        _section,
        _words("admin database editors education fonts games graphics mail math science sound text video web"),
    ),
}
"""By name: language, labels of a package, which of them count."""


# -- data


def fetch(cache: Path) -> None:
    """Debian's index of packages with the descriptions' translations, by apt, into `cache` alone."""
    lists = cache / "lists"
    if any(lists.glob("*_main_i18n_Translation-*")):
        return
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    languages = ",".join(sorted({one[0] for one in SETS.values()}))
    options = {
        "Dir::State::lists": lists,
        "Dir::Cache": cache / "cache",
        "Acquire::Languages": languages,
        "APT::Sandbox::User": "root",
    }
    command = [
        "apt-get",
        "update",
        "-q",
        *(part for key, value in options.items() for part in ("-o", f"{key}={value}")),
    ]
    subprocess.run(command, check=True)


def _stanzas(file: Path) -> Iterator[Package]:
    shown = subprocess.run(
        ["/usr/lib/apt/apt-helper", "cat-file", str(file)], capture_output=True, check=True, text=True
    )
    for stanza in shown.stdout.split("\n\n"):
        fields: Package = {}
        key = ""
        for line in stanza.split("\n"):
            if line[:1] in (" ", "\t") and key:
                fields[key] += "\n" + line[1:]
            elif ":" in line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if fields:
            yield fields


def _largest(cache: Path, pattern: str) -> Path:
    found = sorted((cache / "lists").glob(pattern), key=lambda path: path.stat().st_size)
    if not found:
        raise SystemExit(f"{cache} has no {pattern}: remove the folder, and it is fetched again")
    return found[-1]


def _texts(cache: Path, language: str) -> dict[str, str]:
    found = {}
    for fields in _stanzas(_largest(cache, f"*_main_i18n_Translation-{language.replace('_', '%5f')}*")):
        said = next(
            (
                value
                for key, value in fields.items()
                if re.fullmatch(r"Description-\w+", key) and key != "Description-md5"
            ),
            "",
        )
        found[fields.get("Package", "")] = " ".join(re.sub(r"\n \.?|\n\.?", " ", said).split())
    return found


def load(cache: Path, name: str, packages: dict[str, Package]) -> list[Item]:
    """At most `MOST` texts, of one package a source, no label with more than `A_LABEL`; always the same ones."""
    language, labels_of, allowed = SETS[name]
    texts = _texts(cache, language)
    names = sorted(texts.keys() & packages.keys())
    random.Random(11).shuffle(names)
    found: list[Item] = []
    sources: set[str] = set()
    counted: Counter[str] = Counter()
    for one in names:
        labels = frozenset(labels_of(packages[one])) & allowed
        source = packages[one].get("Source", one).split(" ")[0]
        if not labels or source in sources or len(texts[one]) < SHORTEST or any(counted[x] >= A_LABEL for x in labels):
            continue
        sources.add(source)
        counted.update(labels)
        found.append(Item(texts[one], labels))
        if len(found) == MOST:
            break
    return found


# -- measuring


def score(asked: Sequence[tuple[Item, list[tuple[str, float]]]], seconds: float) -> Score:
    """Of each text: its item, and tags with confidence, the surest first."""
    hit1 = statistics.fmean(bool(said and said[0][0] in item.labels) for item, said in asked)
    hit3 = statistics.fmean(any(tag in item.labels for tag, _ in said[:3]) for item, said in asked)
    right = sum(tag in item.labels for item, said in asked for tag, _ in said[: len(item.labels)])
    judged = [(sure, tag in item.labels) for item, said in asked for tag, sure in said]
    over = [one for one in judged if one[0] >= SURE]
    bins = [[(sure, good) for sure, good in over if low <= sure * 10 < low + 1] for low in range(11)]
    off = sum(abs(sum(sure - good for sure, good in one)) for one in bins) / max(1, len(over))
    applied = [good for sure, good in judged if sure >= Wishes().apply_at]
    return Score(
        hit1,
        hit3,
        right / sum(len(item.labels) for item, _ in asked),
        off,
        statistics.fmean(applied) if applied else math.nan,
        seconds / len(asked) * 1000,
    )


def offline(encoder: Encoder, items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Score:
    """The product's suggester, new, after the texts of these indices were taught."""
    labels = sorted({label for item in items for label in item.labels})
    tags = tuple(Tag(number, 0, label, 1, 0) for number, label in enumerate(labels, 1))
    wishes = Wishes(mode="strict", review_at=0.0, max_tags=len(labels))
    known = {number + 1 for number in taught}
    suggester = Offline(
        encoder,
        Neighbours(),
        lambda file: [Edge(label) for label in sorted(items[file - 1].labels)] if file in known else [],
        2026,
    )

    def ask(number: int) -> list[tuple[str, float]]:
        extract = Extract(Kind.TEXT, "text/plain", text=items[number].text)
        said = suggester.suggest(Subject(number + 1, f"files/{number:04}.txt", str(number), extract), wishes, tags)
        topical = [(one.tag, one.confidence) for one in said if one.source is Source.MODEL]
        return sorted(topical, key=lambda one: -one[1])

    for number in taught:
        ask(number)
    begin = time.process_time()
    asked = [(items[number], ask(number)) for number in measured]
    return score(asked, time.process_time() - begin)


def nearest(encoder: Encoder, items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Score:
    """To compare: the labels nearest to the text by embedding when nothing was taught, else the votes of the eight
    nearest taught texts."""
    labels = sorted({label for item in items for label in item.labels})
    begin = time.process_time()
    vectors = encoder.embed([item.text for item in items])
    if taught:
        truth = np.array([[label in items[number].labels for label in labels] for number in taught], dtype=np.float32)
        likeness = vectors[list(measured)] @ vectors[list(taught)].T
        sure = np.zeros((len(measured), len(labels)), dtype=np.float32)
        for row, line in enumerate(likeness):
            best = np.argsort(-line)[:8]
            sure[row] = np.maximum(line[best], 0) @ truth[best] / 8
    else:
        sure = vectors[list(measured)] @ encoder.embed(labels).T
    asked = []
    for row, number in enumerate(measured):
        order = np.argsort(-sure[row])
        asked.append((items[number], [(labels[one], float(sure[row][one])) for one in order]))
    return score(asked, time.process_time() - begin)


def measure(encoder: Encoder, items: Sequence[Item], draws: int) -> list[tuple[float, str, list[Score]]]:
    """(share, method, one score a draw), the same texts measured at every share of a draw."""
    found: list[tuple[float, str, list[Score]]] = []
    for share in SHARES:
        for method, run in (("nearest", nearest), ("offline", offline)):
            scores = []
            for draw in range(draws):
                order = list(range(len(items)))
                random.Random(draw).shuffle(order)
                measured, rest = order[: int(LEFT * len(order))], order[int(LEFT * len(order)) :]
                scores.append(run(encoder, items, rest[: round(share * len(items))], measured))
            found.append((share, method, scores))
    return found


def table(name: str, items: Sequence[Item], rows: Sequence[tuple[float, str, list[Score]]]) -> str:
    """Means over the draws; `±` half the span between the best and the worst."""
    labels = {label for item in items for label in item.labels}
    each = sum(len(item.labels) for item in items) / len(items)
    lines = [
        f"**{name}**: {len(items)} texts, {len(labels)} labels, {each:.1f} a text",
        "",
        "| taught | method | hit at 1 | hit at 3 | micro-F1 | calibration error | applied and right | ms a text |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for share, method, scores in rows:
        cells = [f"{share:.0%}", method]
        for field in ("hit1", "hit3", "micro", "ece", "applied"):
            if method == "nearest" and field in ("ece", "applied"):
                cells.append("")
                continue
            values = [value for one in scores if not math.isnan(value := getattr(one, field))]
            if not values:
                cells.append("none")
                continue
            cells.append(f"{statistics.fmean(values):.2f} ±{(max(values) - min(values)) / 2:.2f}")
        cells.append(f"{statistics.fmean([one.milliseconds for one in scores]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench tagging", description=__doc__)
    parser.add_argument("--cache", type=Path, default=PROJECT / "build" / "tagging", help="where the texts are kept")
    parser.add_argument("--set", action="append", choices=sorted(SETS), help="only this one; may be repeated")
    parser.add_argument("--draws", type=int, default=3, help="how often other texts are taught")
    given = parser.parse_args(arguments)
    fetch(given.cache)
    packages = {
        one["Package"]: one for one in _stanzas(_largest(given.cache, "*_main_binary-*_Packages*")) if "Package" in one
    }
    encoder = Encoder()
    for name in given.set or SETS:
        items = load(given.cache, name, packages)
        sys.stdout.write(table(name, items, measure(encoder, items, given.draws)) + "\n")
        sys.stdout.flush()
    return 0
