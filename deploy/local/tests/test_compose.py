"""docker-compose.yml and the image: every process is there, watched, and gets its secrets as files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cloudly_kit.config import DEFAULT_PORTS, SERVICES
from cloudly_local.processes import IDENTITIES, PROCESSES
from cloudly_local.proxies import CONTAINER_PORTS

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_every_process_of_the_suite_is_a_service(services: dict) -> None:
    for process in PROCESSES:
        assert services[process.name]["command"] == [process.name]
    assert {"envoy", "traefik", "mongo", "redis", "s3"} <= set(services)


def test_every_service_that_stays_has_a_health_check(services: dict) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) == (name != "configure"), name
    for name in SERVICES:
        assert services[name]["healthcheck"]["test"][-1] == f"127.0.0.1:{DEFAULT_PORTS[name]}"


def test_one_port_is_published_and_only_on_loopback_unless_asked(services: dict) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"traefik": ["${CLOUDLY_BIND:-127.0.0.1}:${SERVEZONE_PORT:-8080}:8080"]}
    assert services["gateway"]["environment"]["CLOUDLY_GATEWAY_LISTEN"].endswith(f":{CONTAINER_PORTS['gateway']}")


def test_secrets_come_as_files(services: dict) -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["secrets"]
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASS|SECRET|ADMINACCOUNT|ACCESSKEY|REDIS_URL", variable):
                assert variable.endswith("_FILE"), (name, variable)
            if variable.endswith("_FILE"):
                secret = str(value).removeprefix("/run/secrets/")
                assert secret in service["secrets"], (name, variable)
                assert secret in declared
    assert "admin_account" not in services["auth-worker"]["secrets"]


def test_the_image_copies_every_member_that_a_process_needs() -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    copied = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert {
        "proto",
        "kit",
        "providers",
        "services",
        "gateway",
        "deploy/local",
        "deploy/envoy",
        "deploy/traefik",
    } <= set(copied)
    for name in SERVICES:
        assert f"-e ./services/{name}" in dockerfile
    for path in copied:
        assert (ROOT / path).exists(), path


def test_the_secrets_are_made_once(place: Path) -> None:
    shutil.copy(ROOT / "deploy/docker/make-secrets", place)
    first = subprocess.run([place / "make-secrets"], capture_output=True, text=True, check=True)
    made = {file.name: file.read_text() for file in (place / "secrets").iterdir()}
    assert set(made) == set(yaml.safe_load(COMPOSE.read_text())["secrets"])
    assert made["redis_pass"] in made["redis_url"]
    assert made["admin_account"] in first.stdout
    again = subprocess.run([place / "make-secrets"], capture_output=True, text=True, check=True)
    assert again.stdout == ""
    assert made == {file.name: file.read_text() for file in (place / "secrets").iterdir()}


def test_the_images_entry_point_makes_keys_and_configurations_and_reads_secret_files(place: Path) -> None:
    code = (
        "import os, sys, pathlib; from cloudly_local import container\n"
        "container.read_secret_files(); container.configure(pathlib.Path(sys.argv[1]))\n"
        "print(os.environ['SERVEZONE_URL'], 'SERVEZONE_URL_FILE' in os.environ)"
    )
    (place / "url").write_text("cloudly.example\n")
    environment = {
        **os.environ,
        "SERVEZONE_URL_FILE": str(place / "url"),
        "CLOUDLY_KEYS_DIR": str(place / "keys"),
        "SERVEZONE_SSLMODE": "letsencrypt",
    }
    said = subprocess.run(
        [sys.executable, "-c", code, str(place / "proxies")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["cloudly.example", "False"]
    assert {file.name for file in (place / "keys").iterdir()} == {
        "master.json",
        *(f"{name}.{end}" for name in IDENTITIES for end in ("key", "pub")),
    }
    traefik = yaml.safe_load((place / "proxies" / "traefik.yaml").read_text())
    assert traefik["entryPoints"]["public"]["http"]["tls"]["domains"] == [{"main": "cloudly.example"}]
    assert traefik["certificatesResolvers"]["public"]["acme"]["tlsChallenge"] == {}


def test_the_file_holds_together(services: dict) -> None:
    whole = yaml.safe_load(COMPOSE.read_text())
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service.get("secrets", [])) <= set(whole["secrets"]), name
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in whole["volumes"], name
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        checked = subprocess.run(
            [docker, "compose", "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
