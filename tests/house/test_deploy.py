"""What is deployed in containers agrees with the project: its settings load, and every file it names is there."""

import json
from pathlib import Path

import yaml

from graphfs.config import load
from tests.house.source import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_every_mounted_file_is_there() -> None:
    sources = [
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert sources
    assert [source for source in sources if not (DEPLOY / source).exists()] == []


def test_every_secret_is_a_file_that_is_never_committed() -> None:
    used = {name for service in COMPOSE["services"].values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())
    assert (DEPLOY / "secrets/.gitignore").read_text().split() == ["*", "!.gitignore"]


def test_images_are_pinned_and_nobody_is_privileged() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["image"] == "graphfs" or service["image"].rpartition(":")[2][0] in "v0123456789", name
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service
    assert "\nUSER graphfs\n" in (DEPLOY / "Dockerfile").read_text()


def test_the_settings_load(tmp_path: Path) -> None:
    text = (DEPLOY / "config.yaml").read_text().replace("/run/secrets/", f"{tmp_path}/")
    for name in ("s3_access", "s3_secret"):
        (tmp_path / name).write_text("key\n")
    (tmp_path / "config.yaml").write_text(text)
    assert load(tmp_path / "config.yaml").blobs.engine == "s3"


def test_the_dashboard_asks_for_figures_that_there_are() -> None:
    text = (DEPLOY / "grafana/graphfs.json").read_text()
    told = (ROOT / "gateway/telemetry.py").read_text()
    for panel in json.loads(text)["panels"]:
        for target in panel["targets"]:
            for word in target["expr"].replace("(", " ").replace("[", " ").replace("{", " ").split():
                if word.startswith("graphfs_"):
                    name = word.rstrip(")").removesuffix("_bucket").removesuffix("_count")
                    assert f'"{name}"' in told, name
