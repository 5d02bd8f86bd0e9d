"""ImageVersionService: versions listed, taken apart, tagged and deleted; previews of retention; what the registry holds."""

from collections.abc import AsyncIterator

import orjson
import pytest
from cloudly.registry.v1 import image_pb2, image_pb2_grpc, image_version_pb2_grpc
from cloudly.registry.v1 import image_version_pb2 as pb
from cloudly_kit.errors import (
    FailedPrecondition,
    InvalidArgument,
    InvalidPageToken,
    NotFound,
    PermissionDenied,
    StaleEtag,
)
from cloudly_kit.ids import new_id
from cloudly_registry import image_versions
from cloudly_registry.image_config import image_config
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.referrer_kinds import ReferrerKind, is_fallback_tag, kind_of
from cloudly_registry.testing import (
    CONFIG,
    LAYER,
    Client,
    Image,
    Registry,
    attested_index_of,
    descriptor,
    index_of,
    layer,
)

Stub = image_version_pb2_grpc.ImageVersionServiceStub
EMPTY = "application/vnd.oci.empty.v1+json"
SECRET = "hunter2-in-the-environment"


@pytest.fixture
async def stub(registry: Registry) -> AsyncIterator[Stub]:
    async with registry.harness.channel("registry", "admin") as channel:
        yield Stub(channel)


async def id_of(registry: Registry, name: str) -> str:
    async with registry.harness.channel("registry", "admin") as channel:
        request = image_pb2.ListImagesRequest(filter=f'repository = "{name}"')
        (found,) = (await image_pb2_grpc.ImageServiceStub(channel).ListImages(request)).images
    return found.id


async def pin(registry: Registry, *digests: str) -> str:
    """Have a new cluster need these digests; its id."""
    cluster, token = new_id(), registry.auth.issue(name="clusters", type="service", audience="service")
    async with registry.harness.channel("registry", token=token) as channel:
        request = image_pb2.SetPinsRequest(cluster_id=cluster, digests=digests, revision=1)
        await image_pb2_grpc.ImageServiceStub(channel).SetPins(request)
    return cluster


async def push_artifact(client: Client, name: str, artifact_type: str, subject: bytes, reference: str = "") -> str:
    """Push something about the manifest `subject`; its digest."""
    await client.push_blob(name, b"{}")
    told = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type}
    told |= {"config": descriptor(EMPTY, b"{}"), "layers": [descriptor(EMPTY, b"{}")]}
    body = orjson.dumps(told | ({} if reference else {"subject": descriptor(OCI_MANIFEST, subject)}))
    digest = digest_of(body)
    assert (await client.push_manifest(name, reference or digest, body, OCI_MANIFEST)).status == 201
    return digest


async def push_built(client: Client, name: str) -> tuple[str, list[bytes]]:
    """Push an image as a builder makes it, with history and configuration; its digest and its layers."""
    layers = [layer(b"base"), layer(b"app" * 1000)]
    config = orjson.dumps(
        {
            "created": "2026-01-02T03:04:05.678901234Z",
            "author": "ada",
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "config": {
                "User": "1000",
                "Env": ["PATH=/bin", f"PASSWORD={SECRET}", "EMPTY="],
                "Entrypoint": ["/app"],
                "Cmd": ["--serve"],
                "WorkingDir": "/srv",
                "Labels": {"org.opencontainers.image.version": "1.2"},
                "ExposedPorts": {"8080/tcp": {}},
                "Volumes": {"/data": {}},
                "StopSignal": "SIGTERM",
            },
            "history": [
                {"created": "2026-01-02T03:00:00Z", "created_by": "ADD base /"},
                {"created_by": "ENV EMPTY=", "empty_layer": True},
                {"created": "0001-01-01T00:00:00Z", "created_by": "COPY app /app", "comment": "buildkit"},
            ],
        }
    )
    for blob in (config, *layers):
        await client.push_blob(name, blob)
    told = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(CONFIG, config)}
    body = orjson.dumps({**told, "layers": [descriptor(LAYER, part) for part in layers]})
    assert (await client.push_manifest(name, "built", body, OCI_MANIFEST)).status == 201
    return digest_of(body), layers


async def test_versions_are_listed_by_digest_with_all_their_tags(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    first, second = Image(b"one"), Image(b"two")
    await first.push(client, name, "v1")
    await second.push(client, name, "v2")
    await second.push(client, name, "latest")
    await Image(b"untagged").push(client, name)
    listed = (await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=await id_of(registry, name)))).versions
    assert [(v.digest, list(v.tags)) for v in listed] == [
        (Image(b"untagged").digest, []),
        (second.digest, ["latest", "v2"]),
        (first.digest, ["v1"]),
    ]
    newest = listed[1]
    assert (newest.tag, newest.kind, newest.pushed_by) == ("latest", image_pb2.IMAGE_VERSION_KIND_IMAGE, "admin")
    assert (list(newest.platforms), newest.media_type) == (["linux/amd64"], OCI_MANIFEST)
    assert newest.size_bytes == len(second.manifest) + sum(map(len, second.blobs))


async def test_pages_and_filters_find_each_version_once(
    client: Client, registry: Registry, stub: Stub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await Image(b"%d" % number).push(registry.client("op" if number % 2 else "admin"), name, f"v{number}")
    image_id = await id_of(registry, name)

    async def tags(**fields: str | bool | int) -> list[list[str]]:
        pages, token = [], ""
        while True:
            request = pb.ListImageVersionsRequest(image_id=image_id, page_token=token, **fields)
            answer = await stub.ListImageVersions(request)
            pages.append([version.tag for version in answer.versions])
            token = answer.next_page_token
            if not token:
                return pages

    assert await tags(page_size=3) == [["v6", "v5", "v4"], ["v3", "v2", "v1"], ["v0"]]
    assert await tags(tag="v[135]", page_size=2) == [["v5", "v3"], ["v1"]]
    assert await tags(tag="v4") == [["v4"]]
    assert await tags(tag="v*", filter='pushed_by = "op"', page_size=2) == [["v5", "v3"], ["v1"]]
    assert await tags(tag="*[02]") == [["v2", "v0"]]
    assert await tags(tag="w*") == [[]]
    monkeypatch.setattr(image_versions, "_MOST_TAGGED", 2)  # more than that are looked through
    assert await tags(tag="v[0135]", page_size=2) == [["v5", "v3"], ["v1", "v0"]]
    assert await tags(filter='pushed_by = "op"') == [["v5", "v3", "v1"]]
    assert await tags(filter=f'digest = "{Image(b"4").digest}"') == [["v4"]]
    assert await tags(filter="platforms:linux/arm64") == [[]]
    assert await tags(filter="size_bytes > 1000000") == [[]]
    token = (await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id, page_size=1))).next_page_token
    with pytest.raises(InvalidPageToken):
        await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id, page_token=token, all=True))
    with pytest.raises(InvalidArgument, match="cannot be filtered by"):
        await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id, filter="image_id = x"))
    with pytest.raises(NotFound):
        await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=new_id()))


async def test_parts_and_referrers_are_listed_only_when_asked_for(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    amd, arm = Image(b"one"), Image(b"two", architecture="arm64")
    for image in (amd, arm):
        await image.push(client, name)
    body = index_of(amd, arm)
    await client.push_manifest(name, "multi", body, OCI_INDEX)
    signature = await push_artifact(client, name, "application/vnd.cncf.notary.signature", amd.manifest)
    tagged = await push_artifact(
        client, name, "application/x", amd.manifest, f"{digest_of(body).replace(':', '-')}.sig"
    )
    image_id = await id_of(registry, name)
    listed = (await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id))).versions
    assert [(v.digest, v.kind) for v in listed] == [(digest_of(body), image_pb2.IMAGE_VERSION_KIND_INDEX)]
    everything = (await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id, all=True))).versions
    assert {v.digest for v in everything} == {digest_of(body), amd.digest, arm.digest, signature, tagged}


async def test_a_version_tells_layers_history_and_configuration(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    digest, layers = await push_built(client, name)
    request = pb.GetImageVersionRequest(image_id=await id_of(registry, name), reference="built")
    found = await stub.GetImageVersion(request)
    assert found.version.digest == digest
    assert found.pull_reference == f"{registry.settings.registry_host}/{name}@{digest}"
    (manifest,) = found.manifests
    assert (manifest.platform, manifest.present) == ("linux/arm64/v8", True)
    assert [(part.digest, part.size_bytes) for part in manifest.layers] == [(digest_of(p), len(p)) for p in layers]
    config = manifest.config
    assert (config.author, config.user, config.working_directory, config.stop_signal) == (
        "ada",
        "1000",
        "/srv",
        "SIGTERM",
    )
    assert (list(config.entrypoint), list(config.command)) == (["/app"], ["--serve"])
    assert [(v.name, v.value) for v in config.environment] == [("PATH", "/bin"), ("PASSWORD", SECRET), ("EMPTY", "")]
    assert dict(config.labels) == {"org.opencontainers.image.version": "1.2"}
    assert (list(config.exposed_ports), list(config.volumes)) == (["8080/tcp"], ["/data"])
    assert config.create_time.ToJsonString().startswith("2026-01-02T03:04:05.678")
    assert [(h.created_by, h.layer_digest, h.HasField("create_time")) for h in config.history] == [
        ("ADD base /", digest_of(layers[0]), True),
        ("ENV EMPTY=", "", False),
        ("COPY app /app", digest_of(layers[1]), False),
    ]


async def test_who_may_not_pull_sees_neither_environment_nor_history(
    client: Client, registry: Registry, name: str
) -> None:
    await push_built(client, name)
    image_id = await id_of(registry, name)
    request = pb.GetImageVersionRequest(image_id=image_id, reference="built")
    reader = registry.auth.issue("admin", scope="images.read")
    async with registry.harness.channel("registry", token=reader) as channel:
        found = await Stub(channel).GetImageVersion(request)
    assert len(found.manifests[0].layers) == 2
    assert not found.manifests[0].HasField("config")
    assert SECRET not in str(found)
    limited = registry.auth.issue("admin", scope=f"*.* repository:{name}")
    async with registry.harness.channel("registry", token=limited) as channel:
        assert (await Stub(channel).GetImageVersion(request)).manifests[0].HasField("config")
    elsewhere = registry.auth.issue("admin", scope=f"*.* repository:{name}x")
    async with registry.harness.channel("registry", token=elsewhere) as channel:
        with pytest.raises(PermissionDenied):
            await Stub(channel).GetImageVersion(request)


async def test_an_index_tells_its_parts_and_what_attests_them(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    amd = Image(b"one")
    await amd.push(client, name)
    index, _ = await attested_index_of(client, name, amd)
    await client.push_manifest(name, "v1", index, OCI_INDEX)
    image_id = await id_of(registry, name)
    found = await stub.GetImageVersion(pb.GetImageVersionRequest(image_id=image_id, reference="v1"))
    image, attesting = found.manifests
    assert found.manifest_count == 2
    assert (image.digest, image.platform, image.attests) == (amd.digest, "linux/amd64", "")
    assert (attesting.platform, attesting.attests) == ("", amd.digest)
    assert attesting.layers[0].annotations["in-toto.io/predicate-type"] == "https://spdx.dev/Document"
    part = await stub.GetImageVersion(pb.GetImageVersionRequest(image_id=image_id, reference=amd.digest))
    assert list(part.part_of) == [digest_of(index)]


async def test_referrers_are_told_by_what_they_are_for(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    sbom = await push_artifact(client, name, "application/spdx+json", image.manifest)
    notation = await push_artifact(client, name, "application/vnd.cncf.notary.signature", image.manifest)
    readme = await push_artifact(client, name, "text/markdown", image.manifest)
    tag = f"{image.digest.replace(':', '-')}.att"
    attestation = await push_artifact(client, name, "application/x", image.manifest, tag)
    request = pb.GetImageVersionRequest(image_id=await id_of(registry, name), reference="v1")
    found = {r.digest: (r.kind, r.tag) for r in (await stub.GetImageVersion(request)).referrers}
    assert found == {
        sbom: (pb.IMAGE_REFERRER_KIND_SBOM, ""),
        notation: (pb.IMAGE_REFERRER_KIND_SIGNATURE, ""),
        readme: (pb.IMAGE_REFERRER_KIND_OTHER, ""),
        attestation: (pb.IMAGE_REFERRER_KIND_ATTESTATION, tag),
    }


async def test_a_version_is_deleted_with_its_tags_and_restored(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    image = Image(b"one")
    for tag in ("v1", "v2"):
        await image.push(client, name, tag)
    image_id = await id_of(registry, name)
    with pytest.raises(FailedPrecondition, match="v2 would go too"):
        await stub.DeleteImageVersion(pb.DeleteImageVersionRequest(image_id=image_id, reference="v1"))
    await stub.DeleteImageVersion(pb.DeleteImageVersionRequest(image_id=image_id, reference=image.digest))
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).code == "MANIFEST_UNKNOWN"
    for reference in (image.digest, "v1"):
        with pytest.raises(NotFound):
            await stub.DeleteImageVersion(pb.DeleteImageVersionRequest(image_id=image_id, reference=reference))
    async with registry.harness.channel("registry", "admin") as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        (kept,) = (
            await images.ListDeletedImageVersions(image_pb2.ListDeletedImageVersionsRequest(image_id=image_id))
        ).versions
        assert (kept.reference, sorted(kept.tags), kept.deleted_by) == (image.digest, ["v1", "v2"], "someone")
        await images.RestoreImageVersion(
            image_pb2.RestoreImageVersionRequest(image_id=image_id, reference=image.digest)
        )
    (back,) = (await stub.ListImageVersions(pb.ListImageVersionsRequest(image_id=image_id))).versions
    assert (back.digest, sorted(back.tags), back.pushed_by) == (image.digest, ["v1", "v2"], "admin")


async def test_what_a_cluster_needs_or_an_index_refers_to_is_not_deleted(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    amd, arm, single = Image(b"one"), Image(b"two", architecture="arm64"), Image(b"single")
    for image in (amd, arm):
        await image.push(client, name)
    await single.push(client, name, "single")
    body = index_of(amd, arm)
    await client.push_manifest(name, "multi", body, OCI_INDEX)
    image_id = await id_of(registry, name)

    async def refused(reference: str, why: str) -> None:
        with pytest.raises(FailedPrecondition, match=why):
            await stub.DeleteImageVersion(pb.DeleteImageVersionRequest(image_id=image_id, reference=reference))

    await refused(amd.digest, f"the index {digest_of(body)} refers to it")
    cluster = await pin(registry, digest_of(body), single.digest)
    await refused("single", cluster)
    await refused("multi", cluster)
    # A part is as needed as the index that a workload runs; over /v2 too, where parts may go before their index.
    answer = await client.call("DELETE", f"/v2/{name}/manifests/{amd.digest}")
    assert (answer.status, answer.code) == (403, "DENIED")
    request = pb.ListImageVersionsRequest(image_id=image_id, all=True)
    pinned = {v.digest: list(v.pinned_by) for v in (await stub.ListImageVersions(request)).versions}
    assert pinned == {digest: [cluster] for digest in (amd.digest, arm.digest, single.digest, digest_of(body))}


async def test_tagging_is_a_push_without_bytes_and_untagging_leaves_the_version(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    first, second = Image(b"one"), Image(b"two")
    await first.push(client, name, "v1")
    await second.push(client, name, "v2")
    image_id = await id_of(registry, name)
    promoted = await stub.TagImage(pb.TagImageRequest(image_id=image_id, reference="v1", tag="stable"))
    assert (promoted.version.digest, list(promoted.version.tags)) == (first.digest, ["stable", "v1"])
    moved = await stub.TagImage(pb.TagImageRequest(image_id=image_id, reference=second.digest, tag="stable"))
    assert moved.version.digest == second.digest
    assert (await client.call("GET", f"/v2/{name}/manifests/stable")).body == second.manifest
    with pytest.raises(StaleEtag):
        await stub.UntagImage(pb.UntagImageRequest(image_id=image_id, tag="stable", digest=first.digest))
    await stub.UntagImage(pb.UntagImageRequest(image_id=image_id, tag="stable", digest=second.digest))
    with pytest.raises(NotFound):
        await stub.UntagImage(pb.UntagImageRequest(image_id=image_id, tag="stable"))
    assert (await client.call("GET", f"/v2/{name}/manifests/v2")).body == second.manifest
    with pytest.raises(NotFound):
        await stub.TagImage(pb.TagImageRequest(image_id=image_id, reference="v9", tag="stable"))
    for reference in ("-bad", "sha256:short"):
        with pytest.raises(InvalidArgument):
            await stub.TagImage(pb.TagImageRequest(image_id=image_id, reference=reference, tag="stable"))


async def test_an_immutable_tag_is_not_moved_by_tagging(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    await Image(b"one").push(client, name, "v1")
    await Image(b"two").push(client, name, "next")
    image_id = await id_of(registry, name)
    async with registry.harness.channel("registry", "admin") as channel:
        wish = image_pb2.Image(id=image_id, immutable_tags=["v*"])
        await image_pb2_grpc.ImageServiceStub(channel).UpdateImage(image_pb2.UpdateImageRequest(image=wish))
    with pytest.raises(FailedPrecondition, match="immutable"):
        await stub.TagImage(pb.TagImageRequest(image_id=image_id, reference="next", tag="v1"))


async def test_retention_is_previewed_and_changes_nothing(
    client: Client, registry: Registry, stub: Stub, name: str
) -> None:
    images = [Image(b"%d" % number) for number in range(4)]
    for number, image in enumerate(images):
        await image.push(client, name, f"ci-{number}")
    await pin(registry, images[0].digest)
    image_id = await id_of(registry, name)
    rule = image_pb2.RetentionRule(tag_pattern="ci-*", keep_last=1)
    preview = await stub.PreviewRetention(pb.PreviewRetentionRequest(image_id=image_id, retention=[rule]))
    assert [(tag.tag, tag.digest) for tag in preview.tags] == [("ci-2", images[2].digest), ("ci-1", images[1].digest)]
    assert preview.tags[0].reason == "retention: of ci-* keep the last 1"
    assert (preview.outdated_count, preview.kept_count) == (2, 2)
    own = await stub.PreviewRetention(pb.PreviewRetentionRequest(image_id=image_id))
    assert (own.outdated_count, own.kept_count) == (0, 4)
    with pytest.raises(InvalidArgument, match=r"retention\[0\]"):
        nothing = image_pb2.RetentionRule(tag_pattern="ci-*")
        await stub.PreviewRetention(pb.PreviewRetentionRequest(image_id=image_id, retention=[nothing]))


async def test_usage_counts_shared_blobs_once(client: Client, stub: Stub, name: str) -> None:
    before = await stub.GetRegistryUsage(pb.GetRegistryUsageRequest())
    image = Image(b"usage" * 1000)
    for repository in (f"{name}/a", f"{name}/b"):
        await image.push(client, repository, "v1")
    await client.call("POST", f"/v2/{name}/a/blobs/uploads/")
    after = await stub.GetRegistryUsage(pb.GetRegistryUsageRequest())
    blobs = sum(map(len, image.blobs))
    assert (after.image_count - before.image_count, after.version_count - before.version_count) == (2, 2)
    assert (after.blob_count - before.blob_count, after.blob_bytes - before.blob_bytes) == (2, blobs)
    assert after.image_bytes - before.image_bytes == 2 * (blobs + len(image.manifest))
    assert after.upload_count - before.upload_count == 1


async def test_viewers_look_and_change_nothing(client: Client, registry: Registry, name: str) -> None:
    await Image(b"one").push(client, name, "v1")
    image_id = await id_of(registry, name)
    async with registry.harness.channel("registry", "viewer") as channel:
        viewer = Stub(channel)
        assert (await viewer.GetImageVersion(pb.GetImageVersionRequest(image_id=image_id, reference="v1"))).manifests
        with pytest.raises(PermissionDenied):
            await viewer.DeleteImageVersion(pb.DeleteImageVersionRequest(image_id=image_id, reference="v1"))
        with pytest.raises(PermissionDenied):
            await viewer.UntagImage(pb.UntagImageRequest(image_id=image_id, tag="v1"))


@pytest.mark.parametrize(
    ("types", "annotations", "kind"),
    [
        (["application/vnd.dev.cosign.artifact.sig.v1+json"], {}, ReferrerKind.SIGNATURE),
        (["application/vnd.dev.sigstore.bundle.v0.3+json"], {}, ReferrerKind.SIGNATURE),
        (
            ["application/vnd.dev.sigstore.bundle.v0.3+json"],
            {"dev.sigstore.bundle.content": "dsse-envelope"},
            ReferrerKind.ATTESTATION,
        ),
        (
            ["application/vnd.dev.sigstore.bundle.v0.3+json"],
            {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
            ReferrerKind.ATTESTATION,
        ),
        (
            ["application/vnd.dev.sigstore.bundle.v0.3+json"],
            {"dev.sigstore.bundle.predicateType": "https://cyclonedx.org/bom"},
            ReferrerKind.SBOM,
        ),
        (["", "application/vnd.in-toto+json"], {}, ReferrerKind.ATTESTATION),
        (["application/vnd.cyclonedx+json"], {}, ReferrerKind.SBOM),
        (["application/vnd.cncf.helm.config.v1+json"], {}, ReferrerKind.OTHER),
        ([], {}, ReferrerKind.OTHER),
    ],
)
def test_kinds_of_referrers(types: list[str], annotations: dict[str, str], kind: ReferrerKind) -> None:
    assert kind_of(types, annotations) is kind


def test_only_tags_of_the_fallback_form_count_as_such() -> None:
    assert is_fallback_tag("sha256-" + "a" * 64)
    assert is_fallback_tag("sha256-" + "a" * 64 + ".sbom")
    assert not any(map(is_fallback_tag, ("sha256", "sha256-abc", "v1.sig", "sha256-" + "a" * 64 + ".other")))


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"\xff", b"3"])
def test_what_is_no_configuration_is_none(body: bytes) -> None:
    assert image_config(body, []) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"config": 3, "history": 4, "created": 5}',
        b'{"config": {"Env": [1, "A=b=c"], "Labels": {"x": 1}, "Cmd": "sh"}, "history": [7, {"created": "yesterday"}]}',
    ],
)
def test_a_configuration_of_wrong_types_is_told_as_far_as_it_goes(body: bytes) -> None:
    config = image_config(body, [])
    assert config is not None
    assert config.environment in ([], [("A", "b=c")])
    assert (config.labels, config.command, config.create_time) == ({}, [], None)
