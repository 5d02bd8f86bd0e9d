"""What auth publishes, and what it hears."""

from collections.abc import Mapping

PUBLISHES: Mapping[str, tuple[str, ...]] = {}
"""Topics by their readers; auth publishes none yet."""

HEARS: Mapping[str, tuple[str, ...]] = {}
"""Topics by the service that publishes them; auth hears none."""
