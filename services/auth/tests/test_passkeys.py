"""Passkeys made and used by a real browser's virtual authenticator (WebAuthn over CDP), against auth over real gRPC."""

import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cloudly.auth.v1 import auth_pb2, factor_pb2, factor_pb2_grpc
from cloudly_kit.errors import CredentialsInvalid, InvalidArgument
from playwright.async_api import async_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CREATE = """async options => (await navigator.credentials.create(
    {publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON()"""
GET = """async options => (await navigator.credentials.get(
    {publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON()"""
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


class Browser:
    """A page at the public origin, whose device has an authenticator."""

    def __init__(self, page: Any) -> None:
        self._page = page

    async def create(self, options: str) -> str:
        return json.dumps(await self._page.evaluate(CREATE, json.loads(options)))

    async def get(self, options: str) -> str:
        return json.dumps(await self._page.evaluate(GET, json.loads(options)))


@pytest.fixture
async def browser(settings: Any) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await chromium.new_page()
        # No server is needed: what counts for WebAuthn is the address at which the page stands.
        await page.route("**/*", lambda route: route.fulfill(body="<p>Cloudly", content_type="text/html"))
        await page.goto(settings.public_origin)
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        await session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        yield Browser(page)
        await chromium.close()


def factors(auth: Any, token: str = "") -> Any:
    return factor_pb2_grpc.FactorServiceStub(auth.channel(token))


async def test_a_passkey_is_made_logs_in_alone_answers_as_second_factor_and_is_removed(auth, browser: Browser):
    token = await auth.admin()
    begun = await factors(auth, token).BeginPasskey(factor_pb2.BeginPasskeyRequest())
    made = factor_pb2.CreatePasskeyRequest(
        challenge=begun.challenge, credential=await browser.create(begun.options), name="this laptop"
    )
    created = await factors(auth, token).CreatePasskey(made)
    assert (created.passkey.name, len(created.recovery_codes)) == ("this laptop", 10)
    with pytest.raises(InvalidArgument):
        await factors(auth, token).CreatePasskey(made)

    alone = await factors(auth).BeginPasskeyLogin(factor_pb2.BeginPasskeyLoginRequest())
    answer = factor_pb2.CompleteLoginRequest(challenge=alone.challenge, credential=await browser.get(alone.options))
    session = await factors(auth).CompleteLogin(answer)
    assert (await auth.identity(session.access_token)).name == "root"
    with pytest.raises(CredentialsInvalid):
        await factors(auth).CompleteLogin(answer)

    asked = (await auth.login()).challenge
    assert auth_pb2.FACTOR_KIND_PASSKEY in asked.factors
    other = (await auth.login()).challenge
    credential = await browser.get(asked.passkey_options)
    with pytest.raises(CredentialsInvalid):
        await factors(auth).CompleteLogin(factor_pb2.CompleteLoginRequest(challenge=other.token, credential=credential))
    second = factor_pb2.CompleteLoginRequest(challenge=asked.token, credential=credential)
    assert (await auth.identity((await factors(auth).CompleteLogin(second)).access_token)).name == "root"

    kept = (await factors(auth, token).GetFactors(factor_pb2.GetFactorsRequest())).factors.passkeys
    assert [one.HasField("last_use_time") for one in kept] == [True]
    proof = await factors(auth, token).BeginProof(factor_pb2.BeginProofRequest())
    shown = factor_pb2.PasskeyAnswer(challenge=proof.challenge, credential=await browser.get(proof.options))
    remove = factor_pb2.RemovePasskeyRequest(id=kept[0].id, proof=factor_pb2.Proof(passkey=shown))
    await factors(auth, token).RemovePasskey(remove)
    assert (await auth.login()).access_token
