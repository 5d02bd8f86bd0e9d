"""Logging in and out, and the list of servers."""

import sys
from typing import Any
from urllib.parse import urlsplit

import click

from cloudly_cli import contexts
from cloudly_cli.client import Client
from cloudly_cli.contexts import Context
from cloudly_cli.failures import Failure, Problem
from cloudly_cli.sso import log_in


@click.command()
@click.argument("url", required=False)
@click.option("-u", "--username", help="Who you are; asked for where it is missing.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--code", help="The code of the authenticator app, or a recovery code; asked for where it is needed.")
@click.option("--token", help="Work with this API token instead of a session; `-` reads it from standard input.")
@click.option(
    "--sso",
    is_flag=False,
    flag_value="",
    metavar="[PROVIDER]",
    help="Log in by an identity provider, in a browser; asks which one where there are several.",
)
@click.option(
    "--no-browser",
    is_flag=True,
    help="With --sso: type in a code that any browser shows.",
)
@click.option("--name", help="What to call this server; by default its host and port.")
def login(
    url: str | None,
    username: str | None,
    password_stdin: bool,
    code: str | None,
    token: str | None,
    sso: str | None,
    no_browser: bool,
    name: str | None,
) -> None:
    """Log in at a Cloudly server and keep the session.

    URL is such as https://cloudly.example.com; by default the current context's, else http://localhost:8080.
    """
    if sso and url is None and ("/" in sso or "." in sso or ":" in sso):
        # `login --sso https://…`: names of providers have none of these.
        url, sso = sso, ""
    known = contexts.read()
    current = known.contexts.get(name or known.current)
    address = _address(url or (current.url if current else contexts.DEFAULT_URL))
    name = name or _name(address)
    if token is not None:
        if username or password_stdin:
            raise click.UsageError("--token stands alone: it says who you are")
        _keep_token(name, address, token)
        return
    client = Client(url=address)
    if sso is not None:
        if username or password_stdin:
            raise click.UsageError("--sso stands alone: the provider says who you are")
        _keep_session(name, client, log_in(client, sso, browser=not no_browser), code)
        return
    if password_stdin:
        if not username:
            raise click.UsageError("--password-stdin needs --username")
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        username = username or click.prompt("User name", default=current.username if current else None)
        password = click.prompt("Password", hide_input=True)
    _keep_session(name, client, _first_step(client, username, password), code)


def _first_step(client: Client, username: str, password: str) -> dict[str, Any]:
    body = {"username": username, "password": password}
    try:
        answer: dict[str, Any] = client.call("POST", "/api/v1/auth/login", body=body, anonymous=True)
    except Problem as problem:
        if problem.reason == "CREDENTIALS_INVALID" and _has_no_admin(client):
            raise Failure(
                f"nobody can log in at {client.url} with a password yet: it has no admin",
                3,
                "Start it with SERVEZONE_ADMINACCOUNT=user:password in its environment, and it makes the first one.",
            ) from problem
        raise
    return answer


def _has_no_admin(client: Client) -> bool:
    # Servers of earlier versions do not say.
    return client.call("GET", "/api/v1/auth/login-options", anonymous=True).get("password") is False


def _keep_session(name: str, client: Client, answer: dict[str, Any], code: str | None) -> None:
    """Answer the second step, where one has to follow, and remember the session."""
    if "challenge" in answer:
        answer = _second_step(client, answer["challenge"], code)
    with contexts.changing() as changed:
        changed.contexts[name] = Context(
            url=client.url,
            username=answer["identity"]["name"],
            access_token=answer["accessToken"],
            refresh_token=answer["refreshToken"],
        )
        changed.current = name
    click.echo(f"Logged in at {client.url} as {answer['identity']['name']}.")


def _keep_token(name: str, address: str, token: str) -> None:
    if token == "-":  # noqa: S105 - the usual sign for standard input
        token = sys.stdin.readline().strip()
    # The gateway takes an API token as it is, so that it can stand where a session's access token does.
    who = Client(url=address, token=token).call("GET", "/api/v1/auth/identity")
    with contexts.changing() as changed:
        changed.contexts[name] = Context(url=address, username=who["name"], access_token=token)
        changed.current = name
    click.echo(f"Working at {address} as {who['name']}, with an API token.")


@click.command()
@click.pass_obj
def logout(context_name: str) -> None:
    """End the session, here and on the server."""
    client = Client(context_name)
    if client.username:
        try:
            client.call("POST", "/api/v1/auth/logout", body={})
        except Problem as problem:
            # A session that the server does not know any more is ended, and an API token has none: it is only forgotten.
            if problem.status not in {401, 403}:
                raise
    with contexts.changing() as changed:
        known = changed.contexts.get(context_name or changed.current)
        if known is not None:
            known.access_token = known.refresh_token = ""
    click.echo("Logged out.")


@click.group()
def context() -> None:
    """The servers that you are, or were, logged in at."""


@context.command("list")
def list_contexts() -> None:
    """Show them; the current one has a star."""
    from cloudly_cli.output import plain_table

    known = contexts.read()
    rows = [
        ["*" if name == known.current else "", name, item.url, item.username if item.access_token else "(logged out)"]
        for name, item in known.contexts.items()
    ]
    click.echo(plain_table(["", "name", "url", "user"], rows))


@context.command("use")
@click.argument("name")
def use_context(name: str) -> None:
    """Make another one the current one."""
    with contexts.changing() as known:
        _check(name, known)
        known.current = name
    click.echo(f"Now working with {name}.")


@context.command("remove")
@click.argument("name")
def remove_context(name: str) -> None:
    """Forget one, and the session there with it."""
    with contexts.changing() as known:
        _check(name, known)
        del known.contexts[name]
        if known.current == name:
            known.current = next(iter(known.contexts), "")
    click.echo(f"Forgot {name}.")


def _second_step(client: Client, challenge: dict[str, Any], code: str | None) -> dict[str, Any]:
    if "FACTOR_KIND_PASSKEY" in challenge["factors"] and len(challenge["factors"]) == 1:
        raise Failure(
            "this account logs in with a passkey, which needs a browser",
            3,
            "Use an API token, or enrol an authenticator app where you are logged in.",
        )
    if not code:
        try:
            code = click.prompt("Code of the authenticator app, or a recovery code", hide_input=True, err=True)
        except click.Abort:
            if sys.stdin.isatty():
                raise
            raise Failure("this account has a second factor", 3, "Give its code with --code.") from None
    body = {"challenge": challenge["token"], "code": code}
    answer: dict[str, Any] = client.call("POST", "/api/v1/auth/login/complete", body=body, anonymous=True)
    return answer


def _check(name: str, known: contexts.Contexts) -> None:
    if name not in known.contexts:
        raise Failure(f"there is no context named {name!r}", 4, "`cloudly context list` shows them.")


def _address(url: str) -> str:
    address = url if "://" in url else f"https://{url}"
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.UsageError(f"{url!r} is not an http or https address")
    return f"{parts.scheme}://{parts.netloc}"


def _name(address: str) -> str:
    return urlsplit(address).netloc.replace(":", "-")
