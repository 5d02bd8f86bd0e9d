"""What auth publishes, and what it hears."""

from collections.abc import Mapping

from cloudly_auth.setting_keys import OWNERS


def settings_topic(owner: str) -> str:
    """The topic under which a service is told that settings of its own changed."""
    return f"settings.changed.{owner}"


PUBLISHES: Mapping[str, tuple[str, ...]] = {settings_topic(owner): (owner,) for owner in OWNERS}
"""Topics by their readers."""

HEARS: Mapping[str, tuple[str, ...]] = {}
"""Topics by the service that publishes them; auth hears none."""
