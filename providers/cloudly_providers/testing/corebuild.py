"""A stand-in for a CoreBuild worker."""

from cloudly_providers.testing.server import Asked, FakeServer, Reply


class CorebuildFake(FakeServer):
    """Without a `token` it answers everybody."""

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token

    def reply(self, asked: Asked) -> Reply:
        """Its capabilities."""
        if self.token and asked.bearer != self.token:
            return Reply(401, {"error": "unauthorized"})
        if (asked.method, asked.path) != ("GET", "/corebuild/v1/capabilities"):
            return Reply(404, {"error": "not found"})
        return Reply(200, {"kinds": ["ubuntu-iso", "balena-raw"], "architectures": ["amd64", "arm64", "rpi"]})
