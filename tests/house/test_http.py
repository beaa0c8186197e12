"""What is generated of the HTTP API's documentation is as the code has it, and the page's examples do what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs import wire
from graphfs.config import Config
from tests.house.source import ROOT

PAGE = ROOT / "docs" / "http.md"
DOCUMENT = ROOT / "docs" / "openapi.json"


def test_the_generated_parts_are_as_the_code_has_them() -> None:
    command = [sys.executable, "scripts/http_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_document_holds_every_operation() -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    found = {row["operationId"] for verbs in document["paths"].values() for row in verbs.values()}
    assert found == set(wire.OPERATIONS)
    assert document["openapi"] == "3.1.0"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    document = json.loads(text)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        place = document
        for step in reference.split("/"):
            place = place[step]


def examples() -> list[tuple[str, str]]:
    """The commands of the page's console blocks, each with the output that it shows."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip()))
    return found


def test_the_examples_do_what_the_page_says(tmp_path: Path) -> None:
    state = tmp_path / "state"
    service = open_service(state, Config())
    server = run_in_thread(service, f"unix:{state / 'api.sock'}")
    commands = examples()
    assert len(commands) > 15
    mark = "--- the next one ---"
    script = "\n".join(f"{command}\nprintf '\\n%s\\n' '{mark}'" for command, _ in commands)
    try:
        done = subprocess.run(
            ["bash", "-c", script], env={"STATE": str(state), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
    finally:
        server.stop()
        service.close()
    assert done.stderr == ""
    answers = done.stdout.split(mark)
    for (command, shown), answer in zip(commands, answers, strict=False):
        pattern = ".*".join(map(re.escape, shown.split("...")))
        told = answer.strip().replace("\r", "")
        assert re.fullmatch(pattern, told, re.DOTALL), f"{command}\nshows {shown}\ngives {told}"


@pytest.mark.parametrize("row", wire.OPERATIONS.values(), ids=lambda row: row.name)
def test_an_operation_is_in_a_test_of_its_contract(row: wire.Operation) -> None:
    """Every method of the boundary is called by the suite that says what it must do."""
    folders = ("contracts", "system") if not row.of_drive else ("contracts",)
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / "tests" / folder).glob("*.py")]
    wanted = f".{row.name}(" if row.of_drive else row.path.split("{")[0]
    wanted_too = f"drive.{row.name}"
    assert any(wanted in text or wanted_too in text for text in texts)
