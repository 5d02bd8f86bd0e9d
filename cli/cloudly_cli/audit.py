"""`cloudly audit verify` and `cloudly audit export`: the verbs of the audit log that go on until its end."""

import json
from typing import Any

import click

from cloudly_cli.client import Client
from cloudly_cli.failures import Failure


@click.command()
@click.option("--after-sequence", default=0, help="Go on behind this entry, which an earlier run answered.")
@click.option("--after-hash", default="", help="Its hash: that the entry is still the one that was verified then.")
@click.pass_obj
def verify(context_name: str, after_sequence: int, after_hash: str) -> None:
    """Recompute the audit log's chain and fail on a break.

    Keep the last line somewhere else and give it to the next run: then not even who controls the server can take back
    what you have seen.
    """
    client = Client(context_name)
    at, digest, entries, checkpoints = after_sequence, after_hash, 0, 0
    while True:
        query = {"afterSequence": at, "afterHash": digest}
        answer: dict[str, Any] = client.call("GET", "/api/v1/audit/verification", query=query)
        entries += answer.get("entries", 0)
        checkpoints += answer.get("checkpoints", 0)
        broken = answer.get("broken")
        if broken:
            kind = str(broken.get("kind", "")).removeprefix("AUDIT_BREAK_KIND_").lower()
            raise Failure(
                f"the audit log is broken at entry {broken.get('sequence', 0)} ({kind}): {broken['message']}."
            )
        at, digest = int(answer.get("sequence", 0)), str(answer.get("hash", ""))
        if answer.get("complete"):
            break
        if not answer.get("entries"):
            raise Failure(f"the server did not get beyond entry {at}; run it again")
    click.echo(f"{entries} entries are in order, {checkpoints} checkpoints signed.")
    click.echo(f"--after-sequence {at} --after-hash {digest}")


@click.command()
@click.option("--after-sequence", default=0, help="Only what came after this entry.")
@click.option("--output", "-o", "path", default="-", type=click.Path(dir_okay=False, allow_dash=True), help="A file.")
@click.pass_obj
def export(context_name: str, after_sequence: int, path: str) -> None:
    """Write the audit log as JSON lines, oldest first.

    Each line is what was hashed: the SHA-256 of a line is the previous_hash of the next.
    """
    import httpx

    client, last = Client(context_name), ""
    query = {"afterSequence": after_sequence}
    try:
        with (
            click.open_file(path, "w", encoding="utf-8") as file,
            client.lines("/api/v1/audit/export", query, "application/x-ndjson") as lines,
        ):
            for last in lines:
                file.write(last + "\n")
    except httpx.TransportError as error:
        behind = json.loads(last)["sequence"] if last else after_sequence
        message = f"the export broke off: {error or type(error).__name__}"
        raise Failure(message, 1, f"The rest comes with --after-sequence {behind} (into another file).") from error
