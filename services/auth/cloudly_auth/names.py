"""User names: when two of them are the same name, and which are not given to people."""

import unicodedata

from cloudly.options.v1 import options_pb2
from cloudly_kit.validation import matches

CLUSTER_PREFIX = "cluster-"
"""Names that begin so belong to the identities of clusters; the registry knows pull tokens by them."""


def folded(name: str) -> str:
    """The form in which names are compared: compatibility characters and letter case do not count.

    What still looks like another name (a Greek alpha for an a) cannot be chosen at all: see `refusal`.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def refusal(name: str) -> str:
    """Why nobody may be called so, as a sentence; empty when the name is fine."""
    if not matches(options_pb2.FORMAT_USERNAME, name):
        return "must be 1 to 64 letters, digits, dots, hyphens, underscores or @, starting with a letter or digit"
    if folded(name).startswith(CLUSTER_PREFIX):
        return f"must not start with {CLUSTER_PREFIX!r}: such names belong to clusters"
    return ""
