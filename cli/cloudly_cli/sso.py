"""Logging in by an identity provider: in a browser that comes back to this program (RFC 8252), or shows a code to type."""

import os
import sys
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from cloudly_cli.client import Client
from cloudly_cli.failures import Failure

CODE_PREFIX = "cloudly_sso_"
WAIT_SECONDS = 600
"""As long as the server lets a login take."""
_DONE = b"<!doctype html><html lang=en><title>Cloudly</title><h1>Back to the terminal</h1><p>You can close this page."


def log_in(client: Client, provider: str, *, browser: bool) -> dict[str, Any]:
    """What CompleteOidcLogin answers, after somebody has logged in at the provider; "" asks which one.

    Raises:
        Failure: there is no provider, or nobody came back.
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
            code = listener.wait()
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
        self.code = ""
        self._late = False

    def wait(self) -> str:
        """The code that the browser brings; what else comes to the port is not for us."""
        while not self.code and not self._late:
            self.handle_request()
        if not self.code:
            raise Failure("nobody has logged in within ten minutes", 1, "Run it again.")
        return self.code

    def handle_timeout(self) -> None:
        """Nobody came."""
        self._late = True


class _Answer(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 5
    """Whoever connects and says nothing is not waited for longer."""

    def do_GET(self) -> None:
        code = parse_qs(urlsplit(self.path).query).get("code", [""])[0]
        known = code.startswith(CODE_PREFIX)
        if known:
            self.server.code = code
        self.send_response(200 if known else 404)
        self.send_header("content-type", "text/html")
        self.send_header("cache-control", "no-store")
        self.send_header("referrer-policy", "no-referrer")
        self.end_headers()
        self.wfile.write(_DONE if known else b"")

    def log_message(self, format: str, *args: Any) -> None:
        """The code does not belong on the terminal."""
