"""A workload that demands signatures: nothing unsigned is rolled out, what is signed later is, and everybody is told why."""

import pytest
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly.registry.v1 import push_pb2, referrer_pb2
from cloudly_clusters.jobs import Parts, release_held_pushes
from cloudly_clusters.workloads import to_message
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEY, OTHER = pem(ec.generate_private_key(ec.SECP256R1())), pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
async def strict(house):
    policy = workload_pb2.SignaturePolicy(required=True, public_keys=[KEY])
    return await house.workload(await house.cluster(), signature_policy=policy)


async def happens(house, handler, message):
    async def work(session):
        await handler(message, session)

    await house.store.database.transaction(work)


async def push(house, workload, digest, tag="v1"):
    message = push_pb2.ImagePushed(repository=workload.repository, tag=tag, digest=digest, pushed_by="ci")
    await happens(house, house.pushes.image_pushed, message)
    return await house.workloads.get(workload.id)


async def test_an_unsigned_push_waits_and_the_status_says_what_to_do(house, strict):
    held = await push(house, strict, ONE)
    assert (held.image_digest, held.generation) == ("", 1)
    message = to_message(held)
    assert (message.held_image.digest, message.held_image.tag, message.held_image.pushed_by) == (ONE, "v1", "ci")
    ready = message.status.conditions[0]
    assert ready.reason == "SIGNATURE_AWAITED"
    assert "it is not signed" in ready.message
    assert f"cosign sign --key cosign.key {held.registry_target}@{ONE}" in ready.message


@pytest.mark.parametrize("how", ["tag", "referrer"])
async def test_the_rollout_goes_on_when_the_signature_comes(house, strict, how):
    await push(house, strict, ONE)
    house.registry.signed.add(ONE)
    if how == "tag":
        rolled = await push(house, strict, TWO, tag=ONE.replace(":", "-") + ".sig")
    else:
        message = referrer_pb2.ReferrerPushed(repository=strict.repository, subject=ONE, digest=TWO)
        await happens(house, house.pushes.referrer_pushed, message)
        rolled = await house.workloads.get(strict.id)
    assert (rolled.image_digest, rolled.image_tag, rolled.generation, rolled.held) == (ONE, "v1", 2, None)
    assert [c.type for c in to_message(rolled).status.conditions] == ["Ready"]
    versions = await house.store.versions.find_all(scope=strict.id)
    assert {(version.number, version.actor) for version in versions} == {(1, "ada"), (2, "ci")}


async def test_what_runs_goes_on_while_the_next_one_waits(house, strict):
    house.registry.signed.add(ONE)
    await push(house, strict, ONE)
    held = await push(house, strict, TWO, "v2")
    assert (held.image_digest, held.generation) == (ONE, 2)
    status = to_message(held).status
    assert [c.type for c in status.conditions] == ["Ready", "Signed"]
    assert "v2" in status.message
    # A signature of something else, or one that does not fit, lets nothing through.
    message = referrer_pb2.ReferrerPushed(repository=strict.repository, subject=ONE, digest=TWO)
    await happens(house, house.pushes.referrer_pushed, message)
    assert (await push(house, strict, TWO, tag=TWO.replace(":", "-") + ".sig")).image_digest == ONE
    # A later push that is signed takes the place of the one that waits.
    three = "sha256:" + "3" * 64
    house.registry.signed.add(three)
    rolled = await push(house, strict, three, "v3")
    assert (rolled.image_digest, rolled.held) == (three, None)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
async def test_a_signature_is_never_rolled_out_as_an_image(house, suffix):
    workload = await house.workload(await house.cluster())
    await push(house, workload, ONE)
    after = await push(house, workload, TWO, tag=ONE.replace(":", "-") + suffix)
    assert (after.image_digest, after.generation) == (ONE, 2)


async def test_lost_news_is_made_up_for(house, strict):
    class Run:
        async def log(self, text, severity="info"):
            raise AssertionError(text)

    await push(house, strict, ONE)
    parts = Parts(house.store, house.workloads, house.pushes)
    assert await release_held_pushes.run(Run(), parts) == {"held": 1, "released": 0}
    house.registry.signed.add(ONE)
    assert await release_held_pushes.run(Run(), parts) == {"held": 1, "released": 1}
    assert (await house.workloads.get(strict.id)).image_digest == ONE


async def test_without_the_demand_what_waits_goes_out(house, strict):
    await push(house, strict, ONE)

    def relax(present):
        present.signature_policy.required = False
        return present

    await house.workloads.update(strict.id, relax, "", "ada")
    assert await house.pushes.reconsider(strict.id)
    assert (await house.workloads.get(strict.id)).image_digest == ONE


async def test_an_image_that_is_gone_is_told(house, strict, monkeypatch):
    async def gone(*_):
        raise NotFound("image version", ONE)

    monkeypatch.setattr(house.registry, "verify", gone)
    assert "not in the registry any more" in (await push(house, strict, ONE)).held.reason


async def test_going_back_is_no_way_around(house):
    workload = await house.workload(await house.cluster())
    await push(house, workload, ONE)
    await push(house, workload, TWO)

    def demand(present):
        present.signature_policy.CopyFrom(workload_pb2.SignaturePolicy(required=True, public_keys=[KEY]))
        return present

    await house.workloads.update(workload.id, demand, "", "ada")
    with pytest.raises(FailedPrecondition, match="signature"):
        await house.workloads.rollback(workload.id, 2, "", "ada")
    house.registry.signed.add(ONE)
    back = await house.workloads.rollback(workload.id, 2, "", "ada")
    assert back.image_digest == ONE
    assert to_message(back).signature_policy.required


async def test_a_policy_that_cannot_be_kept_is_refused(house):
    cluster = await house.cluster()
    short = pem(rsa.generate_private_key(65537, 1024))
    for policy, more in (
        (workload_pb2.SignaturePolicy(required=True), {}),
        (workload_pb2.SignaturePolicy(required=True, public_keys=["no key"]), {}),
        (workload_pb2.SignaturePolicy(required=True, public_keys=[short]), {}),
        (workload_pb2.SignaturePolicy(required=True, public_keys=[KEY]), {"image": "docker.io/library/nginx:1"}),
    ):
        with pytest.raises(InvalidArgument, match="signature_policy"):
            await house.workload(cluster, signature_policy=policy, **more)


def demand(*keys, allowed=(), required=True):
    return cluster_pb2.ClusterSignaturePolicy(required=required, public_keys=keys, allowed_images=allowed)


def setting(policy):
    def change(present):
        present.signature_policy.CopyFrom(policy)
        return present

    return change


async def test_a_cluster_demands_signatures_of_all_its_workloads(house):
    cluster = await house.cluster(signature_policy=demand(KEY))
    plain = await house.workload(cluster)
    held = await push(house, plain, ONE)
    assert held.image_digest == ""
    assert held.held.reason == "the cluster demands a signature: it is not signed"
    house.registry.signed.add((ONE, KEY))
    assert await house.pushes.reconsider(plain.id)
    elsewhere = await house.workload(await house.cluster("west"))
    assert (await push(house, elsewhere, TWO)).image_digest == TWO


async def test_a_workload_adds_to_the_clusters_demand_and_takes_nothing_away(house):
    cluster = await house.cluster(signature_policy=demand(KEY))
    own = workload_pb2.SignaturePolicy(required=True, public_keys=[OTHER])
    adding = await house.workload(cluster, signature_policy=own)
    house.registry.signed.add((ONE, OTHER))
    assert (await push(house, adding, ONE)).held.reason.startswith("the cluster demands")
    house.registry.signed = {(ONE, KEY)}
    assert (await push(house, adding, ONE)).held.reason == "it is not signed"
    house.registry.signed = {(ONE, KEY), (ONE, OTHER)}
    assert (await push(house, adding, ONE)).image_digest == ONE
    never = workload_pb2.SignaturePolicy(required=False, public_keys=[OTHER])
    weakening = await house.workload(cluster, name="weak", signature_policy=never)
    assert (await push(house, weakening, TWO)).image_digest == ""


async def test_what_runs_goes_on_when_a_cluster_begins_to_demand_and_going_back_is_no_way_around(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    await push(house, workload, ONE)
    await push(house, workload, TWO)
    await house.clusters.update(cluster.id, setting(demand(KEY)), "")
    assert (await house.workloads.get(workload.id)).image_digest == TWO
    with pytest.raises(FailedPrecondition, match="the cluster demands"):
        await house.workloads.rollback(workload.id, 2, "", "ada")
    house.registry.signed.add((ONE, KEY))
    assert (await house.workloads.rollback(workload.id, 2, "", "ada")).image_digest == ONE


async def test_what_waits_goes_out_when_the_cluster_demands_no_more(house):
    cluster = await house.cluster(signature_policy=demand(KEY))
    workload = await house.workload(cluster)
    await push(house, workload, ONE)
    await house.clusters.update(cluster.id, setting(demand(KEY, required=False)), "")
    await house.pushes.reconsider_all(cluster.id)
    assert (await house.workloads.get(workload.id)).image_digest == ONE


async def test_images_from_elsewhere_run_in_such_a_cluster_only_where_they_are_allowed(house):
    cluster = await house.cluster(signature_policy=demand(KEY, allowed=["docker.io/library/*"]))
    allowed = await house.workload(cluster, image="nginx:1.29")
    assert allowed.wish["image"] == "nginx:1.29"

    def wish(image):
        def change(present):
            present.image = image
            return present

        return change

    for image in ("quay.io/team/app:1", "docker.io/someone/nginx:1"):
        with pytest.raises(InvalidArgument, match=r"workload\.image: the cluster demands signatures"):
            await house.workload(cluster, name="other", image=image)
        with pytest.raises(InvalidArgument, match=r"workload\.image"):
            await house.workloads.update(allowed.id, wish(image), "", "ada")
    assert (await house.workloads.get(allowed.id)).generation == 1


async def test_back_to_an_unsigned_push_is_no_way_around(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    await push(house, workload, ONE)

    def wish(image):
        def change(present):
            present.image = image
            return present

        return change

    await house.workloads.update(workload.id, wish("nginx:1"), "", "ada")
    await house.clusters.update(cluster.id, setting(demand(KEY)), "")
    with pytest.raises(InvalidArgument, match="the cluster demands a signature: it is not signed"):
        await house.workloads.update(workload.id, wish(""), "", "ada")


async def test_a_clusters_policy_that_cannot_be_kept_is_refused_and_a_rename_keeps_it(house):
    for policy in (demand(), demand("no key"), demand(KEY, allowed=[""])):
        with pytest.raises(InvalidArgument, match=r"cluster\.signature_policy"):
            await house.cluster(signature_policy=policy)
    for pattern in ("nginx", "docker.io/library/nginx:1.29", "https://docker.io/*", "docker.io/a@sha256:*", "a b/*"):
        with pytest.raises(InvalidArgument, match=r"allowed_images\[1\]: must be a pattern of server/repository"):
            await house.cluster(signature_policy=demand(KEY, allowed=["registry.example.com:5000/shop/*", pattern]))
    cluster = await house.cluster(signature_policy=demand(KEY))

    def rename(present):
        present.name = "south"
        return present

    assert (await house.clusters.update(cluster.id, rename, "")).signature_policy == cluster.signature_policy
