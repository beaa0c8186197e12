"""The words of the command line: every command, its arguments, and which function answers it.

Reading this page is reading the CLI; docs/cli.md is made from it. It imports nothing heavy and runs nothing.
"""

import argparse
import os
from collections.abc import Callable, Sequence

from graphfs import __version__
from graphfs.cli.parser import Commands, Parser

PROGRAM = "graphfs"

EPILOG = (
    "A command works on the drive that the path (or the current directory) is in, else on the only one "
    "that is mounted. --state DIR or --server URL say another one. `graphfs COMMAND --help` explains a command."
)


def _common() -> Parser:
    common = Parser(add_help=False)
    group = common.add_argument_group("for every command")
    group.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="answer in JSON (errors too, on stderr)"
    )
    group.add_argument(
        "--state", metavar="DIR", default=argparse.SUPPRESS, help="the drive of this state directory, mounted or not"
    )
    group.add_argument(
        "--server",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="the drive of a server: http(s)://HOST, HOST:PORT, unix:PATH",
    )
    group.add_argument(
        "--token-file", metavar="FILE", default=argparse.SUPPRESS, help="the server's token (or set GRAPHFS_TOKEN)"
    )
    group.add_argument(
        "-C", dest="directory", metavar="DIR", default=argparse.SUPPRESS, help="work as if started in this directory"
    )
    group.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress and no notes")
    return common


def make_parser() -> Parser:
    """The whole command line. `parse` is what understands it."""
    common = _common()
    parser = Parser(prog=PROGRAM, description="Works on a GraphFS drive.", epilog=EPILOG, parents=[common])
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = Commands(parser, common)
    for part in (_browsing, _tagging, _vocabulary, _history, _condition, _copies, _care, _access, _mounts):
        part(commands)
    return parser


def parse(words: Sequence[str], environment: Callable[[str], str | None] = os.environ.get) -> argparse.Namespace:
    """The arguments that the words mean. Ends the program with USAGE when they mean none."""
    parser = make_parser()
    given = parser.parse_args(_sorted(parser, list(words)))
    # Not as argparse's defaults: those of a command would overrule what stood before it.
    defaults: dict[str, object] = {
        "json": False,
        "quiet": False,
        "state": environment("GRAPHFS_STATE"),
        "server": environment("GRAPHFS_SERVER"),
        "token_file": None,
        "directory": None,
    }
    for name, value in defaults.items():
        if not hasattr(given, name):
            setattr(given, name, value)
    return given


def commands_of(parser: Parser) -> dict[str, Parser]:
    """The commands by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _sorted(parser: Parser, words: list[str]) -> list[str]:
    """A command's options before its other words, which argparse wants in one piece. In a query `-draft` is NOT: what
    is no option of `find` belongs to the query."""
    commands = commands_of(parser)
    start = 0
    left = iter(range(len(words)))
    for start in left:
        if words[start] in commands:
            break
        if _takes(parser, words[start], exact=True):
            next(left, None)
    else:
        return words
    command, query = commands[words[start]], words[start] == "find"
    options: list[str] = []
    others: list[str] = []
    rest = iter(words[start + 1 :])
    for word in rest:
        if word == "--":
            others += rest
        elif not word.startswith("-") or word == "-" or (query and not _is_option(command, word)):
            others.append(word)
        else:
            options.append(word)
            if _takes(command, word, exact=query) and (value := next(rest, None)) is not None:
                options.append(value)
    dashes = ["--"] if any(word.startswith("-") for word in others) else []
    return [*words[: start + 1], *options, *dashes, *others]


def _is_option(command: Parser, word: str) -> bool:
    return word.startswith("--") or any(word in one.option_strings for one in command._actions)


def _takes(command: Parser, word: str, *, exact: bool) -> bool:
    """Whether the next word is this option's value. Not `exact`: `-rt` is `-r -t`."""
    takes = {name: one.nargs != 0 for one in command._actions for name in one.option_strings}
    if exact or word.startswith("--"):
        return takes.get(word, False)
    for number, letter in enumerate(word[1:], 2):
        if takes.get(f"-{letter}"):
            return number == len(word)
    return False


def _browsing(commands: Commands) -> None:
    one = commands.add("ls", "browse:ls", "list a folder or a view, with tags beside the files")
    one.add_argument("path", nargs="*", metavar="PATH", help="a folder, a view (tags/a/b) or a file (default: here)")
    one.add_argument("-l", "--long", action="store_true", help="also mode, size and time")
    one = commands.add(
        "find",
        "browse:find",
        "print the files that a query matches",
        "Several words are one query: all must hold. docs/query.md explains the language.",
        examples=(
            "graphfs find report year/2020..2024 -draft",
            "graphfs find '(apollo,gemini) -draft'",
            "graphfs find -0 invoice | xargs -0 cp -t /media/stick",
            "graphfs find -- -c        (without the tag c: -- ends the options)",
        ),
    )
    one.add_argument("query", nargs="+", metavar="QUERY", help="terms of the query")
    one.add_argument("-0", "--null", action="store_true", help="end each path with NUL, for xargs -0")
    one.add_argument("-c", "--count", action="store_true", help="print only how many there are")
    one.add_argument("-n", "--limit", type=_count, default=0, metavar="N", help="print at most N")


def _tagging(commands: Commands) -> None:
    both = (
        "One file: the file, then its tags. Several files: -t before the tags, then the files. "
        "A tag may be a path (year/2024)."
    )
    one = commands.add(
        "tag",
        "tagging:tag",
        "give tags to files",
        both + " Tags that do not exist are made.",
        examples=(
            "graphfs tag report.pdf apollo year/2024",
            "graphfs tag -t apollo,draft *.pdf",
            "graphfs tag -r -t old Archive/",
        ),
    )
    _files_and_tags(one)
    one = commands.add(
        "untag",
        "tagging:tag",
        "take tags from files",
        both + " Tags below a tag go with it. What a machine gave does not come back.",
        examples=("graphfs untag report.pdf draft", "graphfs untag -t draft *.pdf", "graphfs untag --all scan.png"),
    )
    _files_and_tags(one)
    one.add_argument("-a", "--all", action="store_true", help="take all tags; every argument is a file")
    one = commands.add(
        "why",
        "tagging:why",
        "say where the tags of files come from",
        examples=("graphfs why report.pdf", "graphfs why report.pdf apollo", "graphfs why -t apollo *.pdf"),
    )
    one.add_argument("file", nargs="+", metavar="FILE")
    one.add_argument("-t", "--tags", action="append", metavar="TAG[,TAG]", help="only these tags")
    one = commands.add(
        "preview",
        "previewing:preview",
        "print what the tagger would send where for a file, to the letter",
        "With its cost in tokens. Nothing is sent and nothing changes.",
    )
    one.add_argument("file", nargs="+", metavar="FILE")
    one = commands.add(
        "review",
        "reviewing:review",
        "list, accept or reject the suggestions that wait",
        "Without a file: all there are, or with -t all of a tag. What was rejected no machine suggests again for that "
        "file. The same as `rm` in tags/+review/TAG/, and `mv` from there to tags/TAG/.",
        examples=(
            "graphfs review",
            "graphfs review accept report.pdf",
            "graphfs review reject -t draft",
            "graphfs review accept -t garden -r Photos/",
        ),
    )
    one.add_argument("action", nargs="?", choices=("list", "accept", "reject"), default="list", help="(default: list)")
    one.add_argument("file", nargs="*", metavar="FILE")
    one.add_argument("-t", "--tags", action="append", metavar="TAG[,TAG]", help="only these tags and those below them")
    one.add_argument("-r", "--recursive", action="store_true", help="for a folder: all files in it")
    one.add_argument("-a", "--all", action="store_true", help="accept or reject everything that waits")
    one = commands.add(
        "retag",
        "reviewing:retag",
        "let files be tagged anew, after another model was set for instance",
        "Tags that a machine gave are replaced; a person's tags and rejections stay. What a model was asked about the "
        "same content before is not asked again.",
    )
    one.add_argument("file", nargs="*", metavar="FILE")
    one.add_argument("-r", "--recursive", action="store_true", help="for a folder: all files in it")
    one.add_argument("-a", "--all", action="store_true", help="all files of the drive")
    for name, paused in (("pause", "until `graphfs resume`, restarts included"), ("resume", "where it was paused")):
        one = commands.add(
            name, f"condition:{name}", f"let the tagger {'rest' if name == 'pause' else 'go on'}, {paused}"
        )
        _of_drive(one)
    one = commands.add(
        "retry", "condition:retry", "queue files for the tagger again", "Without a file: all that failed."
    )
    one.add_argument("file", nargs="*", metavar="FILE")
    one.add_argument("-r", "--recursive", action="store_true", help="for a folder: the files in it")


def _files_and_tags(parser: Parser) -> None:
    parser.add_argument(
        "-t", "--tags", action="append", metavar="TAG[,TAG]", help="tags for several files; may be repeated"
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="for a folder: all files in it")
    parser.add_argument("words", nargs="+", metavar="FILE|TAG", help="FILE TAG [TAG ...], or with -t: FILE [FILE ...]")
    parser.hint = "graphfs tag FILE TAG [TAG ...]   or   graphfs tag -t TAG[,TAG] FILE [FILE ...]\n".replace(
        "graphfs tag", parser.prog
    )


def _vocabulary(commands: Commands) -> None:
    one = commands.add("tags", "vocabulary:tags", "show all tags as a tree with counts, or the tags of files")
    one.add_argument("file", nargs="*", metavar="FILE", help="files whose tags are wanted")
    one.add_argument("--flat", action="store_true", help="one whole tag path a line, nothing else")
    one.add_argument(
        "--clean",
        action="store_true",
        help="show tags that are one word or mean the same, with what merging would do, and ask about each",
    )
    one.add_argument("-y", "--yes", action="store_true", help="with --clean: merge them all without asking")
    one = commands.add(
        "vocabulary",
        "proposing:build",
        "propose a set of tags from the files",
        "Looks at a sample of files, names what they are about (by the large model where one is configured, else "
        "offline), leaves out what is rare or everywhere, and merges what is one word or means the same.",
        examples=(
            "graphfs vocabulary build",
            "graphfs vocabulary build --apply",
            "graphfs vocabulary build --only rice --apply",
        ),
    )
    one.add_argument("action", choices=("build",))
    one.add_argument("--sample", type=_count, default=200, metavar="N", help="files to look at (default 200)")
    one.add_argument(
        "--least", type=_count, default=2, metavar="N", help="files that a tag is for at least (default 2)"
    )
    one.add_argument("--only", action="append", default=[], metavar="TAG", help="only this one; may be repeated")
    one.add_argument("--apply", action="store_true", help="make them after asking")
    one.add_argument("-y", "--yes", action="store_true", help="do not ask")
    one = commands.add("mktag", "vocabulary:make", "make tags")
    one.add_argument("tag", nargs="+", metavar="TAG")
    one = commands.add(
        "rmtag",
        "vocabulary:remove",
        "remove tags and those below them from all files",
        "No file is deleted; `graphfs undo` brings them back.",
    )
    one.add_argument("tag", nargs="+", metavar="TAG")
    one.add_argument("-y", "--yes", action="store_true", help="do not ask")
    one = commands.add("mv-tag", "vocabulary:move", "rename a tag, or move it below another")
    one.add_argument("tag", metavar="TAG")
    one.add_argument("new", metavar="NEW", help="the whole new path: year/2024")
    one = commands.add(
        "merge-tags",
        "vocabulary:merge",
        "merge a tag into another",
        "All files and children of TAG go to INTO, and TAG becomes another name of it. Shows first what it would do, "
        "and asks.",
    )
    one.add_argument("tag", metavar="TAG")
    one.add_argument("into", metavar="INTO")
    one.add_argument("-y", "--yes", action="store_true", help="do not ask")
    one.add_argument("-n", "--dry-run", action="store_true", help="only show what it would do")
    one = commands.add("alias", "vocabulary:alias", "give a tag another name beside its own")
    one.add_argument("tag", metavar="TAG")
    one.add_argument("alias", metavar="NAME", help="a single name; none: print those it has", nargs="?")


def _history(commands: Commands) -> None:
    one = commands.add("log", "history:log", "print the last changes of tags")
    one.add_argument("-n", "--limit", type=_count, default=20, metavar="N", help="how many (default 20, 0: all)")
    one = commands.add("undo", "history:undo", "take a change of tags back", "Without a number: your last one.")
    one.add_argument("batch", nargs="?", type=_count, default=0, metavar="BATCH", help="its number, from `graphfs log`")
    one = commands.add(
        "restore",
        "history:restore",
        "bring deleted files back",
        "By number or by path (the newest of that path, or all below a folder). Without an argument: list what "
        "can be restored.",
    )
    one.add_argument("item", nargs="*", metavar="NUMBER|PATH")
    one.add_argument("-l", "--list", action="store_true", help="list what is in the trash")
    one.add_argument("-n", "--limit", type=_count, default=0, metavar="N", help="list at most N")


def _condition(commands: Commands) -> None:
    one = commands.add("status", "condition:status", "show files, tags, queue, failures and disk use")
    _of_drive(one)
    one.add_argument("--failures", type=_count, default=10, metavar="N", help="failures to show (default 10)")
    one = commands.add(
        "wait",
        "condition:wait",
        "return when the tagger has nothing left to do and all is on disk",
        "Exit code 1 when time ran out first.",
    )
    _of_drive(one)
    one.add_argument("--tagged", action="store_true", help="only wait until the queue is empty")
    one.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="give up after so long")


def _of_drive(parser: Parser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help="the drive that this path is in")


def _copies(commands: Commands) -> None:
    one = commands.add(
        "import",
        "importing:run",
        "copy folders or files into the drive",
        "Tags come from user.xdg.tags, other attributes, times, modes and links are kept. What is there with the "
        "same content is skipped, so it can be run again. A folder that `graphfs export` wrote is taken back whole.",
        examples=(
            "graphfs import ~/Documents",
            "graphfs import --tag holiday --to files/Photos /media/card",
            "graphfs import backup/",
        ),
    )
    one.add_argument("source", nargs="+", metavar="PATH")
    one.add_argument(
        "--to", metavar="FOLDER", help="where to (default: files/ and the folder's name; of an export: files/)"
    )
    one.add_argument(
        "--tag", action="append", default=[], metavar="TAG[,TAG]", help="tags for all files; may be repeated"
    )
    one.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    one.add_argument(
        "--existing",
        choices=("skip", "replace"),
        default="skip",
        help="a file of this name is there with another content: skip it and say so (default), or replace its content",
    )
    one = commands.add(
        "export",
        "exporting:run",
        "write the whole drive as plain files and a JSON of the graph",
        "Run again it goes on where it was. `graphfs import DIR` takes it back without loss.",
    )
    one.add_argument("dir", metavar="DIR", help="a folder outside of the drive; made when it is missing")
    one.add_argument(
        "--checksum", action="store_true", help="compare contents of files that are there, not size and time"
    )
    one = commands.add(
        "watch",
        "watching:run",
        "import a folder and follow its changes",
        "Stays until Ctrl-C. Changes made while it is away are found at the next start.",
    )
    one.add_argument("folder", metavar="FOLDER", help="a folder outside of the drive")
    one.add_argument("--to", metavar="FOLDER", help="where to (default: files/ and the folder's name)")
    one.add_argument("--once", action="store_true", help="bring it up to date and return")
    one.add_argument(
        "--settle", type=_seconds, default=2.0, metavar="SECONDS", help="quiet time before a file is taken (default 2)"
    )


def _care(commands: Commands) -> None:
    one = commands.add(
        "fsck",
        "care:fsck",
        "check that bytes, records, tags and jobs agree",
        "Exit code 0 only when they do, 1 when something is wrong.",
    )
    one.add_argument("--repair", action="store_true", help="repair what can be repaired, and check again")
    one.add_argument("--verify", action="store_true", help="also read every stored byte and compare its hash")
    _of_drive(one)
    one = commands.add("gc", "care:gc", "free what nothing uses and what the trash kept long enough")
    _of_drive(one)
    one = commands.add(
        "migrate",
        "moving:migrate",
        "move a drive from a state directory to Neo4j, or back",
        "Nobody may use either meanwhile. Records, tags, journal, trash, queue and tokens are moved and then compared; "
        "contents are copied where the settings of both keep them in different places. Run again it goes on where it "
        "was. The source stays as it is.",
        examples=(
            "graphfs migrate --from sqlite:/srv/drive --to neo4j:bolt://db:7687 --config cluster.yaml",
            "graphfs migrate --from neo4j:bolt://db:7687 --to sqlite:/srv/drive --config cluster.yaml",
        ),
    )
    one.add_argument("--from", dest="source", required=True, metavar="DRIVE", help="sqlite:STATE_DIR or neo4j:ADDRESS")
    one.add_argument("--to", dest="target", required=True, metavar="DRIVE", help="the other one, which must be empty")
    one.add_argument("--config", metavar="FILE", help="settings of the main servers: neo4j's password, and the blobs")


def _access(commands: Commands) -> None:
    one = commands.add(
        "token",
        "access:token",
        "make, list and revoke the tokens of a server",
        "`create` prints the secret once; it is kept nowhere. Whoever shows it acts as its owner, in the scopes given.",
        examples=(
            "graphfs token create laptop --scope read,write --days 90",
            "graphfs token create tagger-1 --scope read,tag",
            "graphfs token revoke laptop",
        ),
    )
    one.add_argument("action", choices=("create", "list", "revoke"))
    one.add_argument("name", nargs="?", metavar="NAME")
    one.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE[,SCOPE]", help="read (default), write, tag, admin (all)"
    )
    one.add_argument("--days", type=_count, default=0, metavar="N", help="good for so many days (default: for ever)")
    one.add_argument("--owner", metavar="USER[:GROUP]", help="who its holder acts as: names or numbers (default: you)")


def _mounts(commands: Commands) -> None:
    one = commands.add("mount", "mounted:mount", "mount a drive")
    one.add_argument("dir", metavar="DIR", help="an empty folder, made when it is missing")
    one.add_argument("--config", metavar="FILE", help="settings (default: config.yaml in the state directory)")
    one.add_argument("-f", "--foreground", action="store_true", help="stay, and log to standard error")
    one.add_argument("-o", dest="options", action="append", default=[], metavar="OPT[,OPT]", help="mount options")
    one = commands.add("unmount", "mounted:unmount", "unmount a drive; returns when everything is safe")
    one.add_argument("dir", nargs="?", metavar="DIR", help="where it is mounted (default: the only one there is)")
    one.add_argument("--lazy", action="store_true", help="out of sight at once, also while files are open")
    one = commands.add(
        "pin",
        "pinning:pin",
        "keep a folder, a file or a view of a server on this machine",
        "It is fetched in the background, followed when it changes, and readable while the server is away. Without a "
        "path: list what is pinned.",
        examples=("graphfs pin files/Projects", "graphfs pin tags/travel", "graphfs pin"),
    )
    one.add_argument("path", nargs="*", metavar="PATH")
    one = commands.add("unpin", "pinning:unpin", "keep it no longer; what was fetched stays until its room is needed")
    one.add_argument("path", nargs="+", metavar="PATH")
    commands.add("mounts", "mounted:list_mounts", "list the drives that are mounted on this machine")
    one = commands.add("completion", "completion:script", "print the shell's completion script")
    one.add_argument("shell", choices=("bash", "zsh", "fish"))
    commands.add("version", "version:version", "print the version")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, got {text!r}")
    return value
