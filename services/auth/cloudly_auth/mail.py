"""Mails with one-time links, handed to the mail server that CLOUDLY_SMTP_* name."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Literal

import aiosmtplib
import structlog

from cloudly_auth.invitation_store import Invitation

log = structlog.get_logger()

SECONDS = 10.0
"""How long a mail server may take; somebody waits for the answer."""

# The part of RFC 5321 §4.1.2 that mail servers take in practice: no quoted local parts, no address literals.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")


class MailFailed(Exception):
    """The mail server did not take the mail; the text says why, for the admin."""


def address_problem(address: str) -> str:
    """What is wrong with an e-mail address, as a sentence; empty when nothing is."""
    return "" if _ADDRESS.fullmatch(address) else "must be an e-mail address such as ada@example.com"


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed in."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"]
    username: str
    password: str
    sender: str


class Mail:
    """Sends links."""

    def __init__(self, server: MailServer, public_origin: str) -> None:
        self._server = server
        self._origin = public_origin

    async def send_link(self, invitation: Invitation, link: str) -> None:
        """Hand a mail with the link in.

        Raises:
            MailFailed: the server does not answer or refuses it.
        """
        message = EmailMessage()
        message["From"] = self._server.sender
        message["To"] = Address(addr_spec=invitation.email)
        # Without the first (RFC 5322 §3.6) and the second mails are taken for spam, without the third answered by machines.
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = make_msgid(domain=parseaddr(self._server.sender)[1].rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"
        ends = invitation.expire_time.strftime("%d %B %Y, %H:%M UTC")
        if invitation.kind == "invite":
            message["Subject"] = "You are invited to Cloudly"
            opening = f"{invitation.invited_by} invites you to Cloudly at {self._origin}.\n\nYour user name: "
        else:
            message["Subject"] = "Choose a new password for Cloudly"
            opening = f"{invitation.invited_by} lets you choose a new password for Cloudly at {self._origin}.\n\nUser: "
        message.set_content(
            f"{opening}{invitation.name}\nChoose your password here: {link}\n\n"
            f"The link works once, until {ends}. If you do not expect this mail, ignore it.\n"
        )
        server = self._server
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.username or None,
                password=server.password or None,
                use_tls=server.tls == "tls",
                start_tls=server.tls == "starttls",
                timeout=SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            # What the server says may quote the mail: only its kind is told.
            code = getattr(error, "code", "")
            log.warning("auth.mail_failed", invitation=invitation.id, error=type(error).__name__, code=code)
            said = f"{type(error).__name__} {code}".strip()
            raise MailFailed(f"the mail server {server.host} did not take it ({said}): hand the link over") from error
        log.info("auth.mail_sent", invitation=invitation.id)
