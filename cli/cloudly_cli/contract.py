"""The contract as the CLI needs it, read from the JSON that `make proto` writes: gRPC and protobuf stay unimported, so
that `cloudly --help` answers at once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cloudly

WELL_KNOWN = "google.protobuf."
STRUCT = "google.protobuf.Struct"


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    json: str
    type: str
    """`string`, `uint32`…, or the full name of a message or an enum; of a map, the type of its values."""
    repeated: bool = False
    is_map: bool = False
    behavior: tuple[str, ...] = ()
    sensitive: bool = False
    format: str = ""
    comment: str = ""

    @property
    def output_only(self) -> bool:
        """Whether only the server sets it."""
        return "output_only" in self.behavior

    @property
    def required(self) -> bool:
        """Whether it must be set."""
        return "required" in self.behavior


@dataclass(frozen=True)
class Verb:
    """One method with a CLI verb."""

    contract: "Contract" = field(repr=False)
    method: Mapping[str, Any] = field(repr=False)

    @property
    def noun(self) -> str:
        """Such as `cluster`."""
        return str(self.method["cli"]["verb"]).split(" ")[0]

    @property
    def name(self) -> str:
        """Such as `rotate-jump-code`."""
        return str(self.method["cli"]["verb"]).split(" ")[1]

    @property
    def arguments(self) -> list[str]:
        """The request fields that stand as arguments, as dotted paths."""
        return list(self.method["cli"]["arguments"])

    @property
    def columns(self) -> list[str]:
        """The columns of the table, as dotted paths of JSON names."""
        return list(self.method["cli"]["columns"])

    @property
    def notes(self) -> list[str]:
        """The fields printed below the table, as JSON names."""
        return list(self.method["cli"]["notes"])

    @property
    def verdict(self) -> str:
        """The field that says whether all is well, as a JSON name; empty where none does."""
        return str(self.method["cli"]["verdict"])

    @property
    def confirm(self) -> bool:
        """Whether to ask before doing it."""
        return bool(self.method["cli"]["confirm"])

    @property
    def comment(self) -> str:
        """What the contract says about it; else its name in words."""
        return str(self.method["comment"]) or f"{self.name.capitalize()} {self.noun}."

    @property
    def http(self) -> Mapping[str, Any]:
        """The HTTP route: method, path, body, responseBody, status."""
        found: Mapping[str, Any] = self.method["http"]
        return found

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of events."""
        return bool(self.method["streams"])

    @cached_property
    def request(self) -> Mapping[str, Field]:
        """The request's fields by name."""
        return self.contract.fields(self.method["request"])

    @cached_property
    def resource(self) -> Field | None:
        """The request field that holds the resource which the call makes or changes, if it is about one."""
        named = self.http["body"] or next((path.split(".")[0] for path in self.arguments if "." in path), "")
        if named:
            return self.request[named]
        inner = [f for f in self.request.values() if self.contract.is_record(f) and not f.repeated and not f.is_map]
        return inner[0] if len(inner) == 1 else None

    @cached_property
    def listed(self) -> Field | None:
        """The response field that holds the records of a list."""
        found = [f for f in self.response.values() if f.repeated]
        return found[0] if len(found) == 1 and not self.http["responseBody"] else None

    @cached_property
    def response(self) -> Mapping[str, Field]:
        """The response's fields by name."""
        return self.contract.fields(self.method["response"])

    @property
    def record(self) -> str:
        """The full name of the message that the columns are about."""
        if self.http["responseBody"]:
            return self.response[self.http["responseBody"]].type
        if self.listed is not None:
            return self.listed.type
        records = [f for f in self.response.values() if self.contract.is_record(f)]
        has_column = self.columns and self.columns[0].split(".")[0] in {f.json for f in self.response.values()}
        return records[0].type if records and not has_column else str(self.method["response"])


class Contract:
    """All verbs, messages and enums."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._messages: Mapping[str, Any] = document["messages"]
        self._enums: Mapping[str, Any] = document["enums"]
        self.verbs: dict[str, dict[str, Verb]] = {}
        """By noun, then by name."""
        self.aliases: dict[str, str] = {}
        """Other words for nouns."""
        self.about: dict[str, str] = {}
        """A line about each noun."""
        for method in document["methods"]:
            if "cli" not in method:
                continue
            verb = Verb(self, method)
            self.verbs.setdefault(verb.noun, {})[verb.name] = verb
            self.aliases.update(dict.fromkeys(method["cli"]["aliases"], verb.noun))
            # What the service says that bears the noun's name; other services have verbs for the noun too.
            if verb.noun not in self.about or method["service"].endswith(f".{_service_of(verb.noun)}"):
                self.about[verb.noun] = method["serviceComment"]

    def fields(self, message: str) -> Mapping[str, Field]:
        """The fields of a message by name."""
        return {described["name"]: _field(described) for described in self._messages[message]["fields"]}

    def is_record(self, known: Field) -> bool:
        """Whether a field holds a message of the contract's own."""
        return known.type in self._messages

    def enum(self, name: str) -> Mapping[str, str] | None:
        """The values of an enum by their short lowercase names; None where there is no such enum."""
        described = self._enums.get(name)
        if described is None:
            return None
        values = [value["name"] for value in described["values"]]
        # buf's rule: the value 0 is the enum's name and _UNSPECIFIED.
        prefix = values[0].removesuffix("UNSPECIFIED")
        return {value.removeprefix(prefix).lower().replace("_", "-"): value for value in values[1:]}

    def list_of(self, noun: str) -> Verb | None:
        """The verb that lists a noun's resources."""
        return self.verbs.get(self.aliases.get(noun, noun), {}).get("list")

    def watch_of(self, noun: str) -> Verb | None:
        """The verb that watches all of a noun's resources."""
        verb = self.verbs.get(noun, {}).get("watch")
        return verb if verb is not None and not verb.arguments else None


@cache
def load() -> Contract:
    """The contract.

    Raises:
        FileNotFoundError: it was never generated.
    """
    for root in map(Path, cloudly.__path__):
        if (root / "contract.json").is_file():
            return Contract(json.loads((root / "contract.json").read_bytes()))
    raise FileNotFoundError("contract.json is missing: run `make proto`")


def _service_of(noun: str) -> str:
    return "".join(part.capitalize() for part in noun.split("-")) + "Service"


def _field(described: Mapping[str, Any]) -> Field:
    return Field(
        name=described["name"],
        json=described["json"],
        type=described["map"]["value"] if "map" in described else described["type"],
        repeated=described.get("repeated", False),
        is_map="map" in described,
        behavior=tuple(described.get("behavior", ())),
        sensitive=described.get("sensitive", False),
        format=described.get("format", ""),
        comment=described["comment"],
    )
