"""Every setting of GraphFS: typed, frozen, and read once, at the edge.

Defaults are overridden by the configuration file, that by `GRAPHFS_*` environment variables, those by `-o` options
(`GRAPHFS_TAGGER__LLM__MODEL` is `tagger.llm.model`). Unknown keys are refused by name. Why each setting exists is said
in the project's config.yaml, which a test holds equal to this module. It is not where settings are used, and nothing
below an edge (mount.py, a `__main__`) reads a file or the environment for them: values are handed down.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from graphfs.errors import InvalidArgument

PREFIX = "GRAPHFS_"
FILE_NAME = "config.yaml"
"""The configuration file of a state directory."""
ARGUMENTS = frozenset({"GRAPHFS_CONFIG", "GRAPHFS_STATE", "GRAPHFS_SERVER", "GRAPHFS_TOKEN"})
"""Environment variables that stand for arguments of the commands (--config, --state, --server), not for settings."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


@dataclass(frozen=True)
class Secret:
    """A value that never shows in a message, a log or a dump; `reveal` gives it to the one place that needs it."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('********')"

    def __str__(self) -> str:
        return "********"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings. Its fields are keys; a field that is a Section is a group within."""


T = TypeVar("T", bound=Section)


class Mount(Section, frozen=True, kw_only=True):
    binding: Literal["auto", "pyfuse3", "fusepy", "mfusepy"] = "auto"
    entry_timeout: Seconds = 1.0
    attribute_timeout: Seconds = 1.0
    tag_entries: Literal["file", "symlink"] = "file"
    allow_other: bool = False
    locks: Literal["local", "server"] = "local"


class Store(Section, frozen=True, kw_only=True):
    engine: Literal["sqlite", "neo4j"] = "sqlite"
    inline_limit: Count = 32768
    chunk_size: Annotated[int, msgspec.Meta(ge=4096)] = 4194304
    lend_folders: bool = True


class Blobs(Section, frozen=True, kw_only=True):
    engine: Literal["local", "s3"] = "local"
    folder: str | None = None
    endpoint: str | None = None
    bucket: str = "graphfs"
    region: str = "us-east-1"
    prefix: str = ""
    access_key: Secret | None = None
    access_key_file: str | None = None
    secret_key: Secret | None = None
    secret_key_file: str | None = None


class Neo4j(Section, frozen=True, kw_only=True):
    uri: str = "bolt://127.0.0.1:7687"
    user: str = "neo4j"
    password: Secret | None = None
    password_file: str | None = None
    database: str = "neo4j"


class Tags(Section, frozen=True, kw_only=True):
    facet_minimum: Count = 24
    facet_depth: Count = 3
    facet_folders: Positive = 200_000
    recent_days: Positive = 7
    inbox: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^/\x00]+$")] = "Inbox"


class Trash(Section, frozen=True, kw_only=True):
    retention_days: Count = 30


class Jobs(Section, frozen=True, kw_only=True):
    settle_seconds: Seconds = 3.0
    lease_seconds: Annotated[float, msgspec.Meta(ge=1)] = 60.0
    max_attempts: Positive = 5
    backoff_seconds: Seconds = 2.0
    backoff_max_seconds: Seconds = 600.0


class Llm(Section, frozen=True, kw_only=True):
    base_url: str | None = None
    model: str | None = None
    method: Literal["selective", "generative"] = "selective"
    samples: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    prompts: str | None = None
    api_key: Secret | None = None
    api_key_file: str | None = None
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    max_tokens: Positive = 400
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.0
    daily_token_budget: Count = 0
    concurrency: Positive = 2
    max_pictures: Count = 0


class Embedding(Section, frozen=True, kw_only=True):
    base_url: str | None = None
    model: str | None = None
    api_key: Secret | None = None
    api_key_file: str | None = None
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    same_at: Share = 0.75


class Speech(Section, frozen=True, kw_only=True):
    base_url: str | None = None
    model: str | None = None
    api_key: Secret | None = None
    api_key_file: str | None = None
    command: str | None = None
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    max_seconds: Positive = 300


class Tagger(Section, frozen=True, kw_only=True):
    enabled: bool = True
    mode: Literal["prefer", "strict", "free"] = "prefer"
    apply_at: Share = 0.75
    review_at: Share = 0.45
    max_tags: Positive = 5
    max_bytes: Positive = 67108864
    max_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    concurrency: Positive = 1
    share_while_arriving: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    language: Annotated[str, msgspec.Meta(pattern=r"^(auto|[a-z]{2,3}(-[A-Za-z0-9]+)*)$")] = "auto"
    ocr: Annotated[str, msgspec.Meta(pattern=r"^(off|auto|\w+(\+\w+)*)$")] = "auto"
    llm: Llm = Llm()
    embedding: Embedding = Embedding()
    speech: Speech = Speech()


class Server(Section, frozen=True, kw_only=True):
    socket: str | None = "api.sock"
    host: str = "127.0.0.1"
    port: Port | None = None
    drain_seconds: Seconds = 10.0
    token: Secret | None = None
    token_file: str | None = None
    accel: bool = False


class Network(Section, frozen=True, kw_only=True):
    patience_seconds: Annotated[float, msgspec.Meta(ge=0.1)] = 10.0
    ca_file: str | None = None
    cache_bytes: Count = 10737418240
    offline_writes: Literal["stage", "refuse"] = "stage"


class Log(Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Section, frozen=True, kw_only=True):
    """All settings. `Config()` is the defaults."""

    mount: Mount = Mount()
    store: Store = Store()
    neo4j: Neo4j = Neo4j()
    blobs: Blobs = Blobs()
    tags: Tags = Tags()
    trash: Trash = Trash()
    jobs: Jobs = Jobs()
    tagger: Tagger = Tagger()
    server: Server = Server()
    network: Network = Network()
    log: Log = Log()


@dataclass(frozen=True)
class Key:
    """One setting: its dotted name, its type, its default, and whether it is a secret."""

    name: str
    type: Any
    default: object
    secret: bool


def keys(section: type[Section] = Config, prefix: str = "") -> Iterator[Key]:
    """Every setting there is, in the order of config.yaml."""
    for field in msgspec.structs.fields(section):
        name = f"{prefix}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from keys(field.type, f"{name}.")
        else:
            secret = field.type is Secret or Secret in get_args(field.type)
            yield Key(name, field.type, field.default, secret)


KEYS = {key.name: key for key in keys()}
SECTIONS = frozenset(name.rpartition(".")[0] for name in KEYS)


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Config:
    """The configuration from a YAML file, `GRAPHFS_*` variables and options by dotted name; the later wins.

    `file` None: none is read. Raises InvalidArgument, which names every unknown or wrong key; a file that cannot
    be read is one too.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    if file is not None:
        values.update(_from_file(file, problems))
    values.update(_from_environment(environment or {}, problems))
    values.update(_from_options(options or {}, problems))
    _read_secrets(values, file, problems)
    if not problems:
        _check_together(values, problems)
    if problems:
        raise InvalidArgument("\n".join(problems))
    return _build(Config, values)


def for_drive(
    state: Path,
    file: Path | None,
    environment: Mapping[str, str],
    options: Mapping[str, str] | None = None,
) -> Config:
    """What every edge asks: `load` with the file that was named, else with the state directory's config.yaml."""
    if file is None and (state / FILE_NAME).exists():
        file = state / FILE_NAME
    return load(file, environment, options)


def as_yaml(config: Config) -> str:
    """The configuration as a file of its own, without its secrets."""
    values = msgspec.to_builtins(config, enc_hook=str)
    for key in keys():
        if key.secret:
            section = values
            *above, last = key.name.split(".")
            for name in above:
                section = section[name]
            section.pop(last, None)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _from_file(file: Path, problems: list[str]) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            tree = yaml.safe_load(stream)
    except OSError as error:
        problems.append(f"{file}: {error.strerror or error}")
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problems.append(f"{file}: not YAML: {' '.join(str(error).split())}")
        return {}
    values: dict[str, object] = {}
    for name, value in _flat({} if tree is None else tree, "", str(file), problems):
        key = _known(name, str(file), problems)
        if key is None:
            continue
        if key.secret:
            place = f"the environment variable {_variable(name)}"
            problems.append(f"{file}: {name} is a secret: give it by {place} or in a file that {name}_file names")
        else:
            _take(values, key, value, str(file), problems, strict=True)
    return values


def _flat(tree: object, prefix: str, source: str, problems: list[str]) -> Iterator[tuple[str, object]]:
    """The leaves of a YAML tree by dotted name. A section without content is fine, a value in its place is not."""
    if not isinstance(tree, dict):
        what = prefix.rstrip(".") or "the file"
        problems.append(f"{source}: {what}: expected keys and values, got {_shown(tree)}")
        return
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if name not in SECTIONS:
            yield name, value
        elif value is not None:
            yield from _flat(value, f"{name}.", source, problems)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in ARGUMENTS:
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        key = KEYS.get(name)
        if key is None:
            variables = [_variable(known) for known in KEYS]
            problems.append(f"environment: unknown setting {variable}{_nearest(variable, variables)}")
        elif key.secret:
            values[name] = Secret(environment[variable])
        else:
            _take(values, key, environment[variable], f"environment: {variable}", problems, strict=False)
    return values


def _from_options(options: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in options.items():
        key = _known(name, "option", problems)
        if key is not None and key.secret:
            problems.append(f"option: {name} is a secret: a command line is seen by everybody")
        elif key is not None:
            _take(values, key, value, "option", problems, strict=False)
    return values


def _known(name: str, source: str, problems: list[str]) -> Key | None:
    key = KEYS.get(name)
    if key is None:
        problems.append(f"{source}: unknown key {name}{_nearest(name, list(KEYS))}")
    return key


def _nearest(name: str, known: list[str]) -> str:
    """`; did you mean ...?` for the known name that is nearest, if one is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if not near:
        # The right key in the wrong section.
        near = [candidate for candidate in known if candidate.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _take(
    values: dict[str, object], key: Key, value: object, source: str, problems: list[str], *, strict: bool
) -> None:
    """Converts one value to its key's type. Text from outside YAML (`strict` false) may be a number or a truth."""
    if not strict and value == "" and type(None) in get_args(key.type):
        value = None
    try:
        values[key.name] = msgspec.convert(value, key.type, strict=strict)
    except msgspec.ValidationError:
        where = source if _variable(key.name) in source else f"{source}: {key.name}"
        problems.append(f"{where}: expected {expected(key.type)}, got {_shown(value)}")


def _read_secrets(values: dict[str, object], file: Path | None, problems: list[str]) -> None:
    """A secret whose `*_file` is set is read from there, relative to the configuration file; the environment wins."""
    for key in KEYS.values():
        name = values.get(f"{key.name}_file") if key.secret else None
        if not isinstance(name, str) or key.name in values:
            continue
        path = Path(name).expanduser()
        if file is not None:
            path = file.parent / path
        try:
            values[key.name] = Secret(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{key.name}_file: cannot read {path}: {getattr(error, 'strerror', None) or error}")


def _check_together(values: dict[str, object], problems: list[str]) -> None:
    """What no single key can tell."""

    def value(name: str) -> Any:
        return values.get(name, KEYS[name].default)

    if value("tagger.review_at") > value("tagger.apply_at"):
        problems.append("tagger.review_at must not be over tagger.apply_at")
    if value("jobs.backoff_seconds") > value("jobs.backoff_max_seconds"):
        problems.append("jobs.backoff_seconds must not be over jobs.backoff_max_seconds")
    for endpoint in ("tagger.llm", "tagger.embedding", "tagger.speech"):
        if (value(f"{endpoint}.base_url") is None) != (value(f"{endpoint}.model") is None):
            problems.append(f"{endpoint}.base_url and {endpoint}.model are set together, or neither")
    if value("tagger.embedding.base_url") is not None and value("tagger.llm.base_url") is None:
        problems.append("tagger.embedding serves a large model: set tagger.llm too")
    if value("tagger.speech.base_url") is not None and value("tagger.speech.command") is not None:
        problems.append("tagger.speech.base_url or tagger.speech.command transcribes, not both")
    if value("blobs.engine") == "s3" and value("blobs.endpoint") is None:
        problems.append("blobs.engine s3 needs blobs.endpoint")


def _build(section: type[T], values: Mapping[str, object], prefix: str = "") -> T:
    chosen: dict[str, object] = {}
    for field in msgspec.structs.fields(section):
        name = f"{prefix}{field.name}"
        if name in SECTIONS:
            chosen[field.name] = _build(field.type, values, f"{name}.")
        elif name in values:
            chosen[field.name] = values[name]
    return section(**chosen)


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")


def _shown(value: object) -> str:
    return f"{value!r} ({'nothing' if value is None else type(value).__name__})"


def expected(kind: Any) -> str:
    """A setting's type in words: `one of prefer, strict, free`, `a whole number, at least 1`."""
    origin = get_origin(kind)
    if origin is Annotated:
        base, *notes = get_args(kind)
        return ", ".join([expected(base), *(bounds for note in notes if (bounds := _bounds(note)))])
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(kind))
    if origin in (Union, UnionType):
        words = [expected(part) for part in get_args(kind) if part is not type(None)]
        return " or ".join([*words, "null"])
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", Secret: "a secret"}[kind]


def _bounds(meta: msgspec.Meta) -> str:
    words = []
    for bound, word in ((meta.ge, "at least"), (meta.gt, "over"), (meta.le, "at most"), (meta.lt, "under")):
        if bound is not None:
            words.append(f"{word} {bound:g}")
    if meta.min_length:
        words.append("not empty")
    return ", ".join(words)
