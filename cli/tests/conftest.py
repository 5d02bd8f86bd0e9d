"""The CLI against a real gateway, before services that speak the contract."""

import asyncio
import json
import logging

import pytest
import structlog
from click.testing import CliRunner
from cloudly.auth.v1 import auth_pb2
from cloudly_cli.main import cli
from cloudly_gateway.testing import Gateway, contract_server, gateway

__all__ = ["contract_server", "gateway"]


@pytest.fixture(autouse=True)
def quiet_servers():
    """The runner takes this process's standard output, into which the servers beside it would log."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Cloudly:
    """The command, as a person with a home directory of their own runs it."""

    def __init__(self, gateway: Gateway, home) -> None:
        self.gateway = gateway
        self.services = gateway.services
        self.home = home
        self.config = home / "cloudly" / "config.toml"
        self.env = {
            "XDG_CONFIG_HOME": str(home), "CLOUDLY_URL": None, "CLOUDLY_TOKEN": None, "CLOUDLY_CONTEXT": None,
        }  # fmt: skip
        self.runner = CliRunner()
        gateway.services.answers["Login"] = self._login
        gateway.services.answers["RefreshSession"] = self._refresh
        self.refreshes = 0

    async def __call__(self, *arguments, input=None, code=0, **env):
        """Run it; the exit code must be as told. Answers the result."""
        result = await asyncio.to_thread(
            self.runner.invoke,
            cli,
            [str(a) for a in arguments],
            input=input,
            env={**self.env, **env},
            prog_name="cloudly",
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{result.exit_code}: {result.output}"
        return result

    async def json(self, *arguments, **more):
        return json.loads((await self(*arguments, "-o", "json", **more)).stdout)

    async def login(self, *roles, seconds=600):
        self._roles, self._seconds = roles or ("admin",), seconds
        await self("login", self.gateway.url, "--username", "ada", "--password-stdin", input="hunter2\n")

    def token(self, seconds):
        return self.gateway.harness.authority.issue(*self._roles, name="ada", seconds=seconds)

    def _login(self, request):
        assert (request.username, request.password) == ("ada", "hunter2")
        identity = auth_pb2.Identity(id="id-ada", name="ada", roles=self._roles)
        return auth_pb2.LoginResponse(identity=identity, access_token=self.token(self._seconds), refresh_token="r0")

    def _refresh(self, request):
        from cloudly_kit.errors import TokenRevoked

        if request.refresh_token != f"r{self.refreshes}":
            raise TokenRevoked
        self.refreshes += 1
        return auth_pb2.RefreshSessionResponse(
            access_token=self.token(600), refresh_token=f"r{self.refreshes}", identity={"name": "ada"}
        )


@pytest.fixture
async def cloudly(gateway, tmp_path):
    command = Cloudly(gateway, tmp_path)
    await command.login()
    return command
