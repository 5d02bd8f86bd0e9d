"""Announcements: who follows an image, what each of them does with a new version, and that repeating changes nothing."""

import pytest
from cloudly.clusters.v1 import workload_pb2
from cloudly_clusters.announcements import Announcements
from cloudly_clusters.image_names import ImageName
from cloudly_clusters.pushes import Outcome
from cloudly_kit.errors import InvalidArgument, NotFound
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
PUBLIC_KEY = KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Tags:
    """A registry's tags."""

    def __init__(self):
        self.digests = {}
        self.asked = []

    async def resolve(self, server, repository, tag):
        self.asked.append((server, repository, tag))
        if (server, repository, tag) not in self.digests:
            raise NotFound("image version", f"{server}/{repository}:{tag}")
        return self.digests[server, repository, tag]


@pytest.fixture
def tags():
    return Tags()


@pytest.fixture
def announce(house, tags):
    announcements = Announcements(house.store, house.workloads, house.pushes, tags, "localhost:8080")

    async def call(reference):
        image = ImageName.of(reference)
        _, rollouts = await announcements.announce(image, await announcements.followers(image), "ci")
        return {rollout.workload.name: (rollout.taken.outcome, rollout.taken.reason) for rollout in rollouts}

    return call


@pytest.mark.parametrize(
    ("reference", "server", "repository", "tag", "digest", "written"),
    [
        ("nginx", "docker.io", "library/nginx", "", "", "nginx"),
        ("shop/web:1", "docker.io", "shop/web", "1", "", "shop/web"),
        ("index.docker.io/nginx:1", "docker.io", "library/nginx", "1", "", "index.docker.io/nginx"),
        (f"ghcr.io/shop/web:1@{ONE}", "ghcr.io", "shop/web", "1", ONE, "ghcr.io/shop/web"),
        (f"localhost/web@{ONE}", "localhost", "web", "", ONE, "localhost/web"),
        ("127.0.0.1:5000/web", "127.0.0.1:5000", "web", "", "", "127.0.0.1:5000/web"),
    ],
)
def test_references_are_read_as_docker_reads_them(reference, server, repository, tag, digest, written):
    assert ImageName.of(reference) == ImageName(server, repository, tag, digest, written)


async def test_every_follower_does_what_its_wish_says(house, tags, announce):
    cluster = await house.cluster()
    await house.workload(cluster, "plain", image="nginx:1.26")
    await house.workload(cluster, "full", image="docker.io/library/nginx")
    await house.workload(cluster, "other-tag", image="nginx:1.26", tag="1.26")
    await house.workload(cluster, "manual", image="nginx:1.26", deploy_on_push=False)
    await house.workload(cluster, "pinned", image=f"nginx@{ONE}")
    await house.workload(cluster, "other-image", image="nginx-unit:1.26")
    await house.workload(cluster, "own")
    tags.digests["docker.io", "library/nginx", "1.27"] = TWO
    assert await announce("nginx:1.27") == {
        "full": (Outcome.DEPLOYED, ""),
        "manual": (Outcome.SKIPPED, "deploy_on_push is off"),
        "other-tag": (Outcome.SKIPPED, "the workload follows the tag 1.26"),
        "pinned": (Outcome.SKIPPED, "the workload's image is pinned by a digest without a tag"),
        "plain": (Outcome.DEPLOYED, ""),
    }
    wishes = {
        workload.name: workload.wish.get("image") for workload in await house.store.workloads.find_all(scope=cluster.id)
    }
    assert wishes["plain"] == f"nginx:1.27@{TWO}"
    assert wishes["full"] == f"docker.io/library/nginx:1.27@{TWO}"
    assert wishes["manual"] == wishes["other-tag"] == "nginx:1.26"


async def test_an_announcement_that_is_repeated_changes_nothing_and_there_is_a_way_back(house, tags, announce):
    cluster = await house.cluster()
    workload = await house.workload(cluster, image="ghcr.io/shop/web:1")
    tags.digests["ghcr.io", "shop/web", "2"] = TWO
    assert await announce("ghcr.io/shop/web:2") == {"web": (Outcome.DEPLOYED, "")}
    revision = (await house.clusters.get(cluster.id)).revision
    assert await announce("ghcr.io/shop/web:2") == {"web": (Outcome.UNCHANGED, "")}
    assert (await house.clusters.get(cluster.id)).revision == revision
    assert (await house.workloads.get(workload.id)).generation == 2
    back = await house.workloads.rollback(workload.id, 0, "", "ada")
    assert back.wish["image"] == "ghcr.io/shop/web:1"


async def test_an_own_repository_is_taken_as_a_push_is(house, tags, announce):
    policy = workload_pb2.SignaturePolicy(required=True, public_keys=[PUBLIC_KEY])
    workload = await house.workload(await house.cluster(), signature_policy=policy)
    tags.digests["localhost:8080", workload.repository, "v1"] = ONE
    target = f"localhost:8080/{workload.repository}:v1"
    assert await announce(target) == {"web": (Outcome.HELD, "it is not signed")}
    house.registry.signed.add(ONE)
    assert await announce(target) == {"web": (Outcome.DEPLOYED, "")}
    assert await announce(target) == {"web": (Outcome.UNCHANGED, "")}
    now = await house.workloads.get(workload.id)
    assert (now.image_digest, now.image_tag, now.generation) == (ONE, "v1", 2)


async def test_what_nobody_runs_and_what_is_no_tag_is_refused_before_a_registry_is_asked(house, tags, announce):
    workload = await house.workload(await house.cluster(), image="ghcr.io/shop/web:1")
    with pytest.raises(NotFound):
        await announce("internal.example.com/secret:1")
    for reference in ("ghcr.io/shop/web", f"ghcr.io/shop/web:1@{ONE}"):
        with pytest.raises(InvalidArgument):
            await announce(reference)
    assert tags.asked == []
    with pytest.raises(NotFound):
        await announce("ghcr.io/shop/web:2")
    assert (await house.workloads.get(workload.id)).generation == 1
