"""`cloudly image push-archive` and `pull-archive`: what `docker save` writes, into the registry and out of it."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from cloudly_cli import contract
from cloudly_cli.client import Client
from cloudly_cli.failures import Failure, Problem, Unreachable
from cloudly_cli.layers import Stretch, named_layers
from cloudly_cli.resolve import resolve

Advance = Callable[[int], None]
"""Tells that so many more bytes have moved."""
_PIECE = 1 << 20
_PAUSES = (1, 2, 4, 8, 15)
"""Seconds between tries that bring nothing; the first that does begins anew."""
_PASSING = (502, 503, 504)
"""What a server or its proxy answers while it is started again."""


@click.command()
@click.argument("image", metavar="IMAGE[:TAG]")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.pass_obj
def push_archive(context_name: str, image: str, file: str) -> None:
    """Store the image of an archive under a tag (latest, if none is given), as a push would.

    FILE is what docker save or skopeo writes (docker-archive or OCI layout, compressed by gzip or not); - reads it from
    standard input: docker save web | cloudly image push-archive web:v1 -

    Of a file, layers that the image has are not sent, where their names tell their digests (docker save since version 25,
    OCI layouts). A connection that breaks is made again, and the push goes on with the layers that are missing.
    """
    client = Client(context_name)
    id_, tag, digest = _named(client, image)
    if digest:
        raise click.UsageError("an archive is stored under a tag: the digest comes of what is in it")
    with click.open_file(file, "rb") as source:
        answer = _pushed(client, f"/api/v1/images/{id_}", tag or "latest", source)
    click.echo(answer["digest"])


@click.command()
@click.argument("image", metavar="IMAGE[:TAG|@DIGEST]")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--platform", default="", help="os/architecture[/variant]; without it linux/amd64, else the first there is."
)
@click.pass_obj
def pull_archive(context_name: str, image: str, file: str, platform: str) -> None:
    """Write a version of an image as an archive for docker load, podman load or skopeo.

    Without a tag or digest it is latest. FILE appears once it is whole; - writes to standard output. A connection that
    breaks is made again, and the pull goes on where it was.
    """
    client = Client(context_name)
    id_, tag, digest = _named(client, image)
    reference = digest or tag or "latest"
    found = client.call("GET", f"/api/v1/images/{id_}/versions/{reference}")
    query = {"digest": found["version"]["digest"]} | ({"platform": platform} if platform else {})
    try:
        with _written(file) as target, _moving("Pulling", None) as advance:
            for piece in _resumed(client, f"/api/v1/images/{id_}/archives/{reference}", query):
                target.write(piece)
                advance(len(piece))
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from error


def _named(client: Client, image: str) -> tuple[str, str, str]:
    """The image's id, and the tag and digest that stand behind its name. Raises Failure where there is no such image."""
    name, _, digest = image.partition("@")
    name, _, tag = name.partition(":")
    id_ = resolve(client, contract.load(), "image", name, strict=True)
    # Before a gigabyte is sent: is it there, and is the login still good?
    client.call("GET", f"/api/v1/images/{id_}")
    return id_, tag, digest


def _pushed(client: Client, image: str, tag: str, source: IO[bytes]) -> Any:
    """The answer to an archive, also where the connection breaks in between. Raises Failure where it does not come back."""
    import httpx

    layers, size, failures, known = named_layers(source), _size(source), 0, -1
    while True:
        try:
            present = _present(client, image, list(layers))
            if len(present) > known:
                failures = 0
            known = len(present)
            skipped = [layers[digest] for digest in present]
            total = None if size is None else size - sum(end - start for start, end in skipped)
            if present:
                click.echo(f"{len(present)} of {len(layers)} large layers are there already.", err=True)
            with _moving("Pushing", total) as advance:
                pieces = _read(source, skipped, advance)
                return client.upload(f"{image}/archives", {"tag": tag, "present": present}, pieces)
        except (httpx.TransportError, Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status not in _PASSING:
                raise
            failures += 1
            if size is None or failures > len(_PAUSES):
                message = f"the push broke off: {error or type(error).__name__}"
                raise Failure(message, 1, "The tag is as it was. Push the archive again.") from error
            click.echo("The connection broke; going on with what is missing.", err=True)
            time.sleep(_PAUSES[failures - 1])


def _present(client: Client, image: str, digests: list[str]) -> list[str]:
    if not digests:
        return []
    found: list[str] = client.call("GET", f"{image}/blobs", query={"digests": digests}).get("digests", [])
    return found


def _resumed(client: Client, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
    """The bytes of an archive, also where the connection breaks in between. Raises Failure where it does not come back."""
    import httpx

    got = failures = 0
    while True:
        before = got
        try:
            with client.download(path, {**query, "offset": got}) as pieces:
                for piece in pieces:
                    got += len(piece)
                    yield piece
            return
        except (httpx.TransportError, Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status not in _PASSING:
                raise
            failures = failures + 1 if got == before else 1
            if failures > len(_PAUSES):
                message = f"the pull broke off after {got} bytes: {error or type(error).__name__}"
                raise Failure(message, 1, "Is the server up? Pull the archive again.") from error
            click.echo(f"The connection broke after {got} bytes; going on there.", err=True)
            time.sleep(_PAUSES[failures - 1])


def _size(source: IO[bytes]) -> int | None:
    if not source.seekable():
        return None
    size = source.seek(0, 2)
    source.seek(0)
    return size


def _read(source: IO[bytes], skipped: Iterable[Stretch], advance: Advance) -> Iterator[bytes]:
    """The file without these stretches; what cannot be seeked is read as it comes."""
    position = 0
    for start, end in [*sorted(skipped), (None, None)]:
        if source.seekable():
            source.seek(position)
        while piece := source.read(_PIECE if start is None else min(_PIECE, start - position)):
            position += len(piece)
            yield piece
            advance(len(piece))
        if end is not None:
            position = end


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    """The file to write, which gets its name when the block ends well and is gone when it does not."""
    if file == "-":
        yield sys.stdout.buffer
        return
    part = Path(f"{file}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _moving(what: str, total: int | None) -> Iterator[Advance]:
    """How many bytes have moved, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda moved: progress.advance(task, moved)
