"""`docker login` against the whole suite."""

import json
import uuid

import pytest

from tests.images import WebImage, docker_archive

pytestmark = [pytest.mark.docker, pytest.mark.e2e]


def test_an_api_token_is_a_login_for_docker_until_it_is_revoked(docker_engine, suite, api, tmp_path):
    name, other = (f"team/r{uuid.uuid4().hex[:8]}" for _ in range(2))
    host = f"localhost:{suite.port}"
    wish = {"name": "docker in CI", "permissions": ["registry.pull", "registry.push"], "repositories": [name]}
    made = api.post("/api/v1/tokens", {"token": wish})

    def docker(*arguments: str, stdin: bytes | None = None, check: bool = True) -> str:
        return docker_engine.docker("--config", str(tmp_path), *arguments, stdin=stdin, check=check)

    docker("login", host, "-u", suite.admin_username, "--password-stdin", stdin=made["secret"].encode())
    kept = (tmp_path / "config.json").read_text()
    assert json.loads(kept)["auths"][host]["identitytoken"]
    assert made["secret"] not in kept
    for repository in (name, other):
        docker("load", stdin=docker_archive(WebImage("by token"), f"{host}/{repository}:v1"))
    docker("push", f"{host}/{name}:v1")
    with pytest.raises(RuntimeError, match="denied"):
        docker("push", f"{host}/{other}:v1")
    docker("rmi", f"{host}/{name}:v1")
    docker("pull", f"{host}/{name}:v1")
    api.delete(f"/api/v1/tokens/{made['token']['id']}")
    with pytest.raises(RuntimeError, match="unauthorized"):
        docker("push", f"{host}/{name}:v1")
