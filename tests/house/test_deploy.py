"""What is deployed in containers agrees with the project: its settings load, and every file it names is there."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from graphfs.config import load
from tests.house.source import ROOT

DEPLOY = ROOT / "deploy"
REPLICAS = ("gateway-1", "gateway-2", "gateway-3")
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
    for name in COMPOSE["secrets"]:
        (tmp_path / name).write_text("key\n")
    (tmp_path / "config.yaml").write_text(text)
    settings = load(tmp_path / "config.yaml")
    assert (settings.blobs.engine, settings.store.engine) == ("s3", "neo4j")
    assert settings.server.token is not None
    services = COMPOSE["services"]
    for address in (settings.neo4j.uri, str(settings.blobs.endpoint)):
        assert urlsplit(address).hostname in services
    # What a service reads, it is given.
    named = set(re.findall(r"/run/secrets/(\w+)", (DEPLOY / "config.yaml").read_text()))
    for name in REPLICAS:
        assert named <= set(services[name]["secrets"]), name
    # A tagger is a client: it knows no keys of the graph and of the bytes.
    load(DEPLOY / "tagger.yaml")
    for name in ("tagger-1", "tagger-2"):
        assert services[name]["secrets"] == ["graphfs_token"], name


def test_every_part_knows_the_same_main_servers_at_the_same_port() -> None:
    replicas = re.findall(r"^server ([\w-]+):(\d+)", (DEPLOY / "replicas.conf").read_text(), re.MULTILINE)
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    port = re.findall(r"0\.0\.0\.0:(\d+)", dockerfile)[0]
    assert replicas == [(name, port) for name in REPLICAS] * 2
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]
    assert scraped["targets"] == [f"{name}:{port}" for name in REPLICAS]
    assert set(COMPOSE["services"]["nginx"]["depends_on"]) == set(REPLICAS)
    for name in REPLICAS:
        assert f'"--host-name", "{name}"' in dockerfile
        assert f"127.0.0.1:{port}/readyz" in str(COMPOSE["services"][name]["healthcheck"])
    source = yaml.safe_load((DEPLOY / "grafana/datasource.yaml").read_text())["datasources"][0]
    assert urlsplit(source["url"]).hostname == "prometheus"


def test_nginx_has_every_file_that_its_configuration_includes() -> None:
    included = set(re.findall(r"^\s*include (\S+);", (ROOT / "nginx/cluster.conf").read_text(), re.MULTILINE))
    given = {volume.split(":")[1].rpartition("/")[2] for volume in COMPOSE["services"]["nginx"]["volumes"]}
    assert included | {"cluster.conf"} == given
    listens = re.findall(r"^listen (\d+)", (DEPLOY / "listen.conf").read_text(), re.MULTILINE)
    published = [port.rpartition(":")[2] for port in COMPOSE["services"]["nginx"]["ports"]]
    assert published == [listens[0]]
    assert f"nginx:{listens[1]}" in str(COMPOSE["services"]["tagger-1"]["command"])


def test_every_part_that_serves_says_how_it_is() -> None:
    silent = {name for name, service in COMPOSE["services"].items() if "healthcheck" not in service}
    assert silent == {"tagger-1", "tagger-2"}
    for name, service in COMPOSE["services"].items():
        waited = service.get("depends_on", {})
        assert set(waited) <= set(COMPOSE["services"]), name
        assert all(one["condition"] == "service_healthy" for one in waited.values()), name


def test_neo4j_is_the_version_that_the_tests_run_on() -> None:
    image = COMPOSE["services"]["neo4j"]["image"]
    version = image.rpartition(":")[2].removesuffix("-community")
    assert f"<version>{version}</version>" in (ROOT / "scripts/neo4j/pom.xml").read_text()


def test_the_dashboard_asks_for_figures_that_there_are() -> None:
    text = (DEPLOY / "grafana/graphfs.json").read_text()
    told = (ROOT / "gateway/telemetry.py").read_text()
    for panel in json.loads(text)["panels"]:
        for target in panel["targets"]:
            for word in target["expr"].replace("(", " ").replace("[", " ").replace("{", " ").split():
                if word.startswith("graphfs_"):
                    name = word.rstrip(")").removesuffix("_bucket").removesuffix("_count")
                    assert f'"{name}"' in told, name
