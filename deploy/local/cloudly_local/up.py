"""`cloudly-local up`: from nothing to a suite that answers, in the foreground or left behind."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import click
from pydantic import SecretStr

from cloudly_local import probes
from cloudly_local.config import LocalSettings
from cloudly_local.journal import Journal
from cloudly_local.keys import first_login, make_key_pairs
from cloudly_local.layout import Layout
from cloudly_local.log_files import rotate
from cloudly_local.ports import require_port
from cloudly_local.process import Supervised
from cloudly_local.processes import IDENTITIES, PROCESSES, PythonProcess
from cloudly_local.single import Lock, reclaim
from cloudly_local.status import read_status
from cloudly_local.suite import Suite, assemble
from cloudly_local.supervisor import Supervisor
from cloudly_local.terminal import leave_terminal, show_logs, welcome

LOGIN_SECONDS = 10.0
HTTPS = 443
"""Where TLS-ALPN-01 challenges arrive (RFC 8737 §3)."""


@dataclass(frozen=True)
class Wish:
    """What `up` was asked for."""

    settings: LocalSettings
    layout: Layout
    port: int
    quiet: bool = False
    """Left behind: after the welcome, nothing is written to the terminal."""
    processes: Sequence[PythonProcess] = PROCESSES


def up(wish: Wish) -> None:
    """Run the suite until told to stop.

    Raises:
        ForeignDirectoryError, PortUnavailableError, MissingProgramError, PermissionError: it cannot be started.
    """
    began = time.monotonic()
    layout = wish.layout
    layout.make()
    lock = Lock(layout)
    if not lock.acquire():
        running = read_status(layout.data)
        click.echo(f"Cloudly runs here already: {running.url if running else layout.data}")
        return
    try:
        for log in layout.logs.glob("*.log"):
            rotate(log)
        journal = Journal(layout.log("supervisor"))
        reclaim(layout, journal.tell)
        require_port(wish.settings.bind_host, wish.port)
        make_key_pairs(wish.settings.keys_dir_setting or layout.keys, IDENTITIES)
        settings, login = _with_first_login(wish.settings, layout)
        suite = assemble(settings, layout, wish.port, wish.processes)
        if settings.is_exposed:
            click.echo(
                f"Warning: CLOUDLY_BIND={settings.bind} opens Cloudly to others without TLS; passwords travel in the "
                "clear. Set SERVEZONE_SSLMODE to external or letsencrypt.",
                err=True,
            )
        if settings.ssl_mode == "letsencrypt" and wish.port != HTTPS:
            click.echo(f"Warning: the certificate authority asks on port {HTTPS}; lead it to {wish.port}.", err=True)
        asyncio.run(_supervise(suite, journal, login, began, quiet=wish.quiet))
    finally:
        lock.release()


def up_detached(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `up` in a process of its own, pass on what it says until all is healthy; an exit status."""
    command = [sys.executable, "-m", "cloudly_local.main", "up", *arguments, "--quiet"]
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.STDOUT, start_new_session=True
    )
    os.close(writer)
    with os.fdopen(reader, errors="replace") as said:
        for line in said:
            click.echo(line, nl=False)
    # It has closed its output: all is healthy, or it has ended, or it goes on trying.
    with suppress(subprocess.TimeoutExpired):
        return process.wait(0.5)
    running = read_status(layout.data)
    return 0 if running is not None and running.ready else 1


def _with_first_login(settings: LocalSettings, layout: Layout) -> tuple[LocalSettings, str]:
    """The settings with the first administrator in them, and what is to be shown of it."""
    if layout.greeted.exists():
        return settings, ""
    given = settings.admin_account.get_secret_value()
    if given:
        return settings, ""
    login = first_login()
    return settings.model_copy(update={"admin_account": SecretStr(login)}), login


async def _supervise(suite: Suite, journal: Journal, login: str, began: float, *, quiet: bool) -> None:
    supervisor = Supervisor(suite, journal)
    async with asyncio.TaskGroup() as group:
        aides = [group.create_task(_greet(suite, supervisor, login, began, quiet=quiet), name="greet")]
        if not quiet:
            aides.append(group.create_task(show_logs(suite.layout.logs, suite.settings.log_level), name="terminal"))
        await supervisor.run()
        if not quiet:
            # The last lines are still on their way to the terminal.
            await asyncio.sleep(0.3)
        for aide in aides:
            aide.cancel()


async def _greet(suite: Suite, supervisor: Supervisor, login: str, began: float, *, quiet: bool) -> None:
    if suite.administers:
        await supervisor["auth"].healthy.wait()
        suite.layout.greeted.touch()
    looping = [asyncio.create_task(process.failing.wait()) for process in supervisor.processes()]
    ready = asyncio.create_task(supervisor.ready.wait())
    shown = False
    try:
        await asyncio.wait([ready, *looping], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            for process in supervisor.processes():
                if process.failing.is_set():
                    click.echo(_complaint(process), err=True)
            if not quiet:
                await ready
        if ready.done():
            # An older administrator in the same database goes before the one made here.
            opens = bool(login) and await _opens(suite, login)
            click.echo(welcome(suite.url, login if opens else "", time.monotonic() - began))
            shown = True
    finally:
        if login and not shown:
            # The administrator exists, and this password will not be made again.
            click.echo(f"First login (shown only this once): {login}")
        for task in (ready, *looping):
            task.cancel()
    if quiet:
        sys.stdout.flush()
        leave_terminal()


async def _opens(suite: Suite, login: str) -> bool:
    """Whether the login made here opens the door."""
    user, _, password = login.partition(":")
    body = json.dumps({"username": user, "password": password}).encode()
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            status = await probes.post(suite.ports["gateway"], "/api/v1/auth/login", body)
    except (OSError, ValueError, IndexError):
        # It could not be tried; better shown for nothing than never.
        return True
    return status not in (400, 401, 403)


def _complaint(process: Supervised) -> str:
    return (
        f"{process.name} ends again and again ({process.state.detail}). It is tried further, ever more slowly.\n"
        f"What it said is in {process.log}:\n\n{_last_lines(process)}"
    )


def _last_lines(process: Supervised) -> str:
    lines = process.log.read_text(errors="replace").splitlines()[-15:] if process.log.exists() else []
    return "\n".join(f"    {line}" for line in lines)
