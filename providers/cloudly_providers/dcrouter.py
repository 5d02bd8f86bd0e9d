"""A dcrouter gateway: a URL and a token. Its API is not published, so nothing of it is assumed here but HTTP and Bearer
tokens (RFC 6750).
"""

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated
from cloudly_providers.http import Http


async def check(token: str, url: str, watch: Stopwatch) -> Finding:
    """Whether the gateway answers and does not refuse the token; that it takes it shows only where it refuses others."""
    async with Http("dcrouter", url, token, watch.answered) as http:
        answer = await http.call("GET", "/")
        if answer.status in (401, 403):
            raise NotAuthenticated(
                f"the gateway does not take the token (it answers {answer.status})",
                action="Make a new API token at the gateway.",
                request_id=answer.request_id,
            )
        without = await http.call("GET", "/", anonymous=True)
    if without.status in (401, 403):
        return Finding("the gateway answers and takes the token", ("permitted",))
    return Finding(
        "the gateway answers; it does so without a token too, so that the token cannot be tested without using it",
        ("authenticated", "permitted"),
    )
