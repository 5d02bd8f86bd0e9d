"""`cloudly-auth-admin`: what the owner of the host can do without a login. Works on the database itself.

It reads the environment that auth reads (MONGODB_URL, CLOUDLY_KEYS_DIR, …). `cloudly admin` sets it for a suite on this
machine, in a container the image's entry point does: `python -m cloudly_local.container admin reset-password <user>`.
"""

import asyncio
import getpass
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import click
import orjson
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit import logs
from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.entries import cut
from cloudly_kit.errors import DomainError, Unavailable
from cloudly_kit.runtime import Runtime
from pydantic import ValidationError

from cloudly_auth.config import Settings
from cloudly_auth.factor_policy import FactorPolicies
from cloudly_auth.passwords import Passwords, weakness
from cloudly_auth.recovery import generated_password, reset_password
from cloudly_auth.revocations import Revocations
from cloudly_auth.sessions import Sessions
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.store import AuthStore, User
from cloudly_auth.tokens import LONGEST_LIFETIME, Tokens
from cloudly_auth.users import Users

T = TypeVar("T")

NOT_THE_HOST = (
    "this has to run on Cloudly's host, as the user that runs Cloudly: {reason}\n"
    "A suite on this machine: `cloudly admin --data <its data directory> reset-password <user>`.\n"
    "In containers: `docker compose exec auth python -m cloudly_local.container admin reset-password <user>`.\n"
    "Elsewhere: with the environment of auth (MONGODB_URL, MONGODB_NAME, REDIS_URL, CLOUDLY_DATA_DIR or CLOUDLY_KEYS_DIR)."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Administer Cloudly's users on the host, without a login."""


@main.command("reset-password")
@click.argument("user")
@click.option("--generate", is_flag=True, help="Make a password and print it, this once, instead of asking for one.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--admin", is_flag=True, help="Give the role admin too.")
@click.option(
    "--reset-factors", is_flag=True, help="Take second factors and recovery codes away, when they are lost too."
)
def reset_password_command(user: str, generate: bool, password_stdin: bool, admin: bool, reset_factors: bool) -> None:
    """Set a user's password, enable them, and end their sessions."""
    if generate and password_stdin:
        raise click.UsageError("--generate and --password-stdin exclude each other")
    settings = _settings()
    password = generated_password() if generate else _asked(user, from_stdin=password_stdin)

    async def work(users: Users, store: AuthStore) -> tuple[User, bool]:
        within = store.forget_factors if reset_factors else None
        changed = await reset_password(users, user, password, admin=admin, within=within)
        factors = await store.factors.find(changed.id)
        return changed, factors is not None and factors.enrolled

    asked = {"generate": generate, "admin": admin, "resetFactors": reset_factors}
    changed, enrolled = asyncio.run(_with_users(settings, _entry("reset-password", user, asked), work))
    click.echo(f"{changed.name} has a new password, is enabled and has the roles {', '.join(changed.roles)}.")
    click.echo("Sessions that were open are over.")
    if enrolled:
        click.echo("The second factors stay; --reset-factors takes them away.")
    if generate:
        click.echo(f"Password (shown this once): {password}")


def _asked(user: str, *, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt="Once more")
    if problem := weakness(password, user):
        raise click.ClickException(f"the password {problem}")
    return str(password)


def _settings() -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise click.ClickException(problems) from error
    # Whoever can read auth's own key can make tokens anyway; without it this is some other machine, or another user.
    key = settings.keys_dir / "auth.key"
    try:
        key.open("rb").close()
    except OSError as error:
        reason = NOT_THE_HOST.format(reason=f"{key} cannot be read ({error.strerror})")
        raise click.ClickException(reason) from error
    return settings


def _entry(command: str, user: str, asked: dict[str, bool]) -> pb.AuditEntry:
    """What the audit log tells of a command: it knows the host's user, and nobody of Cloudly."""
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return pb.AuditEntry(
        method=f"host.{command}",
        actor=pb.AuditActor(id="host", name=who, type="human"),
        resource=pb.AuditResource(kind="user", name=cut(user)),
        request=orjson.dumps(asked).decode(),
    )


async def _with_users(settings: Settings, entry: pb.AuditEntry, work: Callable[[Users, AuthStore], Awaitable[T]]) -> T:
    logs.configure("auth-admin", "error")
    passwords = Passwords(1)

    async def nobody(*_: Any) -> Any:
        raise AssertionError("no token is verified here")

    try:
        async with Runtime("auth", settings, fetch_keys=nobody, is_revoked=nobody) as runtime:
            await runtime.database.ping()
            store = AuthStore(runtime.database)
            await store.ensure()
            keys = KeyRing(runtime.database, await runtime.envelope(), longest_token=LONGEST_LIFETIME)
            sessions = Sessions(
                store,
                Tokens(settings.public_origin, keys),
                Revocations(store, runtime.redis),
                runtime.journal,
                idle=timedelta(days=settings.session_idle_days),
                longest=timedelta(days=settings.session_days),
                must_enrol=FactorPolicies(store).must_enrol,
            )
            users = Users(store, passwords, sessions)
            await users.open()
            # Auth tells it to the chain, now or when it starts again.
            async with audited(runtime.journal, entry):
                return await work(users, store)
    except Unavailable as error:
        raise click.ClickException(NOT_THE_HOST.format(reason=error.message)) from error
    except DomainError as error:
        raise click.ClickException(error.message) from error
    finally:
        passwords.close()


if __name__ == "__main__":
    main()
