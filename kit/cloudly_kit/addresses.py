"""Whose request it is, behind proxies."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(text: str) -> list[Network]:
    """`10.0.0.0/8, ::1/128` as networks.

    Raises:
        ValueError: one of them is not a network.
    """
    return [ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address: the peer's, or what trusted proxies say of whom they speak for.

    Each proxy appends the address it saw to X-Forwarded-For, so the list is read from its end, and the first address that
    is not a trusted proxy's is the client's: what stands before it, anybody could have written.

    Args:
        peer: Who is connected.
        forwarded: The request's X-Forwarded-For headers, in order.
        trusted: Where the proxies are that are believed.
    """
    address = peer
    for hop in reversed(",".join(forwarded).split(",")):
        if not _is_trusted(address, trusted) or not hop.strip():
            break
        address = hop.strip()
    return address if _parsed(address) else peer


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
