"""Requests that nobody would write, drawn from the served description, through a real gateway to a real auth.

The gateway's own fuzz (gateway/tests/test_fuzz.py) has stand-ins behind it, and auth's (services/auth/tests/test_fuzz.py)
nothing before it: here is what only both together do.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import schemathesis
from cloudly_auth import main as auth
from cloudly_gateway.openapi import document
from cloudly_gateway.testing import gateway_settings, serving
from cloudly_kit import contract
from cloudly_kit.config import SERVICES
from cloudly_kit.fuzzing import HOSTILE
from cloudly_kit.testing import ServiceHarness, free_port
from cloudly_registry import main as registry
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

PASSWORD = "a long enough passphrase"
EXAMPLES = 8
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
AUTH = {one.name for one in contract.methods().values() if one.owner == "auth"}
DESCRIBED = document("http://localhost")
OPERATIONS = [
    found.ok()
    for found in schemathesis.openapi.from_dict(DESCRIBED).get_all_operations()
    if found.ok().definition.raw["operationId"] in AUTH
]


class House:
    """Auth behind a gateway, some people in it, and logins that are made again when a request has ended them."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        """From an address of its own: the requests use up what theirs may do wrong."""
        self.known: list[str] = []
        """What exists here, to be put into requests; the same for all of them, as drawing has to be."""
        self.logins: dict[str, str] = {"nobody": ""}
        self._keeper = ""

    async def fill(self) -> None:
        """Make people and things. Nobody but this class knows the first admin, so no request can throw it out."""
        self._keeper = await self._login("keeper")
        for role in ("admin", "viewer"):
            self.known += await self.renew(role)
        headers = {"authorization": f"Bearer {self.logins['admin']}"}
        wish = {"token": {"name": "ci", "roles": ["admin"]}}
        made = (await self.http.post("/api/v1/tokens", json=wish, headers=headers)).json()
        self.logins["token"] = made["secret"]
        sessions = (await self.http.get("/api/v1/auth/sessions", headers=headers)).json()["sessions"]
        self.known += [made["token"]["id"], made["token"]["etag"], sessions[0]["id"], made["secret"], "hetznerToken"]

    async def renew(self, role: str) -> list[str]:
        """Another user with this role, logged in; their id, etag and name."""
        user = {"name": f"{role}-{uuid.uuid4().hex[:8]}", "roles": [role], "password": PASSWORD}
        headers = {"authorization": f"Bearer {self._keeper}"}
        answer = await self.http.post("/api/v1/users", json={"user": user}, headers=headers)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        self.logins[role] = await self._login(user["name"])
        return [made["id"], made["etag"], str(user["name"])]

    async def _login(self, name: str) -> str:
        answer = await self.http.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accessToken"])


@pytest.fixture(scope="module")
async def house(scratch: Any, mongo_url: str, redis_url: str) -> AsyncIterator[House]:
    """See House."""
    directory = scratch / uuid.uuid4().hex[:8]
    directory.mkdir()
    harness = ServiceHarness(directory, mongo_url, redis_url)
    harness.make_keys()
    addresses = {name: f"unix:{directory}/{name}.sock" for name in SERVICES}
    async with AsyncExitStack() as stack:
        own = harness.settings(auth.Settings, admin_account=f"keeper:{PASSWORD}", auth_address=addresses["auth"])
        await stack.enter_async_context(harness.running("auth", auth.serve, own))
        # Auth asks the registry what it keeps sealed.
        listen = f"127.0.0.1:{free_port()}"
        other = harness.settings(registry.Settings, http_listen=listen, auth_address=addresses["auth"])
        await stack.enter_async_context(harness.running("registry", registry.serve, other))
        url = await stack.enter_async_context(serving(gateway_settings(harness, addresses)))
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        client = httpx.AsyncClient(base_url=url, timeout=60, transport=elsewhere)
        http = await stack.enter_async_context(client)
        made = House(http)
        await made.fill()
        yield made


def altered(data: st.DataObject, value: Any, texts: st.SearchStrategy[str]) -> Any:
    """The value, with some of its texts replaced."""
    if isinstance(value, dict):
        return {key: altered(data, one, texts) for key, one in value.items()}
    if isinstance(value, list):
        return [altered(data, one, texts) for one in value[:20]]
    return data.draw(texts) if isinstance(value, str) and data.draw(st.booleans()) else value


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.definition.raw["operationId"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],  # each example costs a call: what failed is shown as it was found
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_no_request_breaks_auth_behind_the_gateway(operation: Any, house: House, data: st.DataObject) -> None:
    texts = st.sampled_from(house.known) | st.sampled_from(HOSTILE)
    case = data.draw(operation.as_strategy())
    case.path_parameters = altered(data, case.path_parameters, texts)
    case.query = altered(data, case.query, texts)
    case.body = altered(data, case.body, texts)
    who = data.draw(st.sampled_from(sorted(house.logins)))
    login = house.logins[who]
    case.headers = {**(case.headers or {}), **({"authorization": f"Bearer {login}"} if login else {})}
    response = await asyncio.to_thread(case.call, base_url=str(house.http.base_url))
    await asyncio.to_thread(case.validate_response, response, checks=CHECKS)
    if response.status_code == 401 and who in ("admin", "viewer"):
        await house.renew(who)
