"""One-time links: for new users, and for new passwords."""

import asyncio
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from cloudly.auth.v1 import invitation_pb2 as pb
from cloudly.auth.v1 import invitation_pb2_grpc, user_pb2
from cloudly_auth.invitation_store import InvitationStore
from cloudly_auth.main import serve
from cloudly_kit.errors import (
    AlreadyExists,
    CredentialsInvalid,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    TokenRevoked,
)
from cloudly_kit.ids import new_id
from cloudly_kit.testing import ServiceHarness, free_port
from google.protobuf.field_mask_pb2 import FieldMask

PASSWORD, CHOSEN = "a long enough passphrase", "my very own passphrase"


def stub(auth, token: str = "") -> Any:
    return invitation_pb2_grpc.InvitationServiceStub(auth.channel(token))


async def invite(auth, token: str, name: str = "ada", *roles: str, **fields: Any) -> pb.CreateInvitationResponse:
    email = fields.pop("email", "")
    invitation = pb.Invitation(name=name, roles=roles or ["viewer"], email=email)
    return await stub(auth, token).CreateInvitation(pb.CreateInvitationRequest(invitation=invitation, **fields))


async def accept(auth, link: str, password: str = CHOSEN) -> pb.AcceptInvitationResponse:
    request = pb.AcceptInvitationRequest(token=link.partition("#")[2], password=password)
    return await stub(auth).AcceptInvitation(request)


async def test_an_invited_person_chooses_a_password_and_is_logged_in(auth, store: Any):
    token = await auth.admin()
    made = await invite(auth, token, "Ada", "operator")
    assert made.link.startswith("http://localhost:8080/invite#cloudly_inv_")
    assert (made.mailed, made.mail_problem) == (False, "")
    seen = (await stub(auth).LookUpInvitation(pb.LookUpInvitationRequest(token=made.link.partition("#")[2]))).invitation
    assert (seen.name, seen.kind, seen.invited_by) == ("Ada", pb.INVITATION_KIND_INVITE, "")
    with pytest.raises(InvalidArgument) as weak:
        await accept(auth, made.link, "short")
    assert weak.value.violations[0].field == "password"
    welcomed = await accept(auth, made.link)
    assert (welcomed.identity.name, list(welcomed.identity.roles)) == ("Ada", ["operator"])
    assert (await auth.identity(welcomed.access_token)).id == welcomed.identity.id
    assert (await auth.refresh(welcomed.refresh_token)).access_token
    assert (await auth.login("ada", CHOSEN)).identity.id == welcomed.identity.id
    (listed,) = (await stub(auth, token).ListInvitations(pb.ListInvitationsRequest())).invitations
    assert (listed.state, listed.user_id, listed.invited_by) == (
        pb.INVITATION_STATE_ACCEPTED,
        welcomed.identity.id,
        "root",
    )
    secret = made.link.rpartition(".")[2]
    (kept,) = await InvitationStore(store.database).invitations.find_all(scope="-")
    assert secret not in kept.model_dump_json()


async def test_a_link_used_by_many_at_once_on_two_replicas_makes_one_user(harness: ServiceHarness, replica: Any, auth):
    token = await auth.admin()
    link = (await invite(auth, token)).link
    async with harness.running("auth", serve, replica(2)):
        other = auth.at(replica(2))
        tries = [accept(auth if number % 2 else other, link, f"passphrase {number}") for number in range(8)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
    won = [number for number, answer in enumerate(answers) if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, DomainError) for answer in answers if isinstance(answer, BaseException))
    assert (await auth.login("ada", f"passphrase {won[0]}")).access_token
    with pytest.raises(FailedPrecondition, match="used already"):
        await accept(auth, link)


async def test_links_that_ended_do_not_work_and_say_why(auth, store: Any):
    token = await auth.admin()
    first, second = await invite(auth, token), await invite(auth, token, "ADA")
    with pytest.raises(FailedPrecondition, match="replaced"):
        await accept(auth, first.link)
    revoke = pb.RevokeInvitationRequest(invitation_id=second.invitation.id)
    assert (await stub(auth, token).RevokeInvitation(revoke)).invitation.state == pb.INVITATION_STATE_REVOKED
    with pytest.raises(FailedPrecondition, match="revoked"):
        await accept(auth, second.link)
    third = await invite(auth, token)
    kept = InvitationStore(store.database).invitations
    await kept.change(third.invitation.id, lambda old: old.model_copy(update={"expire_time": old.create_time}))
    with pytest.raises(FailedPrecondition, match="run out"):
        await accept(auth, third.link)
    for wrong in ("", "#x", "#cloudly_inv_.", third.link[:-1], third.link + "x", f"#cloudly_inv_{new_id()}.abc"):
        with pytest.raises((CredentialsInvalid, InvalidArgument)):
            await accept(auth, wrong)
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada", CHOSEN)


async def test_who_may_invite_whom_as_what(auth):
    token = await auth.admin()
    await auth.add_user("opa", "operator", token=token)
    operator = (await auth.login("opa")).access_token
    with pytest.raises(PermissionDenied):
        await invite(auth, operator)
    with pytest.raises(AlreadyExists):
        await invite(auth, token, "OPA")
    for name, roles, email in (
        ("\u0430da", ["viewer"], ""),
        ("ada", ["cluster"], ""),
        ("ada", ["viewer"], "a@b\r\nBcc: c"),
    ):
        with pytest.raises(InvalidArgument):
            await invite(auth, token, name, *roles, email=email)
    request_id = new_id()
    made = await invite(auth, token, request_id=request_id)
    again = await invite(auth, token, request_id=request_id)
    assert (again.invitation.id, again.link) == (made.invitation.id, "")
    await auth.add_user("ADA", "viewer", token=token)
    with pytest.raises(AlreadyExists):
        await accept(auth, made.link)


async def test_a_reset_link_sets_the_password_ends_sessions_and_logs_nobody_in(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    session = await auth.login("ada")
    made = await stub(auth, token).IssueResetLink(pb.IssueResetLinkRequest(user_id=user.id))
    assert (await auth.identity(session.access_token)).id == user.id
    answer = await accept(auth, made.link)
    assert (answer.access_token, answer.refresh_token) == ("", "")
    with pytest.raises(TokenRevoked):
        await auth.identity(session.access_token)
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada", PASSWORD)
    assert (await auth.login("ada", CHOSEN)).identity.id == user.id
    made = await stub(auth, token).IssueResetLink(pb.IssueResetLinkRequest(user_id=user.id))
    disabled = user_pb2.UpdateUserRequest(
        user=user_pb2.User(id=user.id, disabled=True), update_mask=FieldMask(paths=["disabled"])
    )
    await auth.users(token).UpdateUser(disabled)
    with pytest.raises(FailedPrecondition, match="disabled"):
        await accept(auth, made.link)


class Mailbox(Message):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


async def test_links_are_mailed_and_a_mail_server_that_refuses_is_told(
    harness: ServiceHarness, settings: Any, caller_of
):
    mailbox, port = Mailbox(), free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    changed = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none", "smtp_from": "Cloudly <c@example.com>"}
    try:
        async with harness.running("auth", serve, settings.model_copy(update=changed)):
            token = await caller_of.admin()
            made = await invite(caller_of, token, email="ada@example.com")
            assert (made.mailed, made.mail_problem) == (True, "")
            await asyncio.to_thread(server.stop)
            (mail,) = mailbox.mails
            assert (mail["To"], mail["From"]) == ("ada@example.com", "Cloudly <c@example.com>")
            text = mail.get_payload(decode=True).decode()
            link = next(word for word in text.split() if "/invite#" in word)
            assert link == made.link
            unsent = await invite(caller_of, token, "bob", email="bob@example.com")
            assert not unsent.mailed
            assert "did not take it" in unsent.mail_problem
            assert (await accept(caller_of, unsent.link)).access_token
    finally:
        if server._thread is not None:
            server.stop()
