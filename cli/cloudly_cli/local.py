"""Cloudly on this machine: the commands of the package cloudly-local, where it is installed."""

import click

from cloudly_cli.failures import Failure

ABOUT = {
    "up": "Start all of Cloudly on this machine.",
    "down": "Stop what `up` started.",
    "reset": "Stop it and delete its data (asks first).",
    "logs": "Show what the processes on this machine wrote.",
    "config": "List every environment variable: meaning, value, source, default.",
    "admin": "Administer users without a login: `cloudly admin reset-password <user>`.",
}


class LocalCommand(click.Command):
    """Hands its arguments on as they are, `--help` too."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            help=ABOUT.get(name),
            short_help=ABOUT.get(name),
            add_help_option=False,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
            callback=lambda arguments: run(name, arguments),
        )


def run(name: str, arguments: tuple[str, ...]) -> None:
    """Run one of cloudly-local's commands.

    Raises:
        Failure: it is not installed.
    """
    try:
        from cloudly_local.main import main
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("cloudly_local"):
            raise
        raise Failure(
            f"`cloudly {name}` needs the package cloudly-local",
            1,
            "Run it in Cloudly's source tree after `make install`.",
        ) from error
    main.main(args=[name, *arguments], prog_name="cloudly", standalone_mode=True)


def installed() -> bool:
    """Whether cloudly-local is there, without importing it."""
    from importlib.util import find_spec

    return find_spec("cloudly_local") is not None
