"""What a user meets who writes a configuration: which value wins, and what a mistake is answered with."""

from pathlib import Path

import pytest

from graphfs.config import Config, Secret, as_yaml, for_drive, load
from graphfs.errors import InvalidArgument


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(*arguments: object) -> str:
    with pytest.raises(InvalidArgument) as caught:
        load(*arguments)  # type: ignore[arg-type]  # the cases are given as they come
    return str(caught.value)


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = written(
        tmp_path, "tagger: {max_tags: 7, mode: free, llm: {timeout_seconds: 5}}\nmount: {binding: mfusepy}\n"
    )
    environment = {"GRAPHFS_TAGGER__MAX_TAGS": "9", "GRAPHFS_MOUNT__BINDING": "pyfuse3", "HOME": "/nowhere"}
    config = load(file, environment, {"mount.binding": "fusepy"})
    assert config.tagger.max_tags == 9
    assert config.tagger.mode == "free"
    assert config.tagger.llm.timeout_seconds == 5.0
    assert config.mount.binding == "fusepy"
    assert config.store == Config().store


@pytest.mark.parametrize("text", ["", "# nothing\n", "tagger:\n", "tagger: {}\n", "tagger: {llm: null}\n"])
def test_an_empty_section_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text)) == Config()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("tagger: {modle: free}", "unknown key tagger.modle; did you mean tagger.mode?"),
        ("taggr: {mode: free}", "unknown key taggr"),
        ("binding: fusepy", "unknown key binding; did you mean mount.binding?"),
        ("tagger: {llm: {modell: x}}", "unknown key tagger.llm.modell; did you mean tagger.llm.model?"),
        ("qqq: 1", "unknown key qqq"),
        ("tagger: {max_tags: many}", "tagger.max_tags: expected a whole number, at least 1, got 'many' (str)"),
        ("tagger: {max_tags: 0}", "tagger.max_tags: expected a whole number, at least 1, got 0 (int)"),
        ("tagger: {max_tags: true}", "tagger.max_tags: expected a whole number, at least 1, got True (bool)"),
        ("tagger: {enabled: 'yes'}", "tagger.enabled: expected true or false, got 'yes' (str)"),
        ("tagger: {mode: wild}", "tagger.mode: expected one of prefer, strict, free, got 'wild' (str)"),
        ("tagger: {apply_at: 1.5}", "tagger.apply_at: expected a number, at least 0, at most 1, got 1.5 (float)"),
        ("tagger: 5", "tagger: expected keys and values, got 5 (int)"),
        ("- tagger", "the file: expected keys and values, got ['tagger'] (list)"),
        ("tags: {inbox: a/b}", "tags.inbox: expected text"),
        ("tagger: {review_at: 0.9}", "tagger.review_at must not be over tagger.apply_at"),
        ("tagger: {llm: {model: m}}", "tagger.llm.base_url and tagger.llm.model are set together"),
        ("tagger: {llm: {api_key: sk-1}}", "tagger.llm.api_key is a secret"),
        ("tagger: {", "not YAML"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, answer: str) -> None:
    message = refused(written(tmp_path, text))
    assert answer in message
    assert "sk-1" not in message


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    message = refused(written(tmp_path, "tagger: {modle: x}"), {"GRAPHFS_TAGGER__MAX_TAGS": "x", "GRAPHFS_NO": "1"})
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    ("variable", "value", "answer"),
    [
        (
            "GRAPHFS_TAGGER_ENABLED",
            "no",
            "unknown setting GRAPHFS_TAGGER_ENABLED; did you mean GRAPHFS_TAGGER__ENABLED?",
        ),
        ("GRAPHFS_TAGGER__MAX_TAGS", "ten", "GRAPHFS_TAGGER__MAX_TAGS: expected a whole number, at least 1, got 'ten'"),
    ],
)
def test_a_mistake_in_the_environment_is_named(variable: str, value: str, answer: str) -> None:
    assert answer in refused(None, {variable: value})


def test_the_variables_of_arguments_are_no_settings() -> None:
    arguments = {"GRAPHFS_CONFIG": "x", "GRAPHFS_STATE": "y", "GRAPHFS_SERVER": "z"}
    assert load(None, arguments) == Config()


def test_text_from_outside_becomes_the_setting_s_type() -> None:
    config = load(
        None, {"GRAPHFS_TAGGER__ENABLED": "false", "GRAPHFS_SERVER__PORT": "8080", "GRAPHFS_SERVER__SOCKET": ""}
    )
    assert (config.tagger.enabled, config.server.port, config.server.socket) == (False, 8080, None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "absent.yaml") in refused(tmp_path / "absent.yaml")


def test_a_secret_comes_by_environment_or_file_and_never_shows(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    file = written(tmp_path, "tagger: {llm: {api_key_file: key}}")
    config = load(file)
    assert config.tagger.llm.api_key == Secret("sk-from-file")
    over = load(file, {"GRAPHFS_TAGGER__LLM__API_KEY": "sk-from-environment"})
    assert over.tagger.llm.api_key is not None
    assert over.tagger.llm.api_key.reveal() == "sk-from-environment"
    for shown in (repr(over), str(over.tagger.llm.api_key), f"{over}", as_yaml(over)):
        assert "sk-from" not in shown
    assert load(written(tmp_path, as_yaml(over))).tagger.llm.api_key == Secret("sk-from-file")


def test_a_secret_is_refused_on_the_command_line() -> None:
    assert "command line" in refused(None, None, {"tagger.llm.api_key": "sk-1"})


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    message = refused(written(tmp_path, "tagger: {llm: {api_key_file: nothing}}"))
    assert f"tagger.llm.api_key_file: cannot read {tmp_path / 'nothing'}" in message


def test_nothing_can_be_changed_after_loading() -> None:
    with pytest.raises(AttributeError):
        Config().tagger.max_tags = 3  # type: ignore[misc]  # that it fails is what is tested


def test_a_named_file_goes_before_the_state_directory_s(tmp_path: Path) -> None:
    assert for_drive(tmp_path, None, {}) == Config()
    written(tmp_path, "tagger: {max_tags: 7}")
    assert for_drive(tmp_path, None, {}).tagger.max_tags == 7
    named = tmp_path / "named.yaml"
    named.write_text("tagger: {max_tags: 8}")
    assert for_drive(tmp_path, named, {}).tagger.max_tags == 8
    assert for_drive(tmp_path, named, {}, {"tagger.max_tags": "9"}).tagger.max_tags == 9
