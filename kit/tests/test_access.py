"""Roles, permissions, tokens."""

import time
from dataclasses import dataclass

import jwt
import pytest
from cloudly_kit import contract
from cloudly_kit.access import ROLES, allows
from cloudly_kit.errors import CredentialsInvalid, CredentialsMissing, PermissionDenied, TokenExpired, TokenRevoked
from cloudly_kit.identity import ANONYMOUS, Identity
from cloudly_kit.rpc_server import authorize
from cloudly_kit.scopes import Scope
from cloudly_kit.testing_authority import Authority


@dataclass
class Someone:
    roles: tuple[str, ...]
    scope: Scope | None = None


def test_roles_grant_what_the_table_says():
    assert allows(Someone(("admin",)), "users.write")
    assert allows(Someone(("viewer",)), "clusters.read")
    assert not allows(Someone(("viewer",)), "clusters.write")
    assert not allows(Someone(("api",)), "users.read")
    assert allows(Someone(("viewer", "operator")), "workloads.write")
    assert not allows(Someone(()), "clusters.read")
    assert not allows(Someone(("nonsense",)), "clusters.read")


def test_the_agents_permission_belongs_to_agents_alone():
    assert allows(Someone(("cluster",)), "agent.connect")
    assert not allows(Someone(("admin",)), "agent.connect")


@pytest.mark.parametrize("role", ["nobody", *ROLES])
@pytest.mark.parametrize("path", sorted(contract.methods()))
def test_every_method_admits_exactly_whom_its_option_names(path, role):
    method = contract.methods()[path]
    rules = method.rules.access
    kind = rules.WhichOneof("kind")
    identity = ANONYMOUS if role == "nobody" else Identity(id="x", name="x", type="human", roles=(role,))
    expected: type[Exception] | None = None
    if kind == "services":
        expected = PermissionDenied
    elif kind != "public" and role == "nobody":
        expected = CredentialsMissing
    elif kind == "permission" and not allows(identity, rules.permission):
        expected = PermissionDenied
    if expected is None:
        authorize(method, identity, identity, None)
    else:
        with pytest.raises(expected):
            authorize(method, identity, identity, None)


def test_only_named_services_may_call_what_is_theirs():
    method = contract.methods()["/cloudly.auth.v1.AuthService/IssuePullToken"]
    authorize(method, *(Identity(id="c", name="clusters", type="service"),) * 2, None)
    with pytest.raises(PermissionDenied):
        authorize(method, *(Identity(id="t", name="tasks", type="service"),) * 2, None)


@pytest.fixture
def authority():
    return Authority("unix:/nowhere", "http://localhost:8080")


async def test_a_good_token_is_verified_and_remembered(authority):
    verifier = authority.verifier()
    token = authority.issue("admin", name="ada")
    identity = await verifier.verify(token)
    assert (identity.name, identity.roles, identity.type) == ("ada", ("admin",), "human")
    assert await verifier.verify(token) is identity


async def test_a_revoked_session_is_refused_even_when_remembered(authority):
    verifier = authority.verifier()
    token = authority.issue("admin", session="s1")
    await verifier.verify(token)
    authority.revoked.add("s1")
    with pytest.raises(TokenRevoked):
        await verifier.verify(token)


async def test_expired_tokens_and_other_audiences_are_refused(authority):
    verifier = authority.verifier()
    with pytest.raises(TokenExpired):
        await verifier.verify(authority.issue("admin", seconds=-60))
    with pytest.raises(CredentialsInvalid):
        await verifier.verify(authority.issue("admin", audience="registry"))


async def test_forgeries_are_refused(authority):
    verifier = authority.verifier()
    stranger = Authority("unix:/nowhere", "http://localhost:8080")
    now = int(time.time())
    claims = {"iss": "http://localhost:8080", "sub": "x", "aud": "cloudly", "typ": "human", "iat": now, "exp": now + 60}
    forgeries = [
        stranger.issue("admin"),
        jwt.encode(claims, "", algorithm="none", headers={"kid": "test"}),
        jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": "test"}),
        jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "",
        "garbage",
        "a.b.c",
        "x" * 1_000_000,
        authority.issue("admin")[:-4] + "AAAA",
    ]
    for forgery in forgeries:
        with pytest.raises(CredentialsInvalid):
            await verifier.verify(forgery)


async def test_an_unknown_key_id_is_not_asked_for_at_a_forgers_pace(authority):
    asked = 0

    async def keys():
        nonlocal asked
        asked += 1
        return authority.public_keys

    verifier = type(authority.verifier())(authority.issuer, keys, authority.verifier()._is_revoked)
    await verifier.verify(authority.issue("admin"))
    for number in range(20):
        claims = {"iss": authority.issuer, "sub": "x", "aud": "cloudly"}
        with pytest.raises(CredentialsInvalid):
            await verifier.verify(jwt.encode(claims, authority._key, algorithm="EdDSA", headers={"kid": f"k{number}"}))
    assert asked == 1
