"""Which stored fields are sealed, and for what: declared where the document is, so that they can be found again when the
master key changes.

    SETTING = SealedFor("setting:{id}")

    class SettingDocument(Document):
        sealed: Annotated[Sealed | None, SETTING] = None

    envelope.seal(value, SETTING.context(id=key))
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from cloudly_kit.crypto import Sealed

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class SealedFor:
    """The mark of a sealed field: the context of its values, as a template over the fields of the model around it."""

    template: str

    def context(self, **fields: str) -> str:
        """The context for these values of the template's fields."""
        return self.template.format(**fields)


def sealed_in(document: BaseModel) -> Iterator[tuple[Sealed, str]]:
    """All sealed values in a document, each with its context."""
    found: list[tuple[Sealed, str]] = []

    def note(sealed: Sealed, context: str) -> Sealed:
        found.append((sealed, context))
        return sealed

    with_each_sealed(document, note)
    yield from found


def with_each_sealed(document: M, change: Callable[[Sealed, str], Sealed]) -> M:
    """The document with what `change` makes of each sealed value and its context; itself where nothing differs."""
    fields = {name: getattr(document, name) for name in type(document).model_fields}
    updates: dict[str, Any] = {}
    for name, value in fields.items():
        changed = _changed(value, _mark(type(document), name), fields, change)
        if changed is not value:
            updates[name] = changed
    return document.model_copy(update=updates) if updates else document


def sealed_fields(model: type[BaseModel]) -> Iterator[tuple[str, SealedFor | None]]:
    """The names of all fields of a model, and of the models in it, that hold sealed values, each with its mark."""
    for name, info in model.model_fields.items():
        for inner in _models(info.annotation):
            if issubclass(inner, Sealed):
                yield name, _mark(model, name)
            else:
                yield from ((f"{name}.{deeper}", mark) for deeper, mark in sealed_fields(inner))


def _changed(
    value: Any, mark: SealedFor | None, fields: dict[str, Any], change: Callable[[Sealed, str], Sealed]
) -> Any:
    if isinstance(value, Sealed):
        if mark is None:
            raise TypeError("a field holds a sealed value and does not say for what: mark it with SealedFor")
        return change(value, mark.context(**fields))
    if isinstance(value, list):
        items = [_changed(item, mark, fields, change) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        pairs = {key: _changed(item, mark, fields, change) for key, item in value.items()}
        return pairs if any(pairs[key] is not value[key] for key in value) else value
    return with_each_sealed(value, change) if isinstance(value, BaseModel) else value


def _mark(model: type[BaseModel], name: str) -> SealedFor | None:
    return next((mark for mark in model.model_fields[name].metadata if isinstance(mark, SealedFor)), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
