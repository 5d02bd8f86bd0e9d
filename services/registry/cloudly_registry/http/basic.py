"""Basic logins sent with the requests themselves, as curl and simple clients do that know nothing of token servers.

They may do what a token for all actions on the request's repository would let them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from cloudly_kit.errors import CredentialsInvalid, SecondFactorMissing, SecondFactorNeeded, TokenExpired, TokenRevoked

from cloudly_registry.errors import Unauthorized
from cloudly_registry.http.access import ACCESS, challenge
from cloudly_registry.http.parts import Parts
from cloudly_registry.http.remote import remote_address
from cloudly_registry.peers import basic_credentials
from cloudly_registry.tokens import CATALOG, Scope

CHALLENGE = 'Basic realm="Cloudly registry", charset="UTF-8"'
_ACTIONS = ("pull", "push", "delete")


async def admit(request: web.Request, parts: Parts, name: str) -> None:
    """Note what the request's Basic login, if it has one, may do with a repository. Raises Unauthorized."""
    header = request.headers.get("Authorization", "")
    if header[:6].lower() != "basic ":
        return
    username, password = basic_credentials(header)
    with as_challenge(challenge(parts)):
        identity = await parts.logins.identify_recent(username, password, remote_address(request, parts))
    scopes = [Scope("repository", name, _ACTIONS)] if name else [CATALOG]
    request[ACCESS] = parts.tokens.verify(parts.tokens.issue(identity, scopes))


@contextmanager
def as_challenge(challenge: str) -> Iterator[None]:
    """Turn a refused login into the answer that asks for another one."""
    try:
        yield
    except (CredentialsInvalid, TokenExpired, TokenRevoked, SecondFactorMissing, SecondFactorNeeded) as error:
        raise Unauthorized(error.message, challenge=challenge) from error
