"""Names, tags and digests: the grammar of OCI Distribution 1.1 and Image Spec. What does not match goes no further."""

import hashlib
import re
from typing import Protocol

from cloudly_registry.errors import DigestInvalid, ManifestInvalid, NameInvalid

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})")
_LONGEST_REPOSITORY = 255
ALGORITHMS = ("sha256", "sha512")


class Hash(Protocol):
    """A hash of hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""

    def hexdigest(self) -> str:
        """The hash so far."""


def checked_repository(name: str) -> str:
    """The name, if it is one. Raises NameInvalid."""
    if len(name) > _LONGEST_REPOSITORY or not _REPOSITORY.fullmatch(name):
        raise NameInvalid("invalid repository name", {"name": name[:300]})
    return name


def checked_digest(digest: str) -> str:
    """The digest, if it is a sha256 or sha512 one. Raises DigestInvalid."""
    if not _DIGEST.fullmatch(digest):
        raise DigestInvalid("invalid or unsupported digest", {"digest": digest[:200]})
    return digest


def checked_reference(reference: str) -> str:
    """A tag or a digest. Raises DigestInvalid or, for neither, ManifestInvalid."""
    if is_digest(reference):
        return checked_digest(reference)
    return checked_tag(reference)


def checked_tag(tag: str) -> str:
    """The tag, if it is one. Raises ManifestInvalid."""
    if not _TAG.fullmatch(tag):
        raise ManifestInvalid("invalid tag", {"tag": tag[:200]})
    return tag


def checked_algorithm(algorithm: str) -> str:
    """The algorithm, if digests of it are taken. Raises DigestInvalid."""
    if algorithm not in ALGORITHMS:
        raise DigestInvalid("unsupported digest algorithm", {"algorithm": algorithm[:50]})
    return algorithm


def is_digest(reference: str) -> bool:
    """Whether a reference means a digest: tags have no colon."""
    return ":" in reference


def new_hash(algorithm: str) -> Hash:
    """An empty hash of `sha256` or `sha512`."""
    return hashlib.sha512() if algorithm == "sha512" else hashlib.sha256()


def algorithm_of(digest: str) -> str:
    """`sha256` or `sha512`."""
    return digest.partition(":")[0]


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes."""
    hasher = new_hash(algorithm)
    hasher.update(body)
    return f"{algorithm}:{hasher.hexdigest()}"
