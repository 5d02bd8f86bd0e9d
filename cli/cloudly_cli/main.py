"""`cloudly`: the command line. Nouns and verbs come from the contract, the rest is written by hand."""

import sys

import click

from cloudly_cli import contract, local
from cloudly_cli.failures import Failure

_HERE = ("up", "down", "reset", "logs", "config", "admin")
_BY_HAND = ("login", "logout", "context", "status", "version", "completion")


class Root(click.Group):
    """Finds commands without building those that nobody asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        del ctx
        return [*_BY_HAND, *_HERE, *sorted(contract.load().verbs)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name or of an alias of it."""
        del ctx
        if cmd_name in _HERE:
            return local.LocalCommand(cmd_name)
        if cmd_name in _BY_HAND:
            return _by_hand(cmd_name)
        known = contract.load()
        noun = known.aliases.get(cmd_name, cmd_name)
        if noun not in known.verbs:
            return None
        from cloudly_cli.nouns import Noun

        return Noun(known, noun)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, in three parts."""
        known = contract.load()
        nouns = {noun: known.about[noun].split(". ")[0] for noun in sorted(known.verbs)}
        by_hand = {
            name: command.get_short_help_str(90) for name in _BY_HAND if (command := self.get_command(ctx, name))
        }
        for title, lines in (("Resources", nouns), ("Session", by_hand), ("On this machine", local.ABOUT)):
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, text in lines.items()])


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--context", "context_name", envvar="CLOUDLY_CONTEXT", default="", help="Which server to work with.")
@click.pass_context
def cli(ctx: click.Context, context_name: str) -> None:
    """Cloudly: a control plane for fleets of Docker Swarm clusters, bare metal and edge devices.

    `cloudly <noun> --help` shows what can be done with a noun.
    """
    ctx.obj = context_name


def main() -> None:
    """The console script."""
    try:
        cli(prog_name="cloudly")
    except BrokenPipeError:
        # `cloudly … | head`: nobody reads on.
        sys.stderr.close()
        sys.exit(0)


def _by_hand(name: str) -> click.Command:
    from cloudly_cli import login

    commands: dict[str, click.Command] = {
        "login": login.login,
        "logout": login.logout,
        "context": login.context,
        "status": status,
        "version": version,
        "completion": completion,
    }
    return commands[name]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--data", help="The data directory of a suite on this machine.")
@click.pass_obj
def status(context_name: str, as_json: bool, data: str | None) -> None:
    """Show whether all parts answer: on this machine, or (with --context) on a server."""
    if not context_name and local.installed():
        local.run("status", (*(["--json"] if as_json else []), *(["--data", data] if data else [])))
        return
    import json

    from cloudly_cli.client import Client

    client = Client(context_name)
    found = client.readiness()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        from cloudly_cli.output import plain_table

        click.echo(f"{client.url} is {'ready' if found['ready'] else 'not ready'}.")
        click.echo(plain_table(["part", "state"], [[part, said] for part, said in found["parts"].items()]))
    if not found["ready"]:
        sys.exit(1)


@click.command()
def version() -> None:
    """Show the version."""
    from importlib.metadata import version as installed

    click.echo(f"cloudly {installed('cloudly-cli')}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what completes commands in a shell: eval "$(cloudly completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Failure(f"{shell} is not supported")
    click.echo(found(cli, {}, "cloudly", "_CLOUDLY_COMPLETE").source())


if __name__ == "__main__":
    main()
