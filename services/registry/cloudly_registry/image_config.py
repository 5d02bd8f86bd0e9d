"""An image's configuration as people read it (OCI Image Spec 1.1, "config.json"; Docker's is a superset). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from cloudly_registry.manifest_format import Descriptor


@dataclass(frozen=True)
class HistoryEntry:
    """A step of the build; `layer` is what it made, None where it changed only the configuration."""

    create_time: datetime | None
    created_by: str
    comment: str
    author: str
    layer: Descriptor | None


@dataclass(frozen=True)
class ImageConfig:
    """What is not told, or not told as the specification has it, is empty."""

    create_time: datetime | None = None
    author: str = ""
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    working_directory: str = ""
    environment: list[tuple[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    exposed_ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    stop_signal: str = ""
    history: list[HistoryEntry] = field(default_factory=list)


def image_config(body: bytes, layers: Sequence[Descriptor]) -> ImageConfig | None:
    """The configuration of an image with these layers; None where the bytes are none.

    Nobody checks configurations at a push, so every field may be of any type.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict):
        return None
    run = _mapping(content, "config")
    variables = [text.partition("=") for text in _texts(run, "Env")]
    return ImageConfig(
        create_time=_time(content, "created"),
        author=_text(content, "author"),
        user=_text(run, "User"),
        entrypoint=_texts(run, "Entrypoint"),
        command=_texts(run, "Cmd"),
        working_directory=_text(run, "WorkingDir"),
        environment=[(name, value) for name, _, value in variables],
        labels={name: value for name, value in _mapping(run, "Labels").items() if isinstance(value, str)},
        exposed_ports=sorted(_mapping(run, "ExposedPorts")),
        volumes=sorted(_mapping(run, "Volumes")),
        stop_signal=_text(run, "StopSignal"),
        history=_history(content, layers),
    )


def _history(content: Mapping[str, Any], layers: Sequence[Descriptor]) -> list[HistoryEntry]:
    told = content.get("history")
    waiting = list(layers)
    entries = []
    for entry in told if isinstance(told, list) else []:
        if not isinstance(entry, dict):
            continue
        made = waiting.pop(0) if waiting and not entry.get("empty_layer") else None
        entries.append(
            HistoryEntry(
                create_time=_time(entry, "created"),
                created_by=_text(entry, "created_by"),
                comment=_text(entry, "comment"),
                author=_text(entry, "author"),
                layer=made,
            )
        )
    return entries


def _mapping(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def _texts(content: Mapping[str, Any], name: str) -> list[str]:
    value = content.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _time(content: Mapping[str, Any], name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(content, name))
    except ValueError:
        return None
    # The zero time stands for "not known" (Go's time.Time); protobuf's Timestamp begins in the year 1 too.
    return time if time.tzinfo is not None and time.year > 1 else None
