"""The command `cloudly-local`: the whole suite on this machine."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import ValidationError

from cloudly_local import config_table, host_admin, log_files
from cloudly_local.config import LocalSettings
from cloudly_local.journal import Journal
from cloudly_local.layout import ForeignDirectoryError, Layout
from cloudly_local.ports import PortUnavailableError
from cloudly_local.servers import MissingProgramError
from cloudly_local.single import Lock, bring_down
from cloudly_local.status import read_status, recorded_supervisor
from cloudly_local.status import table as status_table
from cloudly_local.terminal import Printer
from cloudly_local.up import Wish, up, up_detached

CANNOT_START = 2
"""The exit status when something outside of Cloudly has to be put right first."""

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CLOUDLY_DATA_DIR",
    default=Path(".cloudly"),
    show_default=True,
    help="The data directory.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the whole of Cloudly on this machine: database, Redis, services, gateway, Envoy and Traefik."""


@main.command("up")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The public port (else CLOUDLY_PORT, SERVEZONE_PORT, 8080)."
)
@click.option("--detach", is_flag=True, help="Return when everything is healthy, and leave it running.")
@click.option("--quiet", is_flag=True, hidden=True)
@data_option
def up_command(port: int | None, detach: bool, quiet: bool, data: Path) -> None:
    """Start everything; Ctrl-C stops it."""
    layout = Layout.at(data)
    if detach:
        if Lock(layout).is_held():
            running = read_status(data)
            click.echo(f"Cloudly runs here already: {running.url if running else layout.data}")
            return
        arguments = ["--data", str(layout.data), *(["--port", str(port)] if port else [])]
        sys.exit(up_detached(layout, arguments))
    try:
        settings, listen = _settings(port)
        up(Wish(settings, layout, listen, quiet=quiet))
    except (PortUnavailableError, MissingProgramError, ForeignDirectoryError, PermissionError) as error:
        click.echo(f"Cloudly cannot start: {error}", err=True)
        sys.exit(CANNOT_START)


@main.command("down")
@data_option
def down_command(data: Path) -> None:
    """Stop everything, in order."""
    click.echo("Cloudly is stopped." if _down(Layout.at(data)) else "Cloudly does not run here.")


@main.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
def reset_command(yes: bool, data: Path) -> None:
    """Stop everything and delete all data in the data directory."""
    layout = Layout.at(data)
    if not layout.data.exists():
        click.echo(f"There is nothing in {layout.data}.")
        return
    if not yes:
        click.confirm(f"Delete all of Cloudly's data in {layout.data}?", abort=True)
    _down(layout)
    try:
        layout.wipe()
    except ForeignDirectoryError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{layout.data} is gone. A database, Redis or S3 elsewhere was not touched.")


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@data_option
def status_command(as_json: bool, data: Path) -> None:
    """Show every process: pid, state, health, restarts, uptime and memory."""
    found = read_status(data)
    if found is None:
        click.echo("Cloudly does not run here.", err=True)
        sys.exit(1)
    click.echo(json.dumps(asdict(found), indent=2) if as_json else status_table(found))


@main.command("logs")
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", default=50, show_default=True, help="How many lines of the past of each process.")
@data_option
def logs_command(name: str | None, follow: bool, lines: int, data: Path) -> None:
    """Show what a process, or all of them, wrote."""
    directory = Layout.at(data).logs
    files = [directory / f"{name}.log"] if name else sorted(directory.glob("*.log"))
    if not files or not files[0].exists():
        known = ", ".join(sorted(file.stem for file in directory.glob("*.log"))) or "none"
        raise click.ClickException(f"There is no such log; there are: {known}.")
    printer = Printer(sys.stdout)
    for line in log_files.read(files, lines):
        printer.show(line)

    async def go_on() -> None:
        async for line in log_files.follow(directory, [name] if name else []):
            printer.show(line)

    if follow:
        try:
            asyncio.run(go_on())
        except KeyboardInterrupt:
            click.echo()


@main.command("admin", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@data_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def admin_command(data: Path, arguments: tuple[str, ...]) -> None:
    """Administer users without a login: `admin [--data DIRECTORY] reset-password USER`."""
    try:
        sys.exit(host_admin.run(Layout.at(data), arguments))
    except host_admin.CannotAdministerError as error:
        raise click.ClickException(str(error)) from error


@main.command("config")
def config_command() -> None:
    """List every environment variable: meaning, current value (secrets masked), source and default."""
    click.echo(config_table.table(config_table.variables()))


def _settings(port: int | None) -> tuple[LocalSettings, int]:
    """The settings, and the port to open: `--port`, else CLOUDLY_PORT, else the public one."""
    try:
        settings = LocalSettings()
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        click.echo(f"Cloudly cannot start: {problems}", err=True)
        sys.exit(CANNOT_START)
    listen = port or settings.listen_port or settings.public_port
    # Without a proxy in front, the port that is opened is the one that the world knows.
    if settings.ssl_mode != "external":
        settings = settings.model_copy(update={"public_port": listen})
    return settings, listen


def _down(layout: Layout) -> bool:
    if not layout.run.exists():
        return False
    return bring_down(layout, recorded_supervisor(layout), Journal(layout.log("supervisor")).tell)


if __name__ == "__main__":
    main()
