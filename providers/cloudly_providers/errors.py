"""What can go wrong between Cloudly and a provider, told apart by what has to be done about it.

ProviderError
├── Unreachable        no answer, or not one of this provider's API
├── RateLimited        it answers: not now
├── NotAuthenticated   it does not take the credentials
└── NotPermitted       it takes them, but not for this
"""

from typing import ClassVar


class ProviderError(Exception):
    """A message and an advice for people; neither holds a credential."""

    passed: ClassVar[int] = 0
    """How many of the three checks (connection.py) were passed before it."""
    failed: ClassVar[bool] = True
    """Whether the check after those failed; else it is not known."""

    def __init__(self, message: str, *, action: str, request_id: str = "") -> None:
        self.action = action
        self.request_id = request_id
        super().__init__(message)


class Unreachable(ProviderError):
    """No answer came, or none that this provider's API gives."""


class RateLimited(ProviderError):
    """Too many requests; `retry_after_seconds` says how long to wait, 0 where the provider does not."""

    passed = 1
    failed = False

    def __init__(self, message: str, *, retry_after_seconds: int, request_id: str = "") -> None:
        self.retry_after_seconds = retry_after_seconds
        after = f"in {retry_after_seconds} seconds" if retry_after_seconds else "later"
        super().__init__(message, action=f"Try again {after}.", request_id=request_id)


class NotAuthenticated(ProviderError):
    """The credentials are wrong, expired or revoked."""

    passed = 1


class NotPermitted(ProviderError):
    """The credentials are good, but not for what Cloudly needs."""

    passed = 2
