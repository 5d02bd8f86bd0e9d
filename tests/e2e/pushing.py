"""Pushes made by hand, for what no builder at hand makes: many platforms, histories, attestations, signatures."""

import base64
import hashlib
import io
import json
import tarfile
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class SigningKey:
    """A key as `cosign generate-key-pair` makes one."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = self._private.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()

    def sign(self, payload: bytes) -> str:
        """The signature of a payload, in base64."""
        return base64.b64encode(self._private.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()


class Repository:
    """A repository of the suite, pushed to as its admin."""

    def __init__(self, suite: Any, name: str) -> None:
        self.name = name
        self._http = httpx.Client(base_url=suite.url, timeout=30)
        login = (suite.admin_username, suite.admin_password)
        answer = self._http.get("/v2/token", params={"scope": f"repository:{name}:pull,push,delete"}, auth=login)
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['token']}"

    def blob(self, content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Push a blob; its descriptor."""
        described = descriptor(content, media_type, **more)
        begun = self._http.post(f"/v2/{self.name}/blobs/uploads/").raise_for_status()
        self._http.put(
            begun.headers["Location"], params={"digest": described["digest"]}, content=content
        ).raise_for_status()
        return described

    def manifest(self, content: dict[str, Any], tag: str = "", **more: Any) -> dict[str, Any]:
        """Push a manifest, by its digest or under a tag; its descriptor."""
        body = json.dumps({"schemaVersion": 2, **content}).encode()
        described = descriptor(body, content["mediaType"], **more)
        headers = {"Content-Type": content["mediaType"]}
        path = f"/v2/{self.name}/manifests/{tag or described['digest']}"
        self._http.put(path, content=body, headers=headers).raise_for_status()
        return described

    def pull(self, reference: str) -> dict[str, Any]:
        """A manifest, as a client gets it."""
        answer = self._http.get(f"/v2/{self.name}/manifests/{reference}", headers={"Accept": f"{MANIFEST}, {INDEX}"})
        manifest: dict[str, Any] = answer.raise_for_status().json()
        return manifest

    def image(self, text: str, tag: str = "", architecture: str = "amd64") -> dict[str, Any]:
        """Push an image of two layers with a history, for a platform; its descriptor."""
        base = self.blob(_layer("base", b"base" * 300_000), LAYER)
        own = self.blob(_layer("app", text.encode() * 2000), LAYER)
        platform = {"os": "linux", "architecture": architecture}
        config = {
            **platform,
            "created": "2026-01-02T03:04:05Z",
            "config": {
                "Env": ["PATH=/usr/local/bin:/bin", "API_KEY=s3cret-in-the-image"],
                "Entrypoint": ["/app/server"],
                "Cmd": ["--port", "8080"],
                "User": "1000",
                "ExposedPorts": {"8080/tcp": {}},
                "Labels": {"org.opencontainers.image.source": "https://git.example.org/shop"},
            },
            "history": [
                {"created": "2026-01-02T03:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:base in /"},
                {"created": "2026-01-02T03:01:00Z", "created_by": "ENV PATH=/usr/local/bin:/bin", "empty_layer": True},
                {"created": "2026-01-02T03:04:05Z", "created_by": f"COPY {text} /app # buildkit"},
            ],
            "rootfs": {"type": "layers", "diff_ids": [base["digest"], own["digest"]]},
        }
        configured = self.blob(json.dumps(config).encode(), CONFIG)
        manifest = {"mediaType": MANIFEST, "config": configured, "layers": [base, own]}
        return self.manifest(manifest, tag, platform=platform)

    def built(self, text: str, tag: str) -> dict[str, Any]:
        """Push what BuildKit makes: an image for two platforms with an SBOM beside the first; its descriptor."""
        amd, arm = self.image(text, architecture="amd64"), self.image(text, architecture="arm64")
        predicate = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
        statement = self.blob(b'{"_type":"https://in-toto.io/Statement/v0.1"}', "application/vnd.in-toto+json")
        attestation = {
            "mediaType": MANIFEST,
            "config": self.blob(b"{}", CONFIG),
            "layers": [{**statement, "annotations": predicate}],
        }
        about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd["digest"]}
        nowhere = {"os": "unknown", "architecture": "unknown"}
        attested = self.manifest(attestation, platform=nowhere, annotations=about)
        return self.manifest({"mediaType": INDEX, "manifests": [amd, arm, attested]}, tag)

    def sign(self, subject: dict[str, Any]) -> dict[str, Any]:
        """Push a signature of something; its descriptor."""
        empty = self.blob(b"{}", "application/vnd.oci.empty.v1+json")
        content = {"mediaType": MANIFEST, "artifactType": "application/vnd.cncf.notary.signature", "config": empty}
        about = {name: subject[name] for name in ("mediaType", "digest", "size")}
        return self.manifest({**content, "layers": [empty], "subject": about})

    def cosign(self, subject: dict[str, Any], *keys: SigningKey) -> None:
        """Push what `cosign sign` pushes: signatures of a digest, under its tag."""
        critical = {
            "identity": {"docker-reference": self.name},
            "image": {"docker-manifest-digest": subject["digest"]},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        simple_signing = "application/vnd.dev.cosign.simplesigning.v1+json"
        signature = "dev.cosignproject.cosign/signature"
        layers = [self.blob(payload, simple_signing, annotations={signature: key.sign(payload)}) for key in keys]
        manifest = {"mediaType": MANIFEST, "config": self.blob(b"{}", CONFIG), "layers": layers}
        self.manifest(manifest, f"{subject['digest'].replace(':', '-')}.sig")


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """What a manifest says of some content."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content), **more}


def _layer(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
