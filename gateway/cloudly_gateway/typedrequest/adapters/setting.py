"""Settings, masked in every answer: also in that of `getSetting`, whose value legacy clients are not meant to show."""

from typing import Any

from cloudly.auth.v1 import setting_pb2

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import setting


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getSettings."""
    del request
    answer = await calls.settings.ListSettings(setting_pb2.ListSettingsRequest())
    return {"settings": setting.masked(answer.settings)}


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getSetting; no `value` where it is not set."""
    answer = await calls.settings.GetSetting(setting_pb2.GetSettingRequest(key=request.required("key")))
    return {"value": answer.setting.value} if answer.setting.set else {}


async def update(request: Fields, calls: Calls) -> dict[str, Any]:
    """updateSettings; an empty text clears a setting, what is missing stays."""
    updates = [setting_pb2.SettingUpdate(key=key, value=value) for key, value in request.texts("updates").items()]
    if updates:
        await calls.settings.UpdateSettings(setting_pb2.UpdateSettingsRequest(updates=updates))
    return {"success": True, "message": f"{len(updates)} settings saved"}


async def clear(request: Fields, calls: Calls) -> dict[str, Any]:
    """clearSetting."""
    key = request.required("key")
    await calls.settings.ClearSetting(setting_pb2.ClearSettingRequest(key=key))
    return {"success": True, "message": f"{key} cleared"}
