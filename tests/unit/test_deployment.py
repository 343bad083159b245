"""compose.yaml, the images' lock files and Prometheus' configuration are whole, and agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile.gpu"


def compose() -> dict[str, Any]:
    """Read compose.yaml with its variables replaced as without an .env file, except for those that must be set."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))
    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:\?[^}]*\}", "set", text))
    return document


def locked(name: str) -> dict[str, str]:
    """Read a lock file's versions by package."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package.lower()): version for package, version in found}


def test_compose_is_valid_by_its_specification() -> None:
    """Every key and value is one that the Compose specification knows."""
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose()))


def test_a_key_that_compose_does_not_know_is_found() -> None:
    """The check above can fail."""
    document = compose()
    document["services"]["postgres"]["imagee"] = "postgres:17"

    with pytest.raises(ValueError, match="imagee"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(document))


def test_every_service_is_pinned_checked_and_kept() -> None:
    """Images have a version, what serves has a health check (its own or its image's), and volumes are declared."""
    document = compose()
    services = document["services"]
    own_check = "HEALTHCHECK" in DOCKERFILE.read_text(encoding="utf-8")

    assert {"touchstone", "triton", "postgres", "milvus", "prometheus"} <= services.keys()
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag != "latest", name
        assert re.search(r"\d", tag) or "build" in service or tag in {"gpu", "triton"}, name
        assert "healthcheck" in service or ("build" in service and own_check), name
        for volume in service.get("volumes", ()):
            source, _, target = volume.partition(":")
            assert not target or source.startswith((".", "/")) or source in document["volumes"], (name, volume)
        for needed in service.get("depends_on", ()):
            profiles = services[needed].get("profiles")
            assert profiles is None or profiles == service["profiles"], (name, needed)


def test_nothing_is_published_beyond_this_host() -> None:
    """Nobody has to sign in by default, so ports are bound to the loopback address."""
    ports = [port for service in compose()["services"].values() for port in service.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_scrapes_services_that_there_are() -> None:
    """Each target is a service of compose.yaml; rules lie in a folder of their own."""
    document = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [
        *(name for job in document["scrape_configs"] for dns in job.get("dns_sd_configs", ()) for name in dns["names"]),
        *(
            target.partition(":")[0]
            for job in document["scrape_configs"]
            for static in job.get("static_configs", ())
            for target in static["targets"]
        ),
    ]

    assert {"touchstone", "triton", "milvus"} <= set(targets)
    assert set(targets) <= {*compose()["services"], "localhost"}
    assert document["rule_files"] == ["rules/*.yml"]


@pytest.mark.parametrize("name", ["requirements-image.lock", "requirements-triton.lock"])
def test_everything_in_an_image_has_its_sha256(name: str) -> None:
    """Each package of a lock file with hashes has one at least."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text(encoding="utf-8"))[1:]

    assert len(entries) == len(locked(name))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_images_packages_are_those_that_were_tested() -> None:
    """What the GPU's image shares with the CPU's installation has its version; the two builds of FAISS never meet."""
    image, tested = locked("requirements-image.lock"), locked("requirements.lock")
    own = {"faiss-gpu", "rapidocr", "hatchling", "pathspec", "pluggy", "tomlkit", "trove-classifiers", "setuptools"}

    differ = {name for name, version in image.items() if tested.get(name) != version}

    assert {name for name in differ if not name.startswith("nvidia-")} <= own
    assert "faiss-cpu" not in image
    assert image["faiss-gpu"] == tested["faiss-cpu"]
    pinned = re.findall(
        r'^ +"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    needed = {re.sub(r"[-_.]+", "-", name.lower()): version.rpartition("!")[2] for name, version in pinned}
    shared = needed.keys() & image.keys()
    assert len(shared) > 30
    assert {name: image[name].rpartition("!")[2] for name in shared} == {name: needed[name] for name in shared}
