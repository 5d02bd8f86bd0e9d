"""Which manifests of a repository are in use, by what points to them, and in which order the others go. Pure."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Node:
    """A manifest as the collector sees it."""

    children: tuple[str, ...] = ()
    """Manifests of the same repository that it refers to."""
    subject: str = ""


def in_use(manifests: Mapping[str, Node], roots: Iterable[str]) -> AbstractSet[str]:
    """The digests that can be reached: from a root (tagged or pinned) to its children, and from anything in use to
    whatever names it as its subject (signatures, SBOMs, attestations).

    Everything a manifest in use refers to is in use; what refers to a manifest in use is not, unless by subject.
    """
    referrers: dict[str, list[str]] = {}
    for digest, node in manifests.items():
        if node.subject:
            referrers.setdefault(node.subject, []).append(digest)
    waiting = [digest for digest in roots if digest in manifests]
    found = set(waiting)
    while waiting:
        digest = waiting.pop()
        for further in (*manifests[digest].children, *referrers.get(digest, ())):
            if further in manifests and further not in found:
                found.add(further)
                waiting.append(further)
    return found


def outermost_first(manifests: Mapping[str, Node], digests: AbstractSet[str]) -> list[str]:
    """These digests, each before the ones among them that it refers to."""
    inside = {digest: [child for child in manifests[digest].children if child in digests] for digest in digests}
    return list(TopologicalSorter(inside).static_order())[::-1]
