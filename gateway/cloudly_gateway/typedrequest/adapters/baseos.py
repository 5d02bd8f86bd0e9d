"""BaseOS devices."""

from typing import Any

from cloudly.baseos.v1 import node_pb2

from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import baseos


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getBaseOsNodes."""
    del request
    known = await every(calls.baseos.ListBaseosNodes, node_pb2.ListBaseosNodesRequest(), "nodes")
    return {"nodes": [baseos.node(item) for item in known]}
