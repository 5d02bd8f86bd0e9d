"""What a registry has to make of Range headers, whichever object store it has (RFC 9110 §13.1.5 and §14.2)."""

from cloudly_registry.testing import Client

CONTENT = b"0123456789"


async def answers_ranges_as_it_has_to(client: Client, name: str) -> None:
    """Check it with a blob that is pushed for this."""
    digest = await client.push_blob(name, CONTENT)

    async def asked(**headers: str) -> tuple[int, bytes]:
        answer = await client.call(
            "GET", f"/v2/{name}/blobs/{digest}", headers={n.replace("_", "-"): v for n, v in headers.items()}
        )
        return answer.status, answer.body

    assert await asked(Range="bytes=2-4") == (206, b"234")
    assert await asked(Range="bytes=-3") == (206, b"789")
    assert await asked(Range="bytes=8-100") == (206, b"89")
    # Several ranges, units that nobody knows, and parts of another version: all of it is sent.
    for told in ("bytes=0-1,4-5", "bytes=0-0, -1", "bytes=90-91,95-96", "items=0-1", "nonsense"):
        assert await asked(Range=told) == (200, CONTENT), told
    assert await asked(Range="bytes=2-4", If_Range=f'"{digest}"') == (206, b"234")
    for other in ('"sha256:other"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert await asked(Range="bytes=2-4", If_Range=other) == (200, CONTENT), other
    for beyond in ("bytes=10-", "bytes=5-2", "bytes=x-y"):
        assert (await asked(Range=beyond))[0] == 416, beyond
