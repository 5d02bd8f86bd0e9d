"""A stand-in for a dcrouter gateway. Its API is not published: this one only takes a token, or goes without."""

from cloudly_providers.testing.server import Asked, FakeServer, Reply


class DcrouterFake(FakeServer):
    """With `open` it answers everybody alike, whatever token they show."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "dcrouter-token"  # noqa: S105
        self.open = False

    def reply(self, asked: Asked) -> Reply:
        """200 for the token, 401 for others."""
        if self.open or asked.bearer == self.token:
            return Reply(200, {})
        return Reply(401, {"error": "unauthorized"})
