"""A workload that demands signatures: nothing unsigned is rolled out, what is signed later is, and everybody is told why."""

import pytest
from cloudly.clusters.v1 import workload_pb2
from cloudly.registry.v1 import push_pb2, referrer_pb2
from cloudly_clusters.jobs import Parts, release_held_pushes
from cloudly_clusters.workloads import to_message
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEY = pem(ec.generate_private_key(ec.SECP256R1()))


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
