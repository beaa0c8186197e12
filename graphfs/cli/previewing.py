"""`preview`: what the tagger would send where for a file. The tagger itself says it, as a process of its own."""

from argparse import Namespace
from typing import Any

from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import OK
from graphfs.cli.locations import files_at
from graphfs.cli.models import ask
from graphfs.cli.screen import Screen, size_text

_WHERE = {
    "nowhere": "left alone",
    "here": "tagged offline: nothing is sent anywhere",
    "local": "sent to a model on this machine",
    "cloud": "sent away from this machine",
}


def preview(arguments: Namespace, screen: Screen) -> int:
    """Prints the prompt."""
    with opened(arguments, arguments.file[:1]) as place:
        files = [node.file for path in arguments.file for _, node in files_at(place, path)]
        told = [ask(place, arguments, "tagger", ["--preview", str(file)]) for file in files]
    if screen.as_json:
        screen.json(told)
        return OK
    for one in told:
        _print(screen, place, one)
    return OK


def _print(screen: Screen, place: Place, told: dict[str, Any]) -> None:
    why = f" ({told['why']})" if told["why"] else ""
    screen.line(screen.style(f"{screen.name(place.show(told['path']))}: {_WHERE[told['where']]}{why}", "bold"))
    if told["not_looked_at"]:
        screen.line(f"not looked at: {screen.name(', '.join(told['not_looked_at']))}")
    if not told["system"]:
        return
    budget = f" of {told['daily_token_budget']:,}" if told["daily_token_budget"] else ""
    shown = f" and {told['pictures']} pictures" if told["pictures"] else ""
    screen.line(f"to {screen.name(told['endpoint'])}, model {screen.name(told['model'])}")
    screen.line(
        f"about {told['tokens']:,} tokens, and up to {told['answer_tokens']:,} for the answer; "
        f"{size_text(told['bytes'])} of text{shown}; {told['tokens_today']:,}{budget} tokens were used today"
    )
    if told["embedded"]:
        screen.line(
            f"before that these passages to {screen.name(told['embedding'])}, model "
            f"{screen.name(told['embedding_model'])}; its nearest tags take the place of the ones shown here"
        )
        for passage in told["embedded"]:
            screen.line(screen.name(f"  {' '.join(passage.split())}"))
    for part in ("system", "user"):
        screen.line(screen.style(f"--- {part}", "dim"))
        for line in told[part].splitlines():
            screen.line(screen.name(line))
