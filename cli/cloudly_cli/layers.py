"""Where an archive has its large layers, so that those which are stored already can be left out."""

import re
import tarfile
from typing import IO

Stretch = tuple[int, int]
"""From where to where in a file, the end not included."""

_NAMED = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")
_LARGE = 4 << 20
"""What is no larger may be a manifest or a configuration, which are always needed, and is sent fast."""
_MOST = 200


def named_layers(source: IO[bytes]) -> dict[str, Stretch]:
    """Each large file that has its digest as its name, with its header and padding; of the largest, 200.

    Empty for what is compressed, or comes through a pipe.
    """
    if not source.seekable():
        return {}
    found: dict[str, Stretch] = {}
    source.seek(0)
    try:
        with tarfile.open(fileobj=source, mode="r:") as archive:
            members = archive.getmembers()
            end = archive.offset
    except tarfile.TarError:
        return {}
    starts = [member.offset for member in members]
    for member, start, behind in zip(members, starts, [*starts[1:], end], strict=True):
        name = _NAMED.fullmatch(member.name.removeprefix("./"))
        if name and member.isreg() and member.size > _LARGE:
            found[f"{name[1]}:{name[2]}"] = start, behind
    largest = sorted(found, key=lambda digest: found[digest][0] - found[digest][1])[:_MOST]
    return {digest: found[digest] for digest in largest}
