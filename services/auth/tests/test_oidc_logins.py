"""Logins by an identity provider, from the first step to the session, over a real one."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cloudly.auth.v1 import audit_pb2, audit_pb2_grpc, oidc_provider_pb2, sso_pb2, user_pb2
from cloudly_auth.main import serve
from cloudly_auth.oidc.id_token import base64url
from cloudly_auth.oidc.store import OidcStore
from cloudly_kit.errors import (
    CredentialsInvalid,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RateLimited,
    TokenExpired,
    TokenRevoked,
    Unavailable,
)
from cloudly_kit.testing import ServiceHarness
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import SecretStr


def code_of(onward: str) -> str:
    return onward.partition("#sso=")[2]


async def test_somebody_unknown_logs_in_and_is_known_from_then_on(auth, sso, provider):
    await sso.make(display_name="The corporation")
    (offered,) = (await sso.calls().ListLoginOptions(sso_pb2.ListLoginOptionsRequest())).providers
    assert (offered.name, offered.display_name) == ("corp", "The corporation")
    await provider.person("ada-1", preferred_username="ada", email="ada@example.com")

    started = await sso.start()
    asked = {name: one for name, (one,) in parse_qs(urlsplit(started.authorization_url).query).items()}
    assert asked["redirect_uri"] == "http://localhost:8080/auth/oidc/callback"
    assert asked["scope"] == "openid profile email"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    brought = await provider.log_in(started.authorization_url, "ada-1")
    onward = await sso.finish(**brought)
    assert onward.startswith("http://localhost:8080/login#sso=cloudly_sso_")
    # The provider at hand does not look at PKCE: that both halves belong together is seen here.
    (tokens,) = provider.token_requests()
    assert base64url(hashlib.sha256(tokens["code_verifier"].encode()).digest()) == asked["code_challenge"]
    assert "client_secret" not in tokens

    first = await sso.complete(code_of(onward), started.verifier)
    assert (first.identity.name, list(first.identity.roles)) == ("ada", ["viewer"])
    assert (await auth.identity(first.access_token)).id == first.identity.id
    assert (await auth.refresh(first.refresh_token)).access_token
    again = await sso.login("ada-1")
    assert again.identity.id == first.identity.id
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada", "no password at all")


async def test_a_code_and_a_state_work_once_and_for_whoever_began(sso, provider, store: Any):
    await sso.make()
    started, other = await sso.start(), await sso.start()
    brought = await provider.log_in(started.authorization_url, "bob")
    onward = await sso.finish(**brought)
    for wrong in (other.verifier, "x"):
        with pytest.raises(CredentialsInvalid, match="begun elsewhere"):
            await sso.complete(code_of(onward), wrong)
    with pytest.raises(CredentialsInvalid, match="answered before"):
        await sso.finish(**brought)
    assert len(provider.token_requests()) == 1
    tries = [sso.complete(code_of(onward), started.verifier) for _ in range(6)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert all(isinstance(answer, CredentialsInvalid) for answer in answers if isinstance(answer, BaseException))
    for nothing in ("cloudly_sso_nothing", started.verifier):
        with pytest.raises(CredentialsInvalid):
            await sso.complete(nothing, started.verifier)
    kept = [raw async for raw in OidcStore(store.database).database.raw("oidc_logins").find({})]
    assert code_of(onward) not in repr(kept)
    assert started.verifier not in repr(kept)


async def test_a_code_of_another_login_is_not_taken_for_ones_own(sso, provider):
    # Somebody has a victim's browser finish the login that they began (login CSRF), or takes along a code that they saw.
    await sso.make()
    mine, theirs = await sso.start(), await sso.start()
    theirs_brought = await provider.log_in(theirs.authorization_url, "eve")
    mine_brought = await provider.log_in(mine.authorization_url, "ada")
    with pytest.raises(CredentialsInvalid, match="nonce"):
        await sso.finish(code=theirs_brought["code"], state=mine_brought["state"])
    with pytest.raises(CredentialsInvalid, match="does not know the code"):
        await sso.finish(**theirs_brought)


async def test_states_that_are_none_of_ours_or_too_old_are_refused(sso, provider, auth, monkeypatch):
    from cloudly_auth.oidc import flows

    await sso.make()
    monkeypatch.setattr(flows, "FLOW_LIFETIME", flows.FLOW_LIFETIME * -1)
    late = await sso.start()
    with pytest.raises(TokenExpired):
        await sso.finish(**await provider.log_in(late.authorization_url, "ada"))
    assert provider.token_requests() == []
    monkeypatch.undo()
    started = await sso.start()
    brought = await provider.log_in(started.authorization_url, "ada")
    for state in ("x", brought["state"][::-1], brought["state"][:-2]):
        with pytest.raises(CredentialsInvalid):
            await sso.finish(code="c", state=state)
    with pytest.raises(InvalidArgument):
        await sso.finish(code="c", state="")
    with pytest.raises(RateLimited):
        for _ in range(200):
            with pytest.raises(CredentialsInvalid):
                await sso.finish(code="c", state="x")


async def test_a_code_that_waited_too_long_is_over(sso, provider, monkeypatch):
    from cloudly_auth.oidc import flows

    await sso.make()
    started = await sso.start()
    brought = await provider.log_in(started.authorization_url, "ada")
    monkeypatch.setattr(flows, "CODE_LIFETIME", flows.CODE_LIFETIME * -1)
    onward = await sso.finish(**brought)
    with pytest.raises(CredentialsInvalid, match="over"):
        await sso.complete(code_of(onward), started.verifier)


async def test_who_declines_or_comes_without_a_code_is_told(sso, provider):
    await sso.make()
    started = await sso.start()
    state = dict(parse_qsl(urlsplit(started.authorization_url).query))["state"]
    with pytest.raises(PermissionDenied, match="declined at corp"):
        await sso.finish(error="access_denied", state=state)
    # What anybody could put into a link is not repeated to people.
    with pytest.raises(PermissionDenied, match="^corp did not log you in$"):
        await sso.finish(error="call 555-0100", state=state)
    with pytest.raises(PermissionDenied):
        await sso.finish(state=state)
    with pytest.raises(CredentialsInvalid, match="another identity provider"):
        await sso.finish(code="c", state=state, issuer="https://elsewhere.example")


def at_loopback(onward: str, verifier: str) -> dict[str, str]:
    """What a browser brings to the port of the program with this verifier, besides what tells that it is for it."""
    assert onward.startswith("http://127.0.0.1:4711/?")
    brought = dict(parse_qsl(urlsplit(onward).query))
    assert brought.pop("login") == hashlib.sha256(verifier.encode()).hexdigest()
    assert verifier not in onward
    return brought


async def test_programs_get_the_code_at_their_own_port_or_on_a_page(sso, provider):
    await sso.make()
    looped = await sso.start(loopback_port=4711)
    onward = await sso.finish(**await provider.log_in(looped.authorization_url, "ada"))
    brought = at_loopback(onward, looped.verifier)
    assert list(brought) == ["code"]
    assert (await sso.complete(brought["code"], looped.verifier)).access_token
    shown = await sso.start(show_code=True)
    onward = await sso.finish(**await provider.log_in(shown.authorization_url, "ada"))
    assert onward.startswith("http://localhost:8080/login-code#cloudly_sso_")
    assert (await sso.complete(onward.partition("#")[2], shown.verifier)).access_token


async def test_a_program_is_told_at_its_port_that_its_login_was_refused(sso, provider):
    await sso.make(display_name="The corporation")

    async def refused(started: Any, **brought: str) -> str:
        with pytest.raises(DomainError) as raised:
            await sso.finish(**brought)
        told = at_loopback(raised.value.metadata["redirect_url"], started.verifier)
        assert told == {"refused": raised.value.message}
        return told["refused"]

    def state(started: Any) -> str:
        return dict(parse_qsl(urlsplit(started.authorization_url).query))["state"]

    started = await sso.start(loopback_port=4711)
    assert (
        await refused(started, error="access_denied", state=state(started))
        == "the login was declined at The corporation"
    )
    assert (
        await refused(started, error="\x1b[2J call 555", state=state(started)) == "The corporation did not log you in"
    )
    # Once the code is there, the state is used up: a second try is told on a page, and ends nothing at the program.
    brought = await provider.log_in(started.authorization_url, "ada")
    provider.forge = lambda token: token[:-4] + "AAAA"
    assert await refused(started, **brought)
    with pytest.raises(CredentialsInvalid, match="answered before") as replayed:
        await sso.finish(**brought)
    assert replayed.value.metadata == {}
    changed = await sso.start(loopback_port=4711)
    await sso.update("default_roles", default_roles=["operator"])
    assert "changed" in await refused(changed, code="c", state=state(changed))
    # Who waits in a browser, or types a code in, sees a page.
    shown = await sso.start(show_code=True)
    with pytest.raises(PermissionDenied) as declined:
        await sso.finish(error="access_denied", state=state(shown))
    assert "redirect_url" not in declined.value.metadata


async def test_a_program_is_told_at_its_port_when_the_database_goes_after_its_state_is_used_up(
    harness, replica, sso_at, own_mongo, provider
):
    settings = replica(1, mongodb_url=SecretStr(own_mongo.url))
    sso = sso_at(settings)

    def gone(token: str) -> str:
        own_mongo.stop()
        return token

    async with harness.running("auth", serve, settings):
        await sso.make()
        started = await sso.start(loopback_port=4711)
        brought = await provider.log_in(started.authorization_url, "ada")
        provider.forge = gone
        with pytest.raises(Unavailable) as raised:
            await sso.finish(**brought)
        own_mongo.start()
    told = at_loopback(raised.value.metadata["redirect_url"], started.verifier)
    assert told == {"refused": raised.value.message}


async def test_a_provider_that_is_away_is_said_to_be_and_is_found_again(sso, provider, monkeypatch):
    from cloudly_auth.oidc import protocol

    monkeypatch.setattr(protocol, "_AWAY_SECONDS", 0.0)
    await sso.make()
    await provider.stop()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await sso.start()
    await provider.start()
    started = await sso.start()
    brought = await provider.log_in(started.authorization_url, "ada")
    await provider.stop()
    with pytest.raises(Unavailable):
        await sso.finish(**brought)
    await provider.start()
    assert (await sso.login("ada")).access_token


async def test_names_that_are_taken_never_lead_to_their_owners(auth, sso, provider):
    await sso.make()
    token = await auth.admin()
    await auth.add_user("ada", "operator", token=token)
    for subject, claims, name in (
        ("s1", {"preferred_username": "Ada", "email": "ada@example.com"}, "Ada-2"),
        ("s2", {"preferred_username": "ADA"}, "ADA-3"),
        ("s3", {"preferred_username": "root"}, "root-2"),
        ("s4", {"preferred_username": "Zoë Müller"}, "Zoe-Muller"),
        ("s5", {"preferred_username": "王", "email": "wang@example.com"}, "wang@example.com"),
        ("s6", {"preferred_username": "cluster-east", "email": "c@example.com"}, "c@example.com"),
        ("s7", {"preferred_username": "\u0430", "email": ""}, "user-"),
        ("s8", {"preferred_username": "x" * 500}, "x" * 60),
    ):
        await provider.person(subject, **claims)
        came = (await sso.login(subject)).identity
        assert came.name == name or (name == "user-" and came.name.startswith(name)), came.name
        assert list(came.roles) == ["viewer"]


async def test_a_first_login_twice_at_once_on_two_replicas_makes_one_user(harness: ServiceHarness, replica, auth, sso):
    await sso.make()
    async with harness.running("auth", serve, replica(2)):
        other = type(sso)(auth.at(replica(2)), sso.provider)
        answers = await asyncio.gather(*(one.login("ada") for one in (sso, other, sso, other)))
    assert len({answer.identity.id for answer in answers}) == 1
    users = (await auth.users(await auth.admin()).ListUsers(user_pb2.ListUsersRequest())).users
    assert len(users) == 2


async def test_without_auto_create_people_link_their_own_account_and_can_take_that_back(
    auth, sso, provider, age_session
):
    await sso.make(auto_create=False)
    with pytest.raises(PermissionDenied, match="link it under Account"):
        await sso.login("ada-1")
    user = await auth.add_user("ada", "operator")
    session = await auth.login("ada")
    token = session.access_token
    linked = await sso.link(token, "ada-1")
    assert (linked.provider_name, linked.issuer, linked.subject) == ("corp", provider.issuer, "ada-1")
    assert (await sso.login("ada-1")).identity.id == user.id
    with pytest.raises(FailedPrecondition, match="linked to your account"):
        await sso.link(token, "ada-1")
    await auth.add_user("bob", "viewer")
    with pytest.raises(FailedPrecondition, match="linked to another account"):
        await sso.link((await auth.login("bob")).access_token, "ada-1")

    # A code for linking starts no session, and one for a login links nothing.
    started = await sso.calls(token).StartOidcLink(sso_pb2.StartOidcLinkRequest(provider="corp"))
    onward = await sso.finish(**await provider.log_in(started.authorization_url, "ada-2"))
    with pytest.raises(CredentialsInvalid):
        await sso.complete(code_of(onward), started.verifier)
    bob = (await auth.login("bob")).access_token
    stolen = sso_pb2.CompleteOidcLinkRequest(code=code_of(onward), verifier=started.verifier)
    with pytest.raises(CredentialsInvalid, match="another user"):
        await sso.calls(bob).CompleteOidcLink(stolen)

    await age_session(session.identity.session_id, create_time=timedelta(minutes=11))
    with pytest.raises(InvalidArgument, match="proof"):
        await sso.link(token, "ada-3")
    (mine,) = (await sso.calls(token).ListOidcIdentities(sso_pb2.ListOidcIdentitiesRequest())).identities
    unlink = sso_pb2.UnlinkOidcIdentityRequest(identity_id=mine.id)
    with pytest.raises(NotFound):
        await sso.calls(bob).UnlinkOidcIdentity(unlink)
    await sso.calls(token).UnlinkOidcIdentity(unlink)
    with pytest.raises(PermissionDenied):
        await sso.login("ada-1")
    assert (await auth.identity(token)).id == user.id
    # Taken away, it can be had again.
    fresh = (await auth.login("ada")).access_token
    await sso.link(fresh, "ada-1")
    assert (await sso.login("ada-1")).identity.id == user.id


async def test_the_only_way_in_stays_but_an_admin_may_take_it(auth, sso):
    await sso.make()
    came = await sso.login("ada")
    (link,) = (await sso.calls(came.access_token).ListOidcIdentities(sso_pb2.ListOidcIdentitiesRequest())).identities
    with pytest.raises(FailedPrecondition, match="only way to log in"):
        await sso.calls(came.access_token).UnlinkOidcIdentity(sso_pb2.UnlinkOidcIdentityRequest(identity_id=link.id))
    admin = sso.calls(await auth.admin())
    listed = sso_pb2.ListUserOidcIdentitiesRequest(user_id=came.identity.id)
    (seen,) = (await admin.ListUserOidcIdentities(listed)).identities
    assert (seen.id, seen.subject, seen.email) == (link.id, "ada", "ada")
    await admin.UnlinkUserOidcIdentity(
        sso_pb2.UnlinkUserOidcIdentityRequest(user_id=came.identity.id, identity_id=link.id)
    )
    with pytest.raises(TokenRevoked):
        await auth.identity(came.access_token)
    # A stranger now: the user who was made first keeps the name.
    assert (await sso.login("ada")).identity.name == "ada-2"


async def test_who_is_disabled_or_deleted_does_not_come_in_by_a_provider(auth, sso):
    await sso.make()
    came = await sso.login("ada")
    users = auth.users(await auth.admin())
    disabled = user_pb2.User(id=came.identity.id, disabled=True)
    await users.UpdateUser(user_pb2.UpdateUserRequest(user=disabled, update_mask=FieldMask(paths=["disabled"])))
    with pytest.raises(PermissionDenied, match="disabled"):
        await sso.login("ada")
    await users.DeleteUser(user_pb2.DeleteUserRequest(user_id=came.identity.id))
    again = await sso.login("ada")
    assert again.identity.id != came.identity.id


async def test_a_provider_that_is_changed_disabled_or_deleted_ends_what_is_under_way(auth, sso, provider):
    await sso.make()
    started = await sso.start()
    brought = await provider.log_in(started.authorization_url, "ada")
    onward = await sso.finish(**brought)
    other = await sso.start()
    other_brought = await provider.log_in(other.authorization_url, "ada")
    await sso.update("default_roles", default_roles=["admin"])
    with pytest.raises(FailedPrecondition, match="changed"):
        await sso.complete(code_of(onward), started.verifier)
    with pytest.raises(FailedPrecondition, match="changed"):
        await sso.finish(**other_brought)
    await sso.update("disabled", disabled=True)
    with pytest.raises(NotFound):
        await sso.start()
    assert not (await sso.calls().ListLoginOptions(sso_pb2.ListLoginOptionsRequest())).providers


async def test_only_the_gateway_finishes_logins(auth, sso):
    request = sso_pb2.FinishOidcLoginRequest(code="c", state="s")
    for token in ("", await auth.admin(), await auth.service("tasks")):
        with pytest.raises(PermissionDenied):
            await sso.calls(token).FinishOidcLogin(request)


async def test_logins_and_refusals_are_in_the_audit_log(auth, sso, provider):
    await sso.make(auto_create=False)
    with pytest.raises(PermissionDenied):
        await sso.login("nobody")
    await sso.update("auto_create", auto_create=True)
    came = await sso.login("ada")
    provider.forge = lambda token: token[:-4] + "AAAA"
    with pytest.raises(CredentialsInvalid):
        await sso.login("eve")
    entries = audit_pb2_grpc.AuditServiceStub(auth.channel(await auth.admin()))

    async def listed(method: str) -> list[Any]:
        asked = audit_pb2.ListAuditEntriesRequest(filter=f'method = "SsoService.{method}"')
        return list((await entries.ListAuditEntries(asked)).entries)

    async with asyncio.timeout(30):
        while len(await listed("CompleteOidcLogin")) < 2 or len(await listed("FinishOidcLogin")) < 3:
            await asyncio.sleep(0.1)
    done, refused = await listed("CompleteOidcLogin")
    assert (done.result, done.actor.id, done.actor.name) == (audit_pb2.AUDIT_RESULT_DONE, came.identity.id, "ada")
    assert "corp" in {change.resource.name for change in done.changes}
    assert (refused.result, refused.reason) == (audit_pb2.AUDIT_RESULT_DENIED, "PERMISSION_DENIED")
    assert (refused.resource.kind, refused.resource.name) == ("linked identity", "nobody of corp")
    forged = (await listed("FinishOidcLogin"))[0]
    assert (forged.result, forged.reason) == (audit_pb2.AUDIT_RESULT_DENIED, "CREDENTIALS_INVALID")


async def test_no_secret_of_a_login_is_stored_or_told(auth, sso, provider, store: Any):
    await sso.make(client_secret="canary-client-secret")
    started = await sso.start()
    brought = await provider.log_in(started.authorization_url, "ada")
    onward = await sso.finish(**brought)
    came = await sso.complete(code_of(onward), started.verifier)
    assert came.access_token
    kept = []
    for name in await store.database.client[store.database.name].list_collection_names():
        kept += [repr(raw) async for raw in store.database.raw(name).find({})]
    for secret in ("canary-client-secret", brought["code"], brought["state"], code_of(onward), started.verifier):
        assert secret not in "".join(kept)
    found = await sso.providers(await auth.admin()).GetOidcProvider(
        oidc_provider_pb2.GetOidcProviderRequest(oidc_provider_id=sso.record.id)
    )
    assert found.oidc_provider.has_client_secret
    assert "canary" not in str(found)


async def test_errors_of_a_login_are_never_the_servers(sso, provider):
    await sso.make()
    for subject in ("x" * 300, "émile"):
        with pytest.raises(DomainError) as raised:
            await sso.login(subject)
        assert raised.value.info.http_status < 500
