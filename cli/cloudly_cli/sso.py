"""Logging in by an identity provider: in a browser that comes back to this program (RFC 8252), or shows a code to type."""

import hashlib
import hmac
import html
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from cloudly_cli.client import Client
from cloudly_cli.failures import Failure

CODE_PREFIX = "cloudly_sso_"
WAIT_SECONDS = 600
"""As long as the server lets a login take."""
_LONGEST_REFUSAL = 500
_PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>Cloudly</title><h1>{title}</h1><p>{text}"


def log_in(client: Client, provider: str, *, browser: bool) -> dict[str, Any]:
    """What CompleteOidcLogin answers, after somebody has logged in at the provider; "" asks which one.

    Raises:
        Failure: there is no provider, the login was refused, or nobody came back.
        Problem: the server refused.
    """
    provider = provider or _chosen(client)
    if browser and _has_browser():
        with _Listener() as listener:
            started = _start(client, {"provider": provider, "loopbackPort": listener.server_port})
            click.echo(
                f"Log in in the browser. Where none opens, go to:\n\n  {started['authorizationUrl']}\n", err=True
            )
            webbrowser.open(started["authorizationUrl"])
            code = listener.wait(started["verifier"])
    else:
        started = _start(client, {"provider": provider, "showCode": True})
        click.echo(f"Log in in a browser, here or elsewhere:\n\n  {started['authorizationUrl']}\n", err=True)
        code = click.prompt("The code that it shows in the end", hide_input=True, err=True).strip()
    body = {"code": code, "verifier": started["verifier"]}
    answer: dict[str, Any] = client.call("POST", "/api/v1/auth/oidc/complete", body=body, anonymous=True)
    return answer


def _start(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.call("POST", "/api/v1/auth/oidc/start", body=body, anonymous=True)
    return answer


def _chosen(client: Client) -> str:
    offered = client.call("GET", "/api/v1/auth/login-options", anonymous=True).get("providers", [])
    names = [one["name"] for one in offered]
    if not names:
        raise Failure(
            f"{client.url} has no identity provider", 4, "An admin makes one: `cloudly oidc-provider create`."
        )
    if len(names) == 1:
        return str(names[0])
    return str(click.prompt("Identity provider", type=click.Choice(names), err=True))


def _has_browser() -> bool:
    # Over SSH, or without a screen, a browser would open where nobody sits, or not at all.
    screen = sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return screen and not os.environ.get("SSH_CONNECTION")


class _Listener(HTTPServer):
    """Waits on a loopback port for the browser."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.timeout = WAIT_SECONDS
        self.code = self.refusal = ""
        self._login = ""
        self._late = False

    def wait(self, verifier: str) -> str:
        """The code that the browser brings; what else comes to the port is not for us.

        Raises:
            Failure: the login was refused, or nobody came.
        """
        self._login = hashlib.sha256(verifier.encode()).hexdigest()
        while not (self.code or self.refusal or self._late):
            self.handle_request()
        if self.refusal:
            raise Failure(f"you are not logged in: {self.refusal}", 3, "Run it again.")
        if not self.code:
            raise Failure("nobody has logged in within ten minutes", 1, "Run it again.")
        return self.code

    def take(self, query: Mapping[str, Sequence[str]]) -> str:
        """The page for who brings the end of this login; empty for anybody else."""
        if not hmac.compare_digest(query.get("login", [""])[0].encode(), self._login.encode()):
            return ""
        code = query.get("code", [""])[0]
        if code.startswith(CODE_PREFIX):
            self.code = code
            return _PAGE.format(title="Back to the terminal", text="You can close this page.")
        self.refusal = _shown(query.get("refused", [""])[0]) or "the login was refused"
        text = f"{html.escape(self.refusal[:1].upper() + self.refusal[1:])}. You can close this page."
        return _PAGE.format(title="You are not logged in", text=text)

    def handle_timeout(self) -> None:
        """Nobody came."""
        self._late = True


class _Answer(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 5
    """Whoever connects and says nothing is not waited for longer."""

    def do_GET(self) -> None:
        page = self.server.take(parse_qs(urlsplit(self.path).query))
        self.send_response(200 if page else 404)
        self.send_header("content-type", "text/html")
        self.send_header("cache-control", "no-store")
        self.send_header("referrer-policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """The code does not belong on the terminal."""


def _shown(message: str) -> str:
    # What comes over the browser may not move the cursor or colour the terminal.
    return "".join(character for character in message if character.isprintable())[:_LONGEST_REFUSAL]
