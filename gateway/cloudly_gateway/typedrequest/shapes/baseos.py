"""IBaseOsNode."""

from typing import Any

from cloudly.baseos.v1 import node_pb2
from google.protobuf.json_format import MessageToDict

from cloudly_gateway.typedrequest.shapes.times import milliseconds


def node(known: node_pb2.BaseosNode) -> dict[str, Any]:
    """A device; its token is known to it alone."""
    return {
        "id": known.id,
        "data": {
            "status": "online" if known.state == node_pb2.NODE_STATE_ONLINE else "offline",
            "registeredAt": milliseconds(known.create_time),
            "lastHeartbeat": milliseconds(known.last_heartbeat_time),
            "runtimeInfo": MessageToDict(known.runtime_info),
            "desiredState": MessageToDict(known.desired_state),
        },
    }
