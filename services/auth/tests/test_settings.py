"""Settings: typed, sealed, masked, all or none, told to their owners."""

import asyncio
from typing import Any

import pytest
from cloudly.auth.v1 import setting_pb2 as pb
from cloudly.auth.v1 import setting_pb2_grpc
from cloudly_auth.setting_keys import SETTING_KEYS, shown
from cloudly_auth.setting_values import faults
from cloudly_kit.errors import InvalidArgument, NotFound, PermissionDenied, StaleEtag
from cloudly_kit.events import EventReader
from cloudly_kit.runtime import Runtime
from cloudly_kit.settings_view import SettingsView

TOKEN = "hcloud-0123456789abcdefWXYZ"


def stub(auth, token: str) -> Any:
    return setting_pb2_grpc.SettingServiceStub(auth.channel(token))


def updates(**values: str) -> pb.UpdateSettingsRequest:
    return pb.UpdateSettingsRequest(updates=[pb.SettingUpdate(key=key, value=value) for key, value in values.items()])


async def test_a_secret_is_masked_for_readers_sealed_where_it_lies_and_plain_for_its_owner(auth, store):
    settings = stub(auth, await auth.admin())
    before = {setting.key: setting for setting in (await settings.ListSettings(pb.ListSettingsRequest())).settings}
    assert set(before) == set(SETTING_KEYS)
    assert not any(setting.set for setting in before.values())
    testable = {setting.provider for setting in before.values() if setting.testable}
    assert testable == {"hetzner", "cloudflare", "dcrouter", "corebuild"}
    answer = await settings.UpdateSettings(updates(hetznerToken=f" {TOKEN}\n", awsRegion="eu-central-1"))
    assert [setting.value for setting in answer.settings] == ["****WXYZ", "eu-central-1"]
    read = (await settings.GetSetting(pb.GetSettingRequest(key="hetznerToken"))).setting
    assert (read.value, read.changed_by, read.set) == ("****WXYZ", "root", True)
    assert read.change_time.seconds > 0
    raw = [document async for document in store.database.raw("settings").find({})]
    assert len(raw) == 2
    assert TOKEN not in str(raw)
    assert "eu-central-1" not in str(raw)
    owned = await stub(auth, await auth.service("clusters")).ReadOwnedSettings(pb.ReadOwnedSettingsRequest())
    assert [(setting.key, setting.value) for setting in owned.settings] == [("hetznerToken", TOKEN)]
    others = await stub(auth, await auth.service("baseos")).ReadOwnedSettings(pb.ReadOwnedSettingsRequest())
    assert list(others.settings) == []


async def test_a_masked_value_sent_back_changes_nothing_and_another_mask_is_refused(auth):
    settings = stub(auth, await auth.admin())
    first = (await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value=TOKEN))).setting
    again = (await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value="****WXYZ"))).setting
    assert again.etag == first.etag
    with pytest.raises(InvalidArgument, match="masked form"):
        await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value="****0000"))
    owned = await stub(auth, await auth.service("clusters")).ReadOwnedSettings(pb.ReadOwnedSettingsRequest())
    assert owned.settings[0].value == TOKEN


async def test_several_are_written_all_or_none_and_every_fault_is_told(auth):
    settings = stub(auth, await auth.admin())
    with pytest.raises(InvalidArgument) as refused:
        await settings.UpdateSettings(
            updates(
                hetznerToken=TOKEN,
                dcrouterTargetPort="70000",
                corebuildWorkerUrl="ftp://x",
                corebuildWorkersJson='["http://ok:1", {"token": "t"}, 5]',
                nope="x",
            )
        )
    places = [violation.field for violation in refused.value.violations]
    assert places == [
        "updates[1].value",
        "updates[2].value",
        "updates[3].value[1].url",
        "updates[3].value[2]",
        "updates[4].value",
    ]
    assert not (await settings.GetSetting(pb.GetSettingRequest(key="hetznerToken"))).setting.set


async def test_a_stale_etag_is_refused_and_a_cleared_setting_keeps_nothing(auth, store):
    settings = stub(auth, await auth.admin())
    first = (await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value=TOKEN))).setting
    await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value=TOKEN + "2", etag=first.etag))
    with pytest.raises(StaleEtag):
        await settings.ClearSetting(pb.ClearSettingRequest(key="hetznerToken", etag=first.etag))
    cleared = (await settings.ClearSetting(pb.ClearSettingRequest(key="hetznerToken"))).setting
    assert (cleared.set, cleared.value) == (False, "")
    raw = await store.database.raw("settings").find_one({"_id": "hetznerToken"})
    assert raw["sealed"] is None
    with pytest.raises(NotFound):
        await settings.ClearSetting(pb.ClearSettingRequest(key="nope"))


async def test_only_admins_read_and_only_owners_read_plain(auth):
    await auth.add_user("vera", "viewer", "operator")
    vera = stub(auth, (await auth.login("vera")).access_token)
    with pytest.raises(PermissionDenied):
        await vera.ListSettings(pb.ListSettingsRequest())
    for token in (await auth.admin(), await auth.service("registry")):
        with pytest.raises(PermissionDenied):
            await stub(auth, token).ReadOwnedSettings(pb.ReadOwnedSettingsRequest())


async def test_an_owner_learns_of_a_change_at_once_in_all_its_processes(auth, harness):
    clusters = harness.settings(type(auth.settings), auth_address=auth.settings.auth_listen)
    async with Runtime("clusters", clusters) as one, Runtime("clusters", clusters) as two:
        views = [SettingsView("clusters", process.channel("auth"), process.hints) for process in (one, two)]
        reader = EventReader(one.database, one.redis, source="auth", group="clusters", handlers=views[0].handlers())
        loops = [asyncio.create_task(loop()) for loop in (views[0].run, views[1].run, reader.run)]
        assert [await view.get("hetznerToken") for view in views] == ["", ""]
        settings = stub(auth, await auth.admin())
        await settings.SetSetting(pb.SetSettingRequest(key="hetznerToken", value=TOKEN))
        async with asyncio.timeout(10):
            while [await view.get("hetznerToken") for view in views] != [TOKEN, TOKEN]:
                await asyncio.sleep(0.02)
            while await auth_outbox(auth, one).count_documents({}):
                await asyncio.sleep(0.05)
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


def auth_outbox(auth, process: Runtime) -> Any:
    """The rows of auth's outbox: one that its reader has is removed."""
    return process.database.client[f"{auth.settings.mongodb_name}_auth"]["_outbox"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dcrouterTargetPort", "0"),
        ("dcrouterTargetPort", "8080x"),
        ("dcrouterTargetHost", "http://host"),
        ("dcrouterTargetHost", "300.1.1.1"),
        ("dcrouterGatewayUrl", "https://user:pw@host"),
        ("dcrouterGatewayUrl", "https://host:99999"),
        ("dcrouterGatewayUrl", "host"),
        ("hetznerToken", "two words"),
        ("corebuildWorkersJson", "{}"),
        ("corebuildWorkersJson", "[" * 100_000),
        ("corebuildWorkersJson", '[{"url": "http://a", "id": "x"}, {"url": "http://b", "id": "x"}]'),
        ("googleCloudKeyJson", "{"),
        ("azureClientId", "a\x01b"),
    ],
)
def test_malformed_values_are_refused_without_being_repeated(key: str, value: str):
    found = faults(SETTING_KEYS[key], value)
    assert found
    assert all(value not in description for _, description in found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dcrouterTargetHost", "2001:db8::1"),
        ("dcrouterTargetHost", "edge.example.com"),
        ("dcrouterGatewayUrl", "https://[2001:db8::1]:8443/api"),
        ("corebuildWorkersJson", '["https://a", {"url": "http://b:9000", "token": "t", "id": "b"}]'),
        ("corebuildWorkersJson", "[]"),
    ],
)
def test_well_formed_values_are_taken(key: str, value: str):
    assert faults(SETTING_KEYS[key], value) == []


def test_a_short_secret_is_masked_wholly():
    assert shown(SETTING_KEYS["hetznerToken"], "12345678") == "****"
    assert shown(SETTING_KEYS["hetznerToken"], "123456789abcd") == "****abcd"
    assert shown(SETTING_KEYS["awsRegion"], "x") == "x"
