"""What backups tells the other services and hears from them, as data; main.py's outbox is made from it."""

from collections.abc import Mapping

PUBLISHES: Mapping[str, tuple[str, ...]] = {}
"""Topic -> the services that read it. Backups has no news for others yet."""

HEARS: Mapping[str, tuple[str, ...]] = {}
"""Service -> the topics read from it. Backups plans by its own clock and needs nobody's news yet."""
