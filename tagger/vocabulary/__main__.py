"""`python -m tagger.vocabulary build|clean --server ADDRESS`: what `graphfs vocabulary build` and
`graphfs tags --clean` ask. Prints JSON on standard output and progress on standard error. Composes,
and nothing else."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from graphfs.api import Drive
from graphfs.client import connect
from graphfs.config import Config, Llm, load
from graphfs.errors import DriveError
from graphfs.model import Caller
from tagger.extract.result import Limits
from tagger.knowledge import Knowledge
from tagger.pipeline import Pipeline, is_excluded
from tagger.suggest.encoder import Encoder
from tagger.suggest.facts import current_year
from tagger.suggest.failure import AnswerUnusable, ModelUnavailable
from tagger.suggest.machine import is_local
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.subject import Subject, Wishes
from tagger.vocabulary import candidates
from tagger.vocabulary.merging import SAME, Embeds, Proposal, duplicates, propose

_MOST = 100
_STEP = 2.0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tagger.vocabulary", description=__doc__)
    parser.add_argument("action", choices=("build", "clean"))
    parser.add_argument("--server", required=True, metavar="ADDRESS", help="unix:PATH, a URL or a state directory")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="or GRAPHFS_TOKEN")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (default: the built-in ones)")
    parser.add_argument("--sample", type=int, default=200, metavar="N", help="files that are looked at")
    parser.add_argument("--least", type=int, default=2, metavar="N", help="files that a tag is for at least")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with JSON on standard output; 1 with a message."""
    given = _arguments(arguments)
    try:
        config = load(given.config, os.environ)
        token = given.token_file.read_text().strip() if given.token_file else os.environ.get("GRAPHFS_TOKEN", "")
        drive = connect(given.server, token=token)
        with contextlib.closing(drive):
            caller = Caller(os.getuid(), os.getgid(), actor="tagger")
            found = _build(drive, caller, config, given) if given.action == "build" else _clean(drive, caller, config)
    except (DriveError, OSError, ModelUnavailable, AnswerUnusable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


def _clean(drive: Drive, caller: Caller, config: Config) -> object:
    with contextlib.ExitStack() as stack:
        encoder, same = _meaning(drive, config, Encoder(), stack)
        return duplicates(drive.tags(caller), encoder, same)


def _meaning(drive: Drive, config: Config, offline: Encoder, stack: contextlib.ExitStack) -> tuple[Embeds, float]:
    """By whose vectors names are compared, and from which cosine they mean one thing."""
    settings = config.tagger.embedding
    if not settings.base_url:
        return offline, SAME
    from tagger.suggest.method import embedding  # noqa: PLC0415 - LlamaIndex is 120 MB and 3 s

    found = embedding(settings, drive, offline)
    stack.callback(found.close)
    return found, settings.same_at


def _build(drive: Drive, caller: Caller, config: Config, given: argparse.Namespace) -> dict[str, object]:
    settings = config.tagger
    encoder = Encoder()
    knowledge = Knowledge(drive, caller)
    offline = Offline(encoder, Neighbours(), knowledge.edges, current_year(time.time()))
    wishes = Wishes(mode="free", max_tags=settings.max_tags, language=settings.language)
    with contextlib.ExitStack() as stack:
        large = _large(drive, settings.llm, offline, stack)
        pipeline = Pipeline(drive, caller, knowledge, offline, large, wishes, settings.max_bytes)
        limits = Limits(wall_seconds=settings.max_seconds, ocr="" if settings.ocr == "off" else settings.ocr)
        sampled = candidates.sample(drive, caller, given.sample)
        rules = {
            one: pipeline.rules_of_node(one.node.id, one.path).tagger for one in sampled if not is_excluded(one.path)
        }
        wanted = [one for one, rule in rules.items() if rule != "off"]
        # What private files are about is compared on this machine.
        private = "local" in rules.values() and not is_local(settings.embedding.base_url or "")
        meaning, same = (encoder, SAME) if private else _meaning(drive, config, encoder, stack)

        def named() -> Iterator[tuple[str, Sequence[str]]]:
            at = time.monotonic()
            phrases = candidates.offline(encoder)
            for number, subject in enumerate(candidates.read(drive, caller, wanted, limits, settings.max_bytes), 1):
                yield subject.path, _names(subject, wishes, pipeline, large, phrases)
                if time.monotonic() - at > _STEP:
                    at = time.monotonic()
                    sys.stderr.write(f"{number:,} of {len(wanted):,} files read\n")

        proposals: list[Proposal] = propose(named(), drive.tags(caller), meaning, given.least, _MOST, same)
    model = f"{settings.llm.model}, generative" if large else "offline: key phrases and the files' keywords"
    return {"files": len(wanted), "by": model, "proposals": proposals}


def _names(
    subject: Subject, wishes: Wishes, pipeline: Pipeline, large: candidates.Model | None, phrases: candidates.Names
) -> Sequence[str]:
    """By the large model where the folder's rules let it have the file, else offline."""
    if large is not None and (large.local or pipeline.rules_of_file(subject.file, subject.path).tagger != "local"):
        return [chosen.name for chosen in large.names(subject, wishes)]
    return phrases(subject)


def _large(drive: Drive, llm: Llm, offline: Offline, stack: contextlib.ExitStack) -> candidates.Model | None:
    """The large model, when one is configured; it names freely, whatever the setting for tagging."""
    if not llm.base_url or not llm.model:
        return None
    from tagger.suggest.generative import Generative  # noqa: PLC0415 - LlamaIndex is 120 MB and 3 s
    from tagger.suggest.ladder import Budget  # noqa: PLC0415 - as above
    from tagger.suggest.method import asked, endpoint, generative_prompts  # noqa: PLC0415 - as above
    from tagger.suggest.prompt import Prompt  # noqa: PLC0415 - as above

    prompt = Prompt(generative_prompts(Path(llm.prompts).expanduser() if llm.prompts else None))
    budget = Budget(llm.daily_token_budget, lambda tokens: drive.spend(str(llm.base_url), tokens))
    made = Generative(offline, asked(llm, endpoint(llm)), prompt, drive, budget)
    stack.callback(made.close)
    return made


if __name__ == "__main__":
    sys.exit(main())
