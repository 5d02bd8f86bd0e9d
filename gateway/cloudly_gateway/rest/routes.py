"""The table of REST routes, built from the http options of the contract, and the search in it.

A template's segments are literals (`clusters`, `clusters:watch`) or one request field with perhaps a suffix
(`{cluster_id}`, `{cluster.id}`, `{execution_id}:watch`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from cloudly_kit.contract import Method

_FIELD = re.compile(r"\{([a-z0-9_.]+)\}(.*)")


@dataclass(frozen=True)
class Binding:
    """One method at one verb and path."""

    method: Method
    verb: str
    template: str
    fields: tuple[str, ...]
    """The request fields in the path, in order, as dotted proto paths."""

    @property
    def body(self) -> str:
        """The request field that the body fills; empty: the whole request."""
        return self.method.rules.http.body.strip("*")

    @property
    def response_body(self) -> str:
        """The response field that is the answer; empty: the whole response."""
        return self.method.rules.http.response_body

    @property
    def octets(self) -> str:
        """The bytes field of a stream that is the body as it is; empty where bodies are messages."""
        return self.method.rules.http.octets

    @property
    def status(self) -> int:
        """The status of success."""
        return self.method.rules.http.success_status or 200

    @property
    def has_body(self) -> bool:
        """Whether a request carries one."""
        return self.verb in {"POST", "PUT", "PATCH"}


@dataclass
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    suffixes: dict[str, "_Node"] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """A path that is known: what can be done with it, and the values in it."""

    bindings: Mapping[str, Binding]
    values: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The value of an Allow header."""
        verbs = {*self.bindings, "OPTIONS"} | ({"HEAD"} if "GET" in self.bindings else set())
        return ", ".join(sorted(verbs))


class RouteTable:
    """All bindings of the contract."""

    def __init__(self, methods: Iterable[Method]) -> None:
        """Build it.

        Raises:
            ValueError: two methods ask for the same verb and path.
        """
        self.bindings: list[Binding] = []
        self._root = _Node()
        for method in methods:
            verb = method.rules.http.WhichOneof("pattern")
            if verb:
                self._add(method, verb.upper(), getattr(method.rules.http, verb))

    def match(self, raw_path: str) -> Match | None:
        """What a path, percent-encoded as it came, leads to."""
        segments = [unquote(segment) for segment in raw_path.strip("/").split("/")]
        found = _search(self._root, segments, 0) if not raw_path.endswith("/") else None
        return None if found is None else Match(found[0].bindings, tuple(reversed(found[1])))

    def _add(self, method: Method, verb: str, template: str) -> None:
        node, fields = self._root, []
        for segment in template.strip("/").split("/"):
            variable = _FIELD.fullmatch(segment)
            if variable:
                fields.append(variable[1])
                node = node.suffixes.setdefault(variable[2], _Node())
            else:
                node = node.literals.setdefault(segment, _Node())
        if verb in node.bindings:
            other = node.bindings[verb].method.path
            raise ValueError(f"{method.path} and {other} both want {verb} {template}")
        binding = Binding(method, verb, template, tuple(fields))
        node.bindings[verb] = binding
        self.bindings.append(binding)


def _search(node: _Node, segments: list[str], index: int) -> tuple[_Node, list[str]] | None:
    # Answers the values from the last to the first. Literals win over fields, longer suffixes over shorter ones.
    if index == len(segments):
        return (node, []) if node.bindings else None
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _search(literal, segments, index + 1)
        if found is not None:
            return found
    for suffix in sorted(node.suffixes, key=len, reverse=True):
        if segment.endswith(suffix) and len(segment) > len(suffix):
            found = _search(node.suffixes[suffix], segments, index + 1)
            if found is not None:
                found[1].append(segment[: len(segment) - len(suffix)])
                return found
    return None
