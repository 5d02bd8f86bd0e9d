"""The store's changes in the contract's words."""

from typing import Any

from cloudly.common.v1 import watch_pb2

from cloudly_kit.store import Change


def watch_event(change: Change[Any]) -> "watch_pb2.WatchEvent.ValueType":
    """SNAPSHOT, BOOKMARK, CHANGED or DELETED as the proto's value."""
    return watch_pb2.WatchEvent.Value(f"WATCH_EVENT_{change.event.name}")
