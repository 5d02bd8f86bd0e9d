"""Mails over the ways that mail servers ask for: STARTTLS or TLS, with a login."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword
from cloudly_auth.invitation_store import Invitation
from cloudly_auth.mail import Mail, MailFailed, MailServer
from cloudly_kit.testing import free_port, self_signed

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
LINK = "http://localhost:8080/invite#cloudly_inv_x"


class Mailbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword) -> AuthResult:
    return AuthResult(success=(login.login, login.password) == (b"cloudly", b"hush"), handled=False)


@contextmanager
def mail_server(**how: Any) -> Iterator[tuple[Mailbox, int]]:
    """One that takes mails after a login, and its port."""
    mailbox, port = Mailbox(), free_port()
    how = {"authenticator": authenticate, "auth_required": True} | how
    server = Controller(mailbox, hostname="127.0.0.1", port=port, **how)
    server.start()
    try:
        yield mailbox, port
    finally:
        server.stop()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server serves with, trusted by this process as by one with a private CA (SSL_CERT_FILE)."""
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context


async def send(port: int, tls: Any, password: str = "hush") -> None:
    invitation = Invitation(
        kind="invite",
        name="ada",
        name_folded="ada",
        roles=["viewer"],
        email="ada@example.com",
        invited_by="root",
        expire_time=datetime.now(UTC) + timedelta(days=1),
    )
    server = MailServer("127.0.0.1", port, tls, "cloudly", password, "Cloudly <c@example.com>")
    await Mail(server, "http://localhost:8080").send_link(invitation, LINK)


@pytest.mark.parametrize("way", ["starttls", "tls"])
async def test_a_mail_goes_encrypted_with_a_login_and_is_whole(tls: ssl.SSLContext, way: str):
    served = {"tls_context": tls, "require_starttls": True} if way == "starttls" else {"ssl_context": tls}
    # aiosmtpd does not know that a connection is encrypted from its first byte.
    with mail_server(**served, auth_require_tls=way == "starttls") as (mailbox, port):
        await send(port, way)
        with pytest.raises(MailFailed, match="SMTPAuthenticationError 535"):
            await send(port, way, "wrong")
    (mail,) = mailbox.mails
    assert LINK in mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert abs(parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_neither_mail_nor_password_goes_in_the_clear_or_to_a_stranger(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
):
    with mail_server(auth_require_tls=False) as (mailbox, port):
        with pytest.raises(MailFailed, match="did not take it"):
            await send(port, "starttls")
        assert mailbox.mails == []
    monkeypatch.delenv("SSL_CERT_FILE")
    with mail_server(tls_context=tls, require_starttls=True) as (mailbox, port):
        with pytest.raises(MailFailed, match="did not take it"):
            await send(port, "starttls")
        assert mailbox.mails == []
