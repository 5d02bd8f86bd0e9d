"""What to do with an answer that is shown this once."""

from typing import Any

import click

from cloudly_cli.contract import Verb


def explain(verb: Verb, answer: Any, url: str) -> None:
    """Say how to go on, where a verb's answer is only the beginning."""
    if not isinstance(answer, dict):
        return
    if answer.get("jumpCode"):
        click.echo("\nIt is shown this once. Start the agent on a manager node of the Swarm:\n")
        click.echo(f"  CLOUDLY_URL={url} JUMPCODE={answer['jumpCode']} coreflow\n")
        click.echo("`cloudly cluster rotate-jump-code` makes another one.")
    elif verb.noun == "cluster" and verb.name == "create":
        click.echo("The cluster was made by an earlier call, which was told the jump code; it is not told again.")
    elif answer.get("recoveryCodes"):
        click.echo(
            "\nKeep these recovery codes, they are shown this once. Each is good for one login without the factor."
        )
    elif (verb.noun, verb.name) == ("factor", "enrol-totp"):
        click.echo(
            "\nAdd it to an authenticator app, by either. It counts after `cloudly factor confirm-totp --code CODE`."
        )
    elif verb.noun == "workload" and verb.name == "create" and not answer.get("image") and answer.get("registryTarget"):
        target = f"{answer['registryTarget']}:{answer.get('tag') or 'latest'}"
        click.echo(f"\nPush an image to run it:\n\n  docker push {target}")
