"""Container images without any registry: a static web server (busybox) on an empty base, in any number of versions."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BUSYBOX = "/bin/busybox"
PORT = 8080
SHELL_TOOLS = ("sh", "cat", "wget", "sleep", "false", "true", "echo", "test", "ls")
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class WebImage:
    """An image that serves `text` at / on port 8080; the same fields make the same digest."""

    text: str
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = (BUSYBOX, "httpd", "-f", "-p", str(PORT), "-h", "/www")
    # A shell line that tells the container's health; "" for none. Only Docker's own format carries it.
    health_check: str = ""
    # Bytes that make the layer bigger.
    padding: int = 0

    def layer(self) -> bytes:
        """The only layer, an uncompressed tar."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for directory in ("bin", "www", "tmp", "etc"):
                _add(tar, directory, kind=tarfile.DIRTYPE, mode=0o777 if directory == "tmp" else 0o755)
            _add(tar, "bin/busybox", content=_busybox(), mode=0o755)
            for tool in SHELL_TOOLS:
                _add(tar, f"bin/{tool}", kind=tarfile.SYMTYPE, link="busybox")
            _add(tar, "www/index.html", content=self.text.encode())
            if self.padding:
                _add(tar, "padding", content=hashlib.shake_256(self.text.encode()).digest(self.padding))
        return buffer.getvalue()

    def config(self, layer_digest: str) -> dict[str, object]:
        """The image's configuration (OCI image-spec, config.md; `Healthcheck` is Docker's addition)."""
        run: dict[str, object] = {
            "Cmd": list(self.command),
            "Env": ["PATH=/bin", *(f"{name}={value}" for name, value in sorted(self.environment.items()))],
            "ExposedPorts": {f"{PORT}/tcp": {}},
            # A shell-less process 1 ignores SIGTERM, and each stop would take the whole grace.
            "StopSignal": "SIGKILL",
        }
        if self.health_check:
            second = 1_000_000_000
            run["Healthcheck"] = {
                "Test": ["CMD-SHELL", self.health_check],
                "Interval": second,
                "Timeout": second,
                "Retries": 2,
            }
        return {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created": CREATED, "created_by": "tests"}],
        }


def write_oci_layout(image: WebImage, directory: Path, tag: str = "latest") -> str:
    """Write the image as an OCI layout (skopeo: `oci:<directory>:<tag>`); the manifest's digest."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = put(image.layer(), "application/vnd.oci.image.layer.v1.tar")
    config = put(_json(image.config(str(layer["digest"]))), "application/vnd.oci.image.config.v1+json")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = put(
        _json({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]}), media_type
    )
    platform = {"architecture": "amd64", "os": "linux"}
    index_path = directory / "index.json"
    entries = json.loads(index_path.read_text())["manifests"] if index_path.exists() else []
    name = "org.opencontainers.image.ref.name"
    entries = [entry for entry in entries if entry["annotations"][name] != tag]
    entries.append({**manifest, "annotations": {name: tag}, "platform": platform})
    index_path.write_bytes(_json({"schemaVersion": 2, "manifests": entries}))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(manifest["digest"])


def docker_archive(image: WebImage, reference: str) -> bytes:
    """The image as `docker load` takes it, under this name (`name:tag`)."""
    layer = image.layer()
    config = _json(image.config(f"sha256:{hashlib.sha256(layer).hexdigest()}"))
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "layer.tar", content=layer)
        _add(tar, config_name, content=config)
        manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
        _add(tar, "manifest.json", content=_json(manifest))
    return buffer.getvalue()


def push(image: WebImage, target: str, directory: Path, *, credentials: str = "", tls: bool = False) -> str:
    """Push with skopeo to `host/repository:tag` (credentials: `user:password`); the digest that was pushed."""
    tag = target.rpartition(":")[2]
    digest = write_oci_layout(image, directory, tag)
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", f"--dest-tls-verify={str(tls).lower()}"]
    if credentials:
        command.append(f"--dest-creds={credentials}")
    # The manifest stays byte for byte, so that the digest is the one that was written here.
    command += ["--preserve-digests", f"oci:{directory}:{tag}", f"docker://{target}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"skopeo copy to {target} failed: {done.stderr}")
    return digest


def _busybox() -> bytes:
    path = shutil.which("busybox") or BUSYBOX
    content = Path(path).read_bytes()
    if b"/lib64/ld-linux" in content[:4096]:
        raise RuntimeError(f"{path} is not statically linked: install busybox-static")
    return content


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _add(
    tar: tarfile.TarFile,
    name: str,
    *,
    content: bytes = b"",
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(content)
    tar.addfile(entry, io.BytesIO(content))
