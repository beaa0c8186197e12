"""What suggested tags are worth: texts that people have labelled (`bench.texts`), before and after some were taught.

Every text is new to the suggester when it is asked: first those that are taught are seen and given their tags, then
the others come, one by one. Sets marked `held out` had no part in the choice of the method or of its weights.
"""

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import texts
from bench.mounts import PROJECT
from bench.texts import SETS, Item
from graphfs.config import Llm
from graphfs.model import Edge, Source, Tag
from graphfs.names import fold
from tagger.extract.result import Extract, Kind
from tagger.suggest.encoder import Encoder
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.phrases import key_phrases, runs
from tagger.suggest.subject import Subject, Suggester, Wishes

SHARES = (0.0, 0.05, 0.1, 0.25)
"""Of the texts: how many are taught."""
SURE = 0.3
"""Calibration is measured over suggestions at least this sure."""
LEFT = 0.75
"""This part of the texts is measured, the same at every share."""
AT = 5

Said = list[tuple[str, float]]
"""Tags with confidence, the surest first."""


class Run(NamedTuple):
    """What was said of each text that was asked about, and what it cost: seconds of processor time, tokens."""

    asked: list[tuple[Item, Said]]
    seconds: float
    tokens: int = 0


@dataclass(frozen=True)
class Score:
    """How one pass did. At five: of the first five suggestions. `micro`: of as many tags as the truth has, the part
    that is right (micro-F1 at that number). nan where there is nothing to judge."""

    precision: float
    recall: float
    f1: float
    hit1: float
    hit3: float
    micro: float
    known: float
    """Of all suggestions: those that are in the vocabulary."""
    ece: float
    applied: float
    """Of the tags that would have been applied, the part that is right."""
    seconds: float
    """Of processor time, for 1,000 texts."""
    tokens: float
    """For 1,000 texts."""


def score(run: Run, labels: set[str]) -> Score:
    """Judges a pass."""
    truth = sum(len(item.labels) for item, _ in run.asked)
    said = [one for _, some in run.asked for one in some]
    five = [(item, some[:AT]) for item, some in run.asked]
    right = sum(tag in item.labels for item, some in five for tag, _ in some)
    given = sum(len(some) for _, some in five)
    precision, recall = right / max(1, given), right / truth
    judged = [(sure, tag in item.labels) for item, some in run.asked for tag, sure in some]
    over = [one for one in judged if one[0] >= SURE]
    bins = [[(sure, good) for sure, good in over if low <= sure * 10 < low + 1] for low in range(11)]
    applied = [good for sure, good in judged if sure >= Wishes().apply_at]
    return Score(
        precision,
        recall,
        2 * precision * recall / max(1e-9, precision + recall),
        statistics.fmean(any(tag in item.labels for tag, _ in some[:1]) for item, some in run.asked),
        statistics.fmean(any(tag in item.labels for tag, _ in some[:3]) for item, some in run.asked),
        sum(tag in item.labels for item, some in run.asked for tag, _ in some[: len(item.labels)]) / truth,
        statistics.fmean(tag in labels for tag, _ in said) if said else math.nan,
        sum(abs(sum(sure - good for sure, good in one)) for one in bins) / len(over) if over else math.nan,
        statistics.fmean(applied) if applied else math.nan,
        run.seconds / len(run.asked) * 1000,
        run.tokens / len(run.asked) * 1000,
    )


# -- who is asked

Method = Callable[[Sequence[Item], Sequence[int], Sequence[int]], Run]
"""Of texts, the indices of those that are taught and of those that are measured."""


def tags_of(items: Sequence[Item]) -> tuple[Tag, ...]:
    """All labels of a set as a drive's tags."""
    labels = sorted({label for item in items for label in item.labels})
    return tuple(Tag(number, 0, label, 1, 0) for number, label in enumerate(labels, 1))


def subject_of(items: Sequence[Item], number: int) -> Subject:
    """A text as a file whose name says nothing."""
    return Subject(
        number + 1, f"files/{number:04}.txt", str(number), Extract(Kind.TEXT, "text/plain", text=items[number].text)
    )


def topical(suggester: Suggester, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> Said:
    """What a suggester says, without what follows from facts."""
    said = suggester.suggest(subject, wishes, tags)
    found = [(one.tag, one.confidence) for one in said if one.source is Source.MODEL]
    return sorted(found, key=lambda one: -one[1])


def offline(encoder: Encoder) -> Method:
    """The product's suggester, new at every pass."""

    def run(items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Run:
        tags, known = tags_of(items), {number + 1 for number in taught}
        wishes = Wishes(mode="strict", review_at=0.0, max_tags=len(tags))
        suggester = Offline(
            encoder,
            Neighbours(),
            lambda file: [Edge(label) for label in sorted(items[file - 1].labels)] if file in known else [],
            2026,
        )
        for number in taught:
            suggester.suggest(subject_of(items, number), wishes, tags)
        begin = time.process_time()
        asked = [(items[number], topical(suggester, subject_of(items, number), wishes, tags)) for number in measured]
        return Run(asked, time.process_time() - begin)

    return run


def phrases(encoder: Encoder) -> Method:
    """To compare: key phrases alone, which know no vocabulary."""

    def run(items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Run:
        begin = time.process_time()
        asked = []
        for number in measured:
            text = items[number].text
            found = key_phrases("", runs("", text, encoder), AT)
            asked.append((items[number], [(fold(one.text), one.score) for one in found]))
        return Run(asked, time.process_time() - begin)

    return run


def nearest(encoder: Encoder) -> Method:
    """To compare: the labels nearest to the text by embedding when nothing was taught, else the votes of the eight
    nearest taught texts."""

    def run(items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Run:
        labels = [tag.path for tag in tags_of(items)]
        begin = time.process_time()
        vectors = encoder.embed([items[number].text for number in measured])
        if taught:
            truth = np.array([[label in items[number].labels for label in labels] for number in taught], np.float32)
            likeness = vectors @ encoder.embed([items[number].text for number in taught]).T
            sure = np.zeros((len(measured), len(labels)), dtype=np.float32)
            for row, line in enumerate(likeness):
                best = np.argsort(-line)[:8]
                sure[row] = np.maximum(line[best], 0) @ truth[best] / 8
        else:
            sure = vectors @ encoder.embed(labels).T
        asked = []
        for row, number in enumerate(measured):
            order = np.argsort(-sure[row], kind="stable")
            asked.append((items[number], [(labels[one], float(sure[row][one])) for one in order]))
        return Run(asked, time.process_time() - begin)

    return run


class _Nothing:
    """A memory in which no answer is found: every one is paid for."""

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None:
        return None

    def remember(self, content: str, model: str, prompt: str, texts: tuple[str, ...]) -> None:
        pass


def large(encoder: Encoder, llm: Llm) -> Method:
    """A large model at an endpoint; nothing is taught. Importing what it takes needs seconds, so only when asked."""
    from tagger.suggest import method  # noqa: PLC0415
    from tagger.suggest.ladder import Budget  # noqa: PLC0415

    def run(items: Sequence[Item], taught: Sequence[int], measured: Sequence[int]) -> Run:
        tags, tokens = tags_of(items), 0

        def account(more: int) -> int:
            nonlocal tokens
            tokens += more
            return tokens

        suggester = method.suggester(
            llm,
            method.endpoint(llm),
            Offline(encoder, Neighbours(), lambda file: [], 2026),
            _Nothing(),
            Budget(0, account),
        )
        wishes = Wishes(review_at=0.0, max_tags=AT)
        begin = time.process_time()
        try:
            asked = [
                (items[number], topical(suggester, subject_of(items, number), wishes, tags)) for number in measured
            ]
        finally:
            suggester.close()
        return Run(asked, time.process_time() - begin, tokens)

    return run


def rows_of(encoder: Encoder, llm: Llm | None) -> list[tuple[float, str, Method]]:
    """Share taught, name, method: one row of the table each."""
    found: list[tuple[float, str, Method]] = [(0.0, "key phrases", phrases(encoder))]
    for share in SHARES:
        found.append((share, "nearest", nearest(encoder)))
        found.append((share, "offline", offline(encoder)))
    if llm is not None:
        found.append((0.0, f"{llm.model}, {llm.method}", large(encoder, llm)))
    return found


def measure(method: Method, items: Sequence[Item], share: float, draws: int, most: int) -> list[Score]:
    """One score a draw; the same texts are measured at every share of a draw."""
    labels = {label for item in items for label in item.labels}
    scores = []
    for draw in range(draws):
        order = list(range(len(items)))
        random.Random(draw).shuffle(order)
        measured, rest = order[: int(LEFT * len(order))], order[int(LEFT * len(order)) :]
        scores.append(score(method(items, rest[: round(share * len(items))], measured[:most]), labels))
    return scores


COLUMNS = (
    ("precision", "P at 5"), ("recall", "R at 5"), ("f1", "F1 at 5"), ("hit1", "hit at 1"), ("hit3", "hit at 3"),
    ("micro", "micro-F1"), ("known", "known"), ("ece", "calibration error"), ("applied", "applied and right"),
)  # fmt: skip


def row(share: float, name: str, scores: Sequence[Score]) -> str:
    """Means over the draws; `±` half the span between the best and the worst."""
    cells = [f"{share:.0%}", name]
    for field, _ in COLUMNS:
        values = [value for one in scores if not math.isnan(value := getattr(one, field))]
        if not values or (field in ("ece", "applied") and name in ("nearest", "key phrases")):
            cells.append("")
        elif field in ("precision", "recall", "f1", "known"):
            cells.append(f"{statistics.fmean(values):.2f}")
        else:
            cells.append(f"{statistics.fmean(values):.2f} ±{(max(values) - min(values)) / 2:.2f}")
    cells.append(f"{statistics.fmean([one.seconds for one in scores]):.0f} s")
    if tokens := statistics.fmean([one.tokens for one in scores]):
        cells[-1] += f", {tokens / 1000:,.0f}k tokens"
    return "| " + " | ".join(cells) + " |\n"


def heading(name: str, items: Sequence[Item]) -> str:
    """What stands above the rows of a set."""
    labels = {label for item in items for label in item.labels}
    each = sum(len(item.labels) for item in items) / len(items)
    columns = ["taught", "method", *(title for _, title in COLUMNS), "cost of 1,000"]
    lines = [f"**{name}**: {len(items)} texts, {len(labels)} labels, {each:.1f} a text", ""]
    return "\n".join([*lines, "| " + " | ".join(columns) + " |", "|---:|---|" + "---:|" * (len(columns) - 2)]) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench tagging", description=__doc__)
    parser.add_argument("--cache", type=Path, default=PROJECT / "build" / "tagging", help="where the texts are kept")
    parser.add_argument("--set", action="append", choices=sorted(SETS), help="only this one; may be repeated")
    parser.add_argument("--draws", type=int, default=3, help="how often other texts are taught")
    parser.add_argument("--texts", type=int, default=texts.MOST, help="texts of a set at most, where there are as many")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="texts that are measured at most")
    parser.add_argument("--llm", metavar="URL", help="an OpenAI-compatible endpoint, to be measured too")
    parser.add_argument("--model", default="", help="the endpoint's model")
    parser.add_argument("--method", choices=("selective", "generative"), default="selective", help="how it is asked")
    parser.add_argument("--only-llm", action="store_true", help="the endpoint alone")
    given = parser.parse_args(arguments)
    given.cache = given.cache.absolute()  # apt takes a relative folder for one of its own
    given.cache.mkdir(parents=True, exist_ok=True)
    texts.fetch(given.cache)
    llm = Llm(base_url=given.llm, model=given.model, method=given.method) if given.llm else None
    rows = rows_of(Encoder(), llm)
    for name in given.set or SETS:
        items = texts.load(given.cache, name, given.texts)
        sys.stdout.write(heading(name, items))
        for share, title, method in rows[-1:] if given.only_llm else rows:
            sys.stdout.write(row(share, title, measure(method, items, share, given.draws, given.most)))
            sys.stdout.flush()
        sys.stdout.write("\n")
    return 0
