"""`make oras`: the oras command against a registry of its own: all its ways to bring, find, copy and take away artifacts.

The tests have oras-py, another program; this is the one that people type. Each step is one command and what it must come to.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cloudly_registry.testing import Registry

from tests.go_programs import against_registry
from tests.programs import run

PROGRAM = "oras.land/oras/cmd/oras@v1.3.6"
SBOM, SIGNATURE, CONFIG = "application/spdx+json", "application/vnd.example.signature", "application/vnd.example.app"
LARGE = 20 << 20


class Oras:
    """The command with a login of its own, in a directory of files."""

    def __init__(self, program: Path, registry: Registry, directory: Path) -> None:
        self.host = registry.settings.http_listen
        self.directory = directory
        self._program = program
        self._login = directory / "login"

    async def __call__(self, *arguments: str, stdin: bytes | None = None, fails: bool = False) -> str:
        """What a command prints."""
        command = ("env", f"--chdir={self.directory}", self._program, *arguments)
        return await run(*command, stdin=stdin, environment={"DOCKER_CONFIG": str(self._login)}, fails=fails)

    async def read(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(await self(*arguments, "--plain-http", "--format", "json"))

    def at(self, name: str) -> str:
        """A repository's or artifact's address."""
        return f"{self.host}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Write a file to the directory."""
        (self.directory / name).write_bytes(content)


def main() -> int:
    """Build, run, print; the number of failed steps, 2 where there is no Go."""
    return against_registry(PROGRAM, _run)


async def _run(program: Path, registry: Registry) -> int:
    directory = program.parent / "files"
    directory.mkdir()
    oras, failed = Oras(program, registry, directory), 0
    for step in STEPS:
        try:
            await step(oras)
            print(f"ok      {step.__doc__}")
        except (AssertionError, KeyError, ValueError, OSError) as error:
            failed += 1
            print(f"FAILED  {step.__doc__}\n{error}")
    print(f"{PROGRAM}: {len(STEPS) - failed} of {len(STEPS)} steps passed")
    return failed


async def log_in(oras: Oras) -> None:
    """login, with a wrong password first"""
    login = ("login", oras.host, "--plain-http", "-u", "admin", "--password-stdin")
    await oras(*login, stdin=b"wrong", fails=True)
    assert "Login Succeeded" in await oras(*login, stdin=b"admin-password")


async def push(oras: Oras) -> None:
    """push: two files, one of them of 20 MiB, with types, annotations and two tags"""
    oras.write("notes.txt", b"notes")
    oras.write("large.bin", bytes(range(256)) * (LARGE // 256))
    made = await oras.read(
        "push",
        oras.at("team/app:v1,latest"),
        "notes.txt:text/plain",
        "large.bin",
        "--artifact-type",
        CONFIG,
        "--annotation",
        "a=b",
    )
    assert made["artifactType"] == CONFIG
    assert made["annotations"]["a"] == "b"


async def pull(oras: Oras) -> None:
    """pull: both files, byte for byte, by tag and by digest"""
    digest = (await oras("resolve", "--plain-http", oras.at("team/app:v1"))).strip()
    for reference in ("team/app:latest", f"team/app@{digest}"):
        await oras("pull", "--plain-http", oras.at(reference), "-o", "out")
        for name in ("notes.txt", "large.bin"):
            assert (oras.directory / "out" / name).read_bytes() == (oras.directory / name).read_bytes()


async def attach(oras: Oras) -> None:
    """attach and discover: an SBOM, and a signature of the SBOM, found by type and as a tree"""
    oras.write("sbom.json", b'{"spdxVersion":"SPDX-2.3"}')
    oras.write("signature", b"signed")
    sbom = await oras.read("attach", oras.at("team/app:v1"), "sbom.json", "--artifact-type", SBOM)
    of_sbom = oras.at(f"team/app@{sbom['digest']}")
    await oras("attach", "--plain-http", of_sbom, "signature", "--artifact-type", SIGNATURE)
    found = await oras.read("discover", oras.at("team/app:v1"), "--artifact-type", SBOM)
    assert [one["digest"] for one in found["referrers"]] == [sbom["digest"]]
    tree = await oras("discover", "--plain-http", oras.at("team/app:v1"), "--format", "tree")
    assert SBOM in tree
    assert SIGNATURE in tree
    none = await oras.read("discover", oras.at("team/app:v1"), "--artifact-type", "application/vnd.example.none")
    assert not none.get("referrers")


async def copy(oras: Oras) -> None:
    """cp --recursive: to another repository, to an OCI layout and back, referrers too"""
    of = await oras.read("discover", oras.at("team/app:v1"))
    plain = ("--from-plain-http", "--to-plain-http")
    await oras("cp", "--recursive", *plain, oras.at("team/app:v1"), oras.at("team/copy:v1"))
    layout = ("--to-oci-layout", "--from-plain-http")
    await oras("cp", "--recursive", *layout, oras.at("team/app:v1"), "layout:v1")
    await oras("cp", "--recursive", "--from-oci-layout", "--to-plain-http", "layout:v1", oras.at("team/back:v1"))
    for name in ("team/copy:v1", "team/back:v1"):
        copied = await oras.read("discover", oras.at(name))
        assert _digests(copied) == _digests(of), name
        assert await oras("resolve", "--plain-http", oras.at(name)) == await oras(
            "resolve", "--plain-http", oras.at("team/app:v1")
        )


async def index(oras: Oras) -> None:
    """manifest index create and update: artifacts for two platforms under one tag"""
    for architecture in ("amd64", "arm64"):
        oras.write("config.json", json.dumps({"os": "linux", "architecture": architecture}).encode())
        config = "config.json:application/vnd.oci.image.config.v1+json"
        await oras("push", "--plain-http", oras.at(f"team/multi:{architecture}"), "notes.txt", "--config", config)
    await oras("manifest", "index", "create", "--plain-http", oras.at("team/multi:v1"), "amd64")
    await oras("manifest", "index", "update", "--plain-http", oras.at("team/multi:v1"), "--add", "arm64")
    made = json.loads(await oras("manifest", "fetch", "--plain-http", oras.at("team/multi:v1")))
    assert [entry["platform"]["architecture"] for entry in made["manifests"]] == ["amd64", "arm64"]
    arm = json.loads(
        await oras(
            "manifest", "fetch", "--plain-http", "--descriptor", "--platform", "linux/arm64", oras.at("team/multi:v1")
        )
    )
    assert arm["digest"] == made["manifests"][1]["digest"]


async def list_all(oras: Oras) -> None:
    """tag, repo tags, repo ls"""
    await oras("tag", "--plain-http", oras.at("team/app:v1"), "v2", "v3")
    tags = (await oras("repo", "tags", "--plain-http", oras.at("team/app"))).split()
    assert {"latest", "v1", "v2", "v3"} <= set(tags), tags
    names = (await oras("repo", "ls", "--plain-http", oras.host)).split()
    assert {"team/app", "team/back", "team/copy", "team/multi"} <= set(names), names


async def blobs(oras: Oras) -> None:
    """blob push, fetch and delete"""
    oras.write("blob", b"blob" * 1000)
    made = json.loads(await oras("blob", "push", "--plain-http", "--descriptor", oras.at("team/blobs"), "blob"))
    where = oras.at(f"team/blobs@{made['digest']}")
    await oras("blob", "fetch", "--plain-http", "--output", "fetched", where)
    assert (oras.directory / "fetched").read_bytes() == b"blob" * 1000
    await oras("blob", "delete", "--plain-http", "--force", where)
    await oras("blob", "fetch", "--plain-http", "--output", "gone", where, fails=True)


async def delete(oras: Oras) -> None:
    """manifest delete: what is deleted is gone, its copy is not"""
    await oras("manifest", "delete", "--plain-http", "--force", oras.at("team/back:v1"))
    await oras("pull", "--plain-http", oras.at("team/back:v1"), fails=True)
    await oras("pull", "--plain-http", oras.at("team/copy:v1"), "-o", "out")


def _digests(found: dict[str, Any]) -> list[str]:
    return [found["digest"], *(one for referrer in found.get("referrers") or () for one in _digests(referrer))]


STEPS: tuple[Callable[[Oras], Awaitable[None]], ...] = (
    log_in, push, pull, attach, copy, index, list_all, blobs, delete,
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
