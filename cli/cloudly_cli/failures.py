"""What goes wrong, as exit codes and as text: 0 done, 1 failed, 2 wrong usage, 3 not logged in or not allowed, 4 not
found, 5 in conflict with what is there.
"""

from collections.abc import Mapping
from typing import IO, Any

import click

_CODES = {401: 3, 403: 3, 404: 4, 409: 5, 412: 5}


class Failure(click.ClickException):
    """Something that ends the command, with an exit code and perhaps advice."""

    def __init__(self, message: str, code: int = 1, action: str = "") -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance
        self.action = action

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to standard error."""
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {self.message}", file=file, err=file is None)
        if self.action:
            click.echo(self.action, file=file, err=file is None)


class Unreachable(Failure):
    """The server does not answer."""


class Problem(Failure):
    """What the server refused, from its problem document."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        title, detail = str(document.get("title", f"HTTP {status}")), str(document.get("detail", ""))
        # A detail that only strings the violations together says nothing that the lines below do not.
        lines = [f"{title}: {detail}" if detail and not document.get("violations") else title]
        lines += [f"  {v.get('field')}: {v.get('description')}" for v in document.get("violations", ())]
        action = str(document.get("action", ""))
        if document.get("requestId") and status >= 500:
            action = f"{action} (request {document['requestId']})".strip()
        super().__init__("\n".join(lines), _CODES.get(status, 1), action)
        self.status = status
        self.reason = str(document.get("reason", ""))


def problem_of(status: int, content: bytes) -> Problem:
    """The problem in a response's body, whatever that holds."""
    import json

    try:
        document = json.loads(content)
    except ValueError:
        document = None
    return Problem(status, document if isinstance(document, dict) else {})


def not_logged_in(why: str) -> Failure:
    """Nobody is logged in, or no longer."""
    return Failure(why, 3, "Log in with `cloudly login`.")
