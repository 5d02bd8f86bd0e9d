"""A folder on an SMB share, as a place for copies: SMB 2 and 3 ([MS-SMB2]), encrypted unless the share says otherwise.

The library blocks, so its work runs in a thread; when the time is up, the connection is closed under it.
"""

import asyncio
import secrets
import struct
from dataclasses import dataclass, field

import smbclient
import smbclient.path
from smbprotocol.connection import Connection
from smbprotocol.exceptions import (
    SMBAuthenticationError,
    SMBConnectionClosed,
    SMBException,
    SMBOSError,
    SMBResponseException,
)
from smbprotocol.header import NtStatus

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated, NotPermitted, ProviderError, Unreachable

PORT = 445
_CONNECT_SECONDS = 5
"""For each address of the host, and for the first answer."""
_NETWORK = "Check host and port, the network and firewalls on the way."
_LOGIN = "Check user name, password and domain."
_NO_SHARE = (NtStatus.STATUS_BAD_NETWORK_NAME, NtStatus.STATUS_NOT_FOUND)
"""The second is Samba's answer to the library's question whether an unknown share leads elsewhere (DFS)."""


@dataclass(frozen=True)
class SmbShare:
    """Where the share is, and who logs in there."""

    host: str
    share: str
    port: int = PORT
    username: str = ""
    password: str = field(default="", repr=False)
    domain: str = ""
    encrypt: bool = True

    @property
    def url(self) -> str:
        """The share for people."""
        return f"smb://{self.host}{'' if self.port == PORT else f':{self.port}'}/{self.share}"

    @property
    def login(self) -> str:
        """The user with the domain, as NTLM wants it."""
        return f"{self.domain}\\{self.username}" if self.domain else self.username


async def check(share: SmbShare, prefix: str, watch: Stopwatch) -> Finding:
    """Whether files can be written, read back and deleted in the folder `prefix`, or in the share's root where it is not
    there yet; what was written is deleted again.
    """
    visit = _Visit(share)
    working = asyncio.create_task(asyncio.to_thread(visit.check, prefix, watch))
    try:
        return await asyncio.shield(working)
    finally:
        # Ends the thread, if it still waits for an answer.
        await asyncio.to_thread(visit.close)
        await asyncio.gather(working, return_exceptions=True)


class _Visit:
    """One connection, used by one thread, and closed by any."""

    def __init__(self, share: SmbShare) -> None:
        self._share = share
        self._connections: dict[str, Connection] = {}
        self._closed = False

    def close(self) -> None:
        self._closed = True
        for connection in list(self._connections.values()):
            connection.disconnect(close=False)

    def check(self, prefix: str, watch: Stopwatch) -> Finding:
        share = self._share
        try:
            self._log_in(watch)
        except (SMBException, ValueError, OSError, struct.error) as error:
            raise self._refused_login(error) from error
        root = rf"\\{share.host}\{share.share}"
        options = {"username": share.login, "password": share.password, "port": share.port}
        options["connection_cache"] = self._connections
        folder = "\\".join((root, *(part for part in prefix.split("/") if part)))
        try:
            base = folder if smbclient.path.isdir(folder, **options) else root
            name, content = rf"{base}\connection-test-{secrets.token_hex(8)}", secrets.token_bytes(64)
            with smbclient.open_file(name, mode="xb", **options) as file:
                file.write(content)
            try:
                with smbclient.open_file(name, mode="rb", **options) as file:
                    if file.read() != content:
                        raise Unreachable(
                            "what was read is not what was written a moment before",
                            action="Ask whoever runs the share whether another program changes files there.",
                        )
            finally:
                smbclient.remove(name, **options)
        except (SMBException, ValueError, OSError) as error:
            raise self._refused_work(error) from error
        return Finding(f"files in {share.url} can be written, read and deleted")

    def _log_in(self, watch: Stopwatch) -> None:
        share = self._share
        connection = Connection(smbclient.ClientConfig().client_guid, share.host, share.port)
        connection.connect(timeout=_CONNECT_SECONDS)
        watch.answered()
        # Under the key by which the library looks for it, and before the login, which waits without an end of its own.
        self._connections[f"{share.host.lower()}:{share.port}"] = connection
        if self._closed:
            connection.disconnect(close=False)
        smbclient.register_session(
            share.host,
            username=share.login,
            password=share.password,
            port=share.port,
            encrypt=share.encrypt or None,
            connection_cache=self._connections,
            auth_protocol="ntlm",
        )

    def _refused_login(self, error: Exception) -> ProviderError:
        share = self._share
        if isinstance(error, SMBResponseException | SMBAuthenticationError):
            return NotAuthenticated(f"{share.url} does not take the login: {_told(error, share)}", action=_LOGIN)
        if isinstance(error, SMBException) and not isinstance(error, SMBConnectionClosed) and self._connections:
            return NotPermitted(
                f"{share.url} does not encrypt what is sent: {_told(error, share)}",
                action="Let the server offer SMB 3 with encryption, or do without it.",
            )
        return Unreachable(f"{share.url} cannot be reached: {_told(error, share)}", action=_NETWORK)

    def _refused_work(self, error: Exception) -> ProviderError:
        share = self._share
        status = error.ntstatus if isinstance(error, SMBOSError) else getattr(error, "status", None)
        if status in _NO_SHARE:
            action = "Make the share at the server, or name another."
            return NotPermitted(f"there is no share {share.share} at {share.host}", action=action)
        if isinstance(error, SMBConnectionClosed) or not isinstance(error, SMBException):
            return Unreachable(f"{share.url} broke off: {_told(error, share)}", action=_NETWORK)
        said = (
            "may not read and write there"
            if status == NtStatus.STATUS_ACCESS_DENIED
            else f"cannot work there: {_told(error, share)}"
        )
        return NotPermitted(
            f"{share.login or 'a guest'} {said} ({share.url})",
            action="Let the user read and write in the share, and see that it has space.",
        )


def _told(error: Exception, share: SmbShare) -> str:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text.replace(share.password, "***") if share.password else text
