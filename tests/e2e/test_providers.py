"""Credentials set and tried out by an admin, through the gateway, with auth, clusters and baseos as they are."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack

import httpx
import pytest
from cloudly_auth.config import Settings as AuthSettings
from cloudly_auth.main import serve as serve_auth
from cloudly_baseos.config import Settings as BaseosSettings
from cloudly_baseos.main import serve as serve_baseos
from cloudly_clusters.config import Settings as ClustersSettings
from cloudly_clusters.main import serve as serve_clusters
from cloudly_gateway.testing import gateway_settings, serving
from cloudly_providers.testing.cloudflare import CloudflareFake
from cloudly_providers.testing.corebuild import CorebuildFake
from cloudly_providers.testing.hetzner import HetznerFake

PASSWORD = "a long enough passphrase"
GOOD, CANARY = "hetzner-token-write", "canary-token-0123456789-abcdef"


class House:
    """An admin at the gateway, and the providers behind it."""

    def __init__(self, client, hetzner, cloudflare, corebuild):
        self.client = client
        self.hetzner, self.cloudflare, self.corebuild = hetzner, cloudflare, corebuild

    async def set(self, **settings):
        updates = [{"key": key, "value": value} for key, value in settings.items()]
        answer = await self.client.post("/api/v1/settings", json={"updates": updates})
        assert answer.status_code == 200, answer.text

    async def test(self, provider, status=200):
        answer = await self.client.post(f"/api/v1/providers/{provider}/test", json={})
        assert answer.status_code == status, answer.text
        return answer.json()["connections"][0] if status == 200 else answer.json()

    async def legacy(self, method, **request):
        request["identity"] = {"jwt": self.client.headers["authorization"].removeprefix("Bearer ")}
        answer = await self.client.post("/typedrequest", json={"method": method, "request": request})
        return answer.json()


@pytest.fixture
async def house(harness):
    addresses = {
        name: f"unix:{harness.directory}/{name}.sock" for name in ("auth", "clusters", "baseos", "registry", "backups")
    }
    there = {"auth_address": addresses["auth"]}
    async with AsyncExitStack() as stack:
        hetzner, cloudflare, corebuild = HetznerFake(), CloudflareFake(), CorebuildFake("worker-token")
        for fake in (hetzner, cloudflare, corebuild):
            stack.enter_context(fake)
        auth = harness.settings(AuthSettings, admin_account=f"root:{PASSWORD}", **there)
        urls = {"hetzner_url": hetzner.api, "cloudflare_url": cloudflare.api}
        clusters = harness.settings(ClustersSettings, **urls, **there)
        await stack.enter_async_context(harness.running("auth", serve_auth, auth))
        await stack.enter_async_context(harness.running("clusters", serve_clusters, clusters))
        baseos = harness.settings(BaseosSettings, **there)
        await stack.enter_async_context(harness.running("baseos", serve_baseos, baseos))
        url = await stack.enter_async_context(serving(gateway_settings(harness, addresses)))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
        login = await client.post("/api/v1/auth/login", json={"username": "root", "password": PASSWORD})
        client.headers["authorization"] = f"Bearer {login.json()['accessToken']}"
        yield House(client, hetzner, cloudflare, corebuild)


async def test_what_an_admin_sets_is_tried_out_at_once_by_the_service_that_uses_it(house):
    missing = await house.test("hetzner", 409)
    assert "cloudly setting set hetznerToken" in missing["detail"]
    await house.set(hetznerToken="mistyped-hetzner-token")
    assert not (await house.test("hetzner"))["ok"]
    await house.set(hetznerToken=GOOD, cloudflareToken="cloudflare-token-edit")
    house.cloudflare.add_zone("example.com")
    assert (await house.test("hetzner"))["ok"]
    assert (await house.test("cloudflare"))["ok"]
    await house.set(corebuildWorkersJson=json.dumps([{"url": house.corebuild.url, "token": "worker-token"}]))
    assert (await house.test("corebuild"))["ok"]
    assert (await house.test("aws", 501))["reason"] == "NOT_SUPPORTED"


async def test_legacy_clients_test_providers_too(house):
    await house.set(hetznerToken=GOOD)
    answer = (await house.legacy("testProviderConnection", provider="hetzner"))["response"]
    assert (answer["success"], answer["connectionValid"]) == (True, True)
    house.hetzner.left = 0
    answer = (await house.legacy("testProviderConnection", provider="hetzner"))["response"]
    assert (answer["success"], answer["connectionValid"]) == (True, False)
    assert "Try again in" in answer["message"]
    refused = await house.legacy("testProviderConnection", provider="digitalocean")
    assert refused["response"] is None
    assert "what can be tested: cloudflare, corebuild" in refused["error"]["text"]


async def test_a_test_is_in_the_audit_log_and_the_token_is_nowhere(house, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    await house.set(hetznerToken=CANARY, baseosJoinToken="join-" + CANARY)
    shown = json.dumps(await house.test("hetzner"))
    shown += json.dumps(await house.legacy("testProviderConnection", provider="hetzner"))
    assert house.hetzner.asked[-1].bearer == CANARY
    async with asyncio.timeout(60):
        while not (rows := await audited(house, "TestProvider")):
            await asyncio.sleep(0.05)
    assert (rows[0]["resource"]["kind"], rows[0]["resource"]["id"]) == ("provider", "hetzner"), rows[0]
    logs = caplog.text + "".join(capfd.readouterr())
    assert "provider.tested" in logs
    assert CANARY not in shown + json.dumps(rows) + logs


async def audited(house, method):
    answer = await house.client.get("/api/v1/audit/entries")
    assert answer.status_code == 200, answer.text
    return [row for row in answer.json()["entries"] if method in row["method"]]
