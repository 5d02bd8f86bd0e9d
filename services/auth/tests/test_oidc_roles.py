"""Who comes in by a provider as what: groups, domains, second factors; and the providers' own records."""

from typing import Any

import pyotp
import pytest
from aiohttp import web
from cloudly.auth.v1 import auth_pb2, factor_pb2, factor_pb2_grpc, sso_pb2
from cloudly.auth.v1 import oidc_provider_pb2 as pb
from cloudly_kit.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, StaleEtag, TokenRevoked

MAPPINGS = [
    pb.OidcRoleMapping(group="ops", role="operator"),
    pb.OidcRoleMapping(group="boss", role="admin"),
]


async def test_groups_give_roles_and_take_them_at_every_login(auth, sso, provider):
    await sso.make(default_roles=[], role_mappings=MAPPINGS)
    await provider.person("ada", groups=["ops", "boss", "unknown"])
    first = await sso.login("ada")
    assert list(first.identity.roles) == ["admin", "operator"]
    await provider.person("ada", groups=["ops"])
    second = await sso.login("ada")
    assert list(second.identity.roles) == ["operator"]
    with pytest.raises(TokenRevoked):
        await auth.identity(first.access_token)
    assert (await auth.identity(second.access_token)).id == second.identity.id
    # In no group any more: out, everywhere.
    await provider.person("ada", groups=[])
    with pytest.raises(PermissionDenied, match="none of your groups"):
        await sso.login("ada")
    with pytest.raises(TokenRevoked):
        await auth.identity(second.access_token)
    await provider.person("ada", groups=["ops"])
    assert (await sso.login("ada")).identity.id == first.identity.id
    with pytest.raises(PermissionDenied, match="none of your groups"):
        await sso.login("stranger")


async def test_roles_stay_as_an_admin_gave_them_where_nothing_is_mapped(auth, sso):
    await sso.make(auto_create=False, default_roles=["viewer"])
    await auth.add_user("ada", "operator")
    await sso.link((await auth.login("ada")).access_token, "ada")
    assert list((await sso.login("ada")).identity.roles) == ["operator"]


async def test_the_last_admin_keeps_the_role_whatever_the_groups_say(auth, sso, provider):
    await sso.make(default_roles=["viewer"], role_mappings=MAPPINGS)
    await sso.link(await auth.admin(), "root")
    assert list((await sso.login("root")).identity.roles) == ["admin"]
    # An admin who came by the provider has no password: with the provider away nobody could log in.
    await provider.person("boss", groups=["boss"])
    assert "admin" in (await sso.login("boss")).identity.roles
    assert list((await sso.login("root")).identity.roles) == ["admin"]
    await auth.add_user("second", "admin")
    assert list((await sso.login("root")).identity.roles) == ["viewer"]


async def test_groups_and_addresses_are_looked_up_where_the_id_token_lacks_them(sso, provider):
    provider.sign_by_itself()
    provider.claims = {"groups": None, "email": None, "email_verified": None}
    await sso.make(default_roles=[], role_mappings=MAPPINGS, email_domains=["example.com"])
    await provider.person("ada", groups=["ops"], email="ada@Example.com", email_verified=True)
    assert list((await sso.login("ada")).identity.roles) == ["operator"]
    assert "/userinfo" in [path for path, _, _ in provider.asked]
    provider.answers = {"/userinfo": web.json_response({"sub": "eve", "groups": ["boss"]})}
    from cloudly_kit.errors import CredentialsInvalid

    with pytest.raises(CredentialsInvalid, match="somebody else"):
        await sso.login("ada")


async def test_only_verified_addresses_of_the_domains_come_in(sso, provider):
    await sso.make(email_domains=["example.com"])
    for claims in (
        {"email": "eve@example.com", "email_verified": False},
        {"email": "eve@example.com"},
        {"email": "eve@example.com.evil.org", "email_verified": True},
        {"email": "eve@sub.example.com", "email_verified": True},
        {"email_verified": True},
    ):
        await provider.person("eve", **claims)
        with pytest.raises(PermissionDenied, match="verified e-mail addresses at example.com"):
            await sso.login("eve")
    await provider.person("ada", email="ada@example.com", email_verified=True)
    assert (await sso.login("ada")).access_token


async def test_second_factors_follow_unless_the_provider_is_trusted_with_them(auth, sso, provider):
    provider.sign_by_itself()
    await sso.make()
    came = await sso.login("ada")
    factors = factor_pb2_grpc.FactorServiceStub(auth.channel(came.access_token))
    begun = await factors.BeginTotp(factor_pb2.BeginTotpRequest())
    code = pyotp.TOTP(begun.secret).now()
    codes = (await factors.ConfirmTotp(factor_pb2.ConfirmTotpRequest(code=code))).recovery_codes
    asked = await sso.login("ada")
    assert (asked.access_token, asked.HasField("identity")) == ("", False)
    assert auth_pb2.FACTOR_KIND_TOTP in asked.challenge.factors
    answer = factor_pb2.CompleteLoginRequest(challenge=asked.challenge.token, code=codes[0].code)
    assert (await factor_pb2_grpc.FactorServiceStub(auth.channel()).CompleteLogin(answer)).access_token
    await sso.update("trusts_second_factor", trusts_second_factor=True)
    assert (await sso.login("ada")).access_token
    provider.claims = {"amr": ["pwd"]}
    assert (await sso.login("ada")).challenge.token
    provider.claims = {"amr": ["pwd", "mfa"]}
    assert (await sso.login("ada")).access_token


async def test_a_required_factor_has_to_be_enrolled_unless_the_provider_is_trusted(auth, sso):
    await sso.make()
    policies = factor_pb2_grpc.FactorServiceStub(auth.channel(await auth.admin()))
    wish = factor_pb2.FactorPolicy(required_roles=["viewer"])
    await policies.UpdateFactorPolicy(factor_pb2.UpdateFactorPolicyRequest(policy=wish))
    assert (await sso.login("ada")).identity.must_enrol
    await sso.update("trusts_second_factor", trusts_second_factor=True)
    came = await sso.login("ada")
    assert not came.identity.must_enrol
    assert not (await auth.refresh(came.refresh_token)).identity.must_enrol


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("issuer", "http://login.example.com", "issuer"),
        ("issuer", "https://user:pw@login.example.com", "issuer"),
        ("issuer", "https://login.example.com/?x=1", "issuer"),
        ("issuer", "ftp://login.example.com", "issuer"),
        ("name", "No Name", "name"),
        ("default_roles", ["cluster"], "default_roles"),
        ("default_roles", [], "default_roles"),
        ("role_mappings", [pb.OidcRoleMapping(group="g", role="king")], "role_mappings[0].role"),
        ("scopes", ["two words"], "scopes[0]"),
        ("email_domains", ["@example.com"], "email_domains[0]"),
    ],
)
async def test_records_that_could_not_work_are_refused_by_field(sso, field: str, value: Any, path: str):
    with pytest.raises(InvalidArgument) as refused:
        await sso.make(**{field: value})
    assert [violation.field for violation in refused.value.violations] == [f"oidc_provider.{path}"]


async def test_records_are_kept_changed_and_deleted(auth, sso):
    made = await sso.make()
    assert (made.has_client_secret, made.client_secret) == (True, "")
    assert made.callback_url == "http://localhost:8080/auth/oidc/callback"
    with pytest.raises(AlreadyExists):
        await sso.make()
    with pytest.raises(InvalidArgument, match="given again"):
        await sso.update("issuer", issuer="https://login.example.com")
    changed = await sso.update("issuer client_secret", issuer="https://login.example.com", client_secret="new")
    assert (changed.issuer, changed.has_client_secret) == ("https://login.example.com", True)
    with pytest.raises(StaleEtag):
        await sso.update("issuer", issuer="https://other.example.com", etag=made.etag)
    assert not (await sso.update("client_secret")).has_client_secret
    await auth.add_user("vera", "viewer")
    vera = sso.providers((await auth.login("vera")).access_token)
    assert len((await vera.ListOidcProviders(pb.ListOidcProvidersRequest())).oidc_providers) == 1
    with pytest.raises(PermissionDenied):
        await vera.DeleteOidcProvider(pb.DeleteOidcProviderRequest(oidc_provider_id=made.id))
    admin = sso.providers(await auth.admin())
    await admin.DeleteOidcProvider(pb.DeleteOidcProviderRequest(oidc_provider_id=made.id))
    with pytest.raises(NotFound):
        await sso.start()


async def test_a_provider_deleted_and_made_again_knows_its_people(auth, sso):
    made = await sso.make()
    first = await sso.login("ada")
    admin = sso.providers(await auth.admin())
    await admin.DeleteOidcProvider(pb.DeleteOidcProviderRequest(oidc_provider_id=made.id))
    calls = sso.calls(first.access_token)
    (left,) = (await calls.ListOidcIdentities(sso_pb2.ListOidcIdentitiesRequest())).identities
    assert left.provider_name == ""
    await sso.make()
    assert (await sso.login("ada")).identity.id == first.identity.id


async def test_testing_a_provider_finds_what_is_wrong(auth, sso, provider):
    client_id, secret = await provider.client("http://localhost:8080/auth/oidc/callback")
    made = await sso.make(client_id=client_id, client_secret=secret)
    admin = sso.providers(await auth.admin())

    async def test() -> pb.TestOidcProviderResponse:
        return await admin.TestOidcProvider(pb.TestOidcProviderRequest(oidc_provider_id=made.id))

    good = await test()
    assert (good.working, list(good.problems), good.client) == (True, [], pb.OIDC_CLIENT_CHECK_ACCEPTED)
    assert good.token_endpoint == f"{provider.issuer}/oauth2/token"
    assert list(good.algorithms) == ["RS256"]
    await sso.update("client_secret", client_secret="wrong")
    bad = await test()
    assert (bad.working, bad.client) == (False, pb.OIDC_CLIENT_CHECK_REFUSED)
    assert "client secret" in bad.problems[0]
    provider.answers = {"/jwks": web.json_response({"keys": [{"kty": "oct", "k": "AAAA"}]})}
    assert "no key" in " ".join((await test()).problems)
    await provider.stop()
    away = await test()
    assert (away.working, away.client) == (False, pb.OIDC_CLIENT_CHECK_UNKNOWN)
    assert "cannot be reached" in away.problems[0]
