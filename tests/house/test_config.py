"""config.yaml holds every setting with its default and a reason, and docs/config.md is made from it."""

import subprocess
import sys

import msgspec
import yaml

from graphfs.config import KEYS, Config, load
from scripts.config_table import lines
from tests.house.source import ROOT

FILE = ROOT / "config.yaml"
WRITTEN = [key for key in KEYS.values() if not key.secret]


def test_it_holds_every_key_in_order_and_no_other() -> None:
    assert [line.name for line in lines(FILE.read_text(encoding="utf-8"))] == [key.name for key in WRITTEN]


def test_every_value_is_the_default() -> None:
    tree = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for key in WRITTEN:
        value = tree
        for part in key.name.split("."):
            value = value[part]
        assert (key.name, value, type(value)) == (key.name, key.default, type(key.default))
    assert load(FILE) == load() == Config()


def test_every_key_has_one_line_of_why() -> None:
    for line in lines(FILE.read_text(encoding="utf-8")):
        assert len(line.why) > 20, f"{line.name}: {line.why!r}"
        assert len(line.why) < 130, f"{line.name}: a line, not a page"


def test_the_page_is_made_from_it() -> None:
    done = subprocess.run([sys.executable, "scripts/config_table.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`"


def test_settings_are_frozen_and_plain() -> None:
    assert all(msgspec.convert(key.default, key.type) == key.default for key in WRITTEN)
