"""cloudly.auth.v1.SettingService: settings for admins, and their plain values for the services that own them."""

from typing import Any

from cloudly.auth.v1 import setting_pb2 as pb
from cloudly.auth.v1 import setting_pb2_grpc
from cloudly_kit.identity import caller
from cloudly_kit.resources import timestamp

from cloudly_auth.setting_keys import TESTABLE
from cloudly_auth.settings import Setting, Settings, Wish


class SettingServicer(setting_pb2_grpc.SettingServiceServicer):
    """List, get, set, clear; and the owners' way to the values."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def ListSettings(self, request: pb.ListSettingsRequest, context: Any) -> pb.ListSettingsResponse:
        """All, masked."""
        return pb.ListSettingsResponse(settings=[_message(setting) for setting in await self._settings.all()])

    async def GetSetting(self, request: pb.GetSettingRequest, context: Any) -> pb.GetSettingResponse:
        """One, masked."""
        return pb.GetSettingResponse(setting=_message(await self._settings.get(request.key)))

    async def UpdateSettings(self, request: pb.UpdateSettingsRequest, context: Any) -> pb.UpdateSettingsResponse:
        """Several, all or none."""
        wishes = [
            Wish(update.key, update.value, update.etag, f"updates[{index}].value")
            for index, update in enumerate(request.updates)
        ]
        settings = await self._settings.update(wishes, caller().actor.name)
        return pb.UpdateSettingsResponse(settings=[_message(setting) for setting in settings])

    async def SetSetting(self, request: pb.SetSettingRequest, context: Any) -> pb.SetSettingResponse:
        """One."""
        await self._settings.get(request.key)
        wish = Wish(request.key, request.value, request.etag, "value")
        (setting,) = await self._settings.update([wish], caller().actor.name)
        return pb.SetSettingResponse(setting=_message(setting))

    async def ClearSetting(self, request: pb.ClearSettingRequest, context: Any) -> pb.ClearSettingResponse:
        """One has no value any more."""
        await self._settings.get(request.key)
        (setting,) = await self._settings.update([Wish(request.key, "", request.etag)], caller().actor.name)
        return pb.ClearSettingResponse(setting=_message(setting))

    async def ReadOwnedSettings(
        self, request: pb.ReadOwnedSettingsRequest, context: Any
    ) -> pb.ReadOwnedSettingsResponse:
        """The caller's own, plain."""
        owned = await self._settings.owned(caller().identity.name)
        return pb.ReadOwnedSettingsResponse(
            settings=[pb.OwnedSetting(key=key, value=value) for key, value in owned.items()]
        )


def _message(setting: Setting) -> pb.Setting:
    known = setting.known
    return pb.Setting(
        key=known.key,
        type=pb.SettingType.Value(f"SETTING_TYPE_{known.type.upper()}"),
        secret=known.secret,
        provider=known.provider,
        owners=known.owners,
        description=known.description,
        set=setting.set,
        value=setting.shown,
        etag=setting.etag,
        change_time=timestamp(setting.change_time),
        changed_by=setting.changed_by,
        testable=known.provider in TESTABLE,
    )
