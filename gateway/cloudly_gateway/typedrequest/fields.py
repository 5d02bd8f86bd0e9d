"""The untyped arguments of a legacy request, read with the type that each must have."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloudly_kit.errors import InvalidArgument

from cloudly_gateway.typedrequest import binary

MAX_COUNT = 2**53
"""JavaScript's numbers are exact up to here."""


class Fields:
    """A JSON object; what is missing or null reads as empty, what has another type is refused by its path."""

    def __init__(self, value: Any, path: str = "") -> None:
        if value is not None and not isinstance(value, Mapping):
            raise InvalidArgument.of((path or "request", "must be an object"))
        self._values: Mapping[str, Any] = value or {}
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def path(self, name: str) -> str:
        """How a field is named in an error."""
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str) -> str:
        """A text."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def required(self, name: str) -> str:
        """A text that may not be empty."""
        value = self.text(name)
        if not value:
            raise InvalidArgument.of((self.path(name), "is required"))
        return value

    def choice(self, name: str, choices: Mapping[str, int]) -> int:
        """One of the legacy words, as the number that stands for it; 0 where none is given."""
        word = self.text(name)
        if word and word not in choices:
            raise self._wrong(name, "one of " + ", ".join(choices))
        return choices[word] if word else 0

    def count(self, name: str) -> int:
        """A whole number, not negative."""
        value = self._values.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self._wrong(name, "a whole number")
        if not 0 <= value <= MAX_COUNT:
            raise self._wrong(name, "a number that is not negative")
        return int(value)

    def number(self, name: str) -> float:
        """A number."""
        value = self._values.get(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false; false where it is missing."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return bool(value)

    def data(self, name: str) -> bytes:
        """Bytes, in any of the three forms in which clients write them."""
        value = self._values.get(name)
        if value is None:
            return b""
        read = binary.read(value)
        if read is None:
            raise self._wrong(name, "binary data")
        return read

    def record(self, name: str) -> "Fields":
        """An object."""
        return Fields(self._values.get(name), self.path(name))

    def records(self, name: str) -> Sequence["Fields"]:
        """A list of objects."""
        return [Fields(item, f"{self.path(name)}[{index}]") for index, item in enumerate(self._list(name))]

    def is_empty(self, name: str) -> bool:
        """Whether a field is missing, or an empty text, list or object."""
        return not self._values.get(name)

    def differs(self, name: str, known: Any) -> bool:
        """Whether a field was sent with another value than the known one."""
        return name in self and self._values[name] != known

    def texts(self, name: str) -> Mapping[str, str]:
        """An object whose values are texts."""
        record = self.record(name)
        return {key: record.text(key) for key in record._values if record._values[key] is not None}

    def _list(self, name: str) -> Sequence[Any]:
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value or []

    def _wrong(self, name: str, wanted: str) -> InvalidArgument:
        return InvalidArgument.of((self.path(name), f"must be {wanted}"))
