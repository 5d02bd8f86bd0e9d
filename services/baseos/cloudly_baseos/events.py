"""What baseos tells the other services and hears from them, as data; main.py's outbox is made from it."""

from collections.abc import Mapping

PUBLISHES: Mapping[str, tuple[str, ...]] = {}
"""Topic -> the services that read it. Baseos has no news for others yet."""

HEARS: Mapping[str, tuple[str, ...]] = {"auth": ("settings.changed.baseos",)}
"""Service -> the topics read from it."""
