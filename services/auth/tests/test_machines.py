"""Cluster identities, jump codes and pull tokens."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cloudly.auth.v1 import auth_pb2
from cloudly_kit.errors import (
    CredentialsInvalid,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    TokenRevoked,
)
from cloudly_kit.identity import REGISTRY_AUDIENCE, TokenVerifier, key_from_jwk
from cloudly_kit.ids import new_id

Claims = Callable[[str], dict[str, Any]]


@pytest.fixture
def cluster() -> str:
    return new_id()


async def pull(auth, cluster: str) -> auth_pb2.IssuePullTokenResponse:
    clusters = auth.auth(await auth.service("clusters"))
    return await clusters.IssuePullToken(auth_pb2.IssuePullTokenRequest(cluster_id=cluster))


async def delete(auth, cluster: str) -> None:
    clusters = auth.auth(await auth.service("clusters"))
    await clusters.DeleteClusterIdentity(auth_pb2.DeleteClusterIdentityRequest(cluster_id=cluster))


async def test_a_jump_code_is_traded_for_a_short_token_of_its_cluster(auth, cluster: str, claims: Claims):
    code = await auth.jump_code(cluster)
    assert code.startswith("cloudly_jc_")
    answer = await auth.exchange(code)
    said = claims(answer.access_token)
    assert (said["typ"], said["cluster"], said["roles"], said["aud"]) == ("machine", cluster, ["cluster"], "cloudly")
    assert said["exp"] - said["iat"] == 600
    identity = await auth.identity(answer.access_token)
    assert identity.cluster_id == cluster
    assert identity.type == auth_pb2.IDENTITY_TYPE_MACHINE
    assert identity.name == f"cluster-{cluster}"


async def test_a_legacy_agent_gets_a_token_for_a_day(auth, cluster: str, claims: Claims):
    said = claims((await auth.exchange(await auth.jump_code(cluster), "cloudly-legacy")).access_token)
    assert (said["aud"], said["exp"] - said["iat"]) == ("cloudly-legacy", 86_400)
    with pytest.raises(InvalidArgument):
        await auth.exchange(await auth.jump_code(cluster), "registry")


@pytest.mark.parametrize("secret", ["cloudly_jc_" + "x" * 43, "x", "cloudly_jc_", "é" * 100])
async def test_other_secrets_are_refused(auth, cluster: str, secret: str):
    await auth.jump_code(cluster)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(secret)


async def test_only_the_clusters_service_makes_and_revokes_cluster_identities(auth, cluster: str):
    request = auth_pb2.CreateClusterIdentityRequest(cluster_id=cluster, cluster_name="one")
    for token in (
        await auth.admin(),
        await auth.service("registry"),
        (await auth.exchange(await auth.jump_code(cluster))).access_token,
    ):
        with pytest.raises(PermissionDenied):
            await auth.auth(token).CreateClusterIdentity(request)


async def test_a_rotated_code_works_beside_the_old_one_for_the_overlap(auth, cluster: str, store: Any, claims: Claims):
    old = await auth.jump_code(cluster)
    bought = await auth.exchange(old, "cloudly-legacy")
    new = await auth.jump_code(cluster, overlap_seconds=300)
    identities = [await auth.exchange(code) for code in (old, new)]
    assert len({answer.identity.id for answer in identities}) == 1
    said = claims((await auth.exchange(old, "cloudly-legacy")).access_token)
    assert said["exp"] <= time.time() + 301, "a token does not outlive the code it was bought with"
    assert (await auth.identity(bought.access_token)).cluster_id == cluster
    # The overlap passes.
    sid = claims(bought.access_token)["sid"]
    past = timedelta(seconds=301)
    await store.credentials.change(sid, lambda c: c.model_copy(update={"expire_time": c.expire_time - past}))
    await store.revocations.change(sid, lambda r: r.model_copy(update={"effective_time": r.effective_time - past}))
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(old)
    assert (await auth.exchange(new)).identity.cluster_id == cluster
    registry = auth.auth(await auth.service("registry"))
    answer = await registry.CheckRevocation(auth_pb2.CheckRevocationRequest(session_id=sid))
    assert answer.revoked, "a legacy token that was bought earlier ends with its code"


async def test_without_overlap_the_old_code_and_its_tokens_end_at_once(auth, cluster: str):
    old = await auth.jump_code(cluster)
    bought = await auth.exchange(old)
    await auth.jump_code(cluster)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(old)
    with pytest.raises(TokenRevoked):
        await auth.identity(bought.access_token)


async def test_deleting_the_identity_revokes_codes_tokens_and_pull_tokens_and_may_be_repeated(auth, cluster: str):
    code = await auth.jump_code(cluster)
    bought = await auth.exchange(code)
    password = (await pull(auth, cluster)).password
    await delete(auth, cluster)
    await delete(auth, cluster)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(code)
    with pytest.raises(TokenRevoked):
        await auth.identity(bought.access_token)
    with pytest.raises(TokenRevoked):
        await (await registry_verifier(auth)).verify(password, [REGISTRY_AUDIENCE])
    with pytest.raises(NotFound):
        await pull(auth, cluster)


async def test_many_calls_at_once_make_one_identity(auth, cluster: str):
    codes = await asyncio.gather(*(auth.jump_code(cluster, overlap_seconds=60) for _ in range(6)))
    identities = [(await auth.exchange(code)).identity.id for code in codes]
    assert len(set(codes)) == 6
    assert len(set(identities)) == 1


async def test_codes_are_kept_hashed_only(auth, cluster: str, store: Any):
    code = await auth.jump_code(cluster)
    identity = await auth.exchange(code)
    kept = [str(c.model_dump()) for c in await store.credentials.find_all(scope=identity.identity.id)]
    assert len(kept) == 1
    assert code.removeprefix("cloudly_jc_") not in kept[0]


async def test_a_pull_token_says_what_the_registry_needs_and_calls_nothing_else(auth, cluster: str, claims: Claims):
    await auth.jump_code(cluster)
    answer = await pull(auth, cluster)
    assert answer.username == f"cluster-{cluster}"
    said = claims(answer.password)
    assert (said["aud"], said["roles"], said["cluster"]) == ("registry", ["cluster"], cluster)
    assert said["exp"] - said["iat"] == 30 * 86_400 == answer.expire_time.seconds - said["iat"]
    identity = await (await registry_verifier(auth)).verify(answer.password, [REGISTRY_AUDIENCE])
    assert identity.cluster_id == cluster
    with pytest.raises(CredentialsInvalid):
        await auth.identity(answer.password)


async def test_a_machine_cannot_end_its_own_credential(auth, cluster: str):
    code = await auth.jump_code(cluster)
    token = (await auth.exchange(code)).access_token
    with pytest.raises(FailedPrecondition):
        await auth.auth(token).Logout(auth_pb2.LogoutRequest())
    assert (await auth.exchange(code)).access_token


async def registry_verifier(auth) -> TokenVerifier:
    """As another service verifies: with the published keys, and auth's word on revocations."""
    registry = auth.auth(await auth.service("registry"))

    async def keys():
        answer = await auth.auth().GetJwks(auth_pb2.GetJwksRequest())
        return {key.kid: key_from_jwk(key.x) for key in answer.keys}

    async def is_revoked(sid: str) -> bool:
        return (await registry.CheckRevocation(auth_pb2.CheckRevocationRequest(session_id=sid))).revoked

    return TokenVerifier(auth.settings.public_origin, keys, is_revoked)
