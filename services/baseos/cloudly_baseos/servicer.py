"""The gRPC surface of baseos: parse, call the domain, answer."""

from typing import Any

from cloudly.auth.v1 import audit_pb2
from cloudly.baseos.v1 import corebuild_pb2, corebuild_pb2_grpc, node_pb2_grpc
from cloudly.baseos.v1 import node_pb2 as pb
from cloudly_kit.audit.calls import denied
from cloudly_kit.audit.entries import cut
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import CredentialsInvalid
from cloudly_kit.identity import current_call
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key
from google.protobuf import json_format, struct_pb2

from cloudly_baseos import join_tokens, nodes
from cloudly_baseos.corebuild import CorebuildWorkers
from cloudly_baseos.join_tokens import JoinTokens
from cloudly_baseos.nodes import Nodes


class JoinTokenServicer(node_pb2_grpc.JoinTokenServiceServicer):
    """cloudly.baseos.v1.JoinTokenService."""

    def __init__(self, tokens: JoinTokens) -> None:
        self._tokens = tokens

    async def CreateJoinToken(self, request: pb.CreateJoinTokenRequest, context: Any) -> pb.CreateJoinTokenResponse:
        """Make a token and show it."""
        document, token = await self._tokens.create(request.join_token, request_key(request))
        return pb.CreateJoinTokenResponse(join_token=join_tokens.to_message(document), token=token)

    async def ListJoinTokens(self, request: pb.ListJoinTokensRequest, context: Any) -> pb.ListJoinTokensResponse:
        """A page of tokens."""
        page = await self._tokens.list(page_request(request))
        return pb.ListJoinTokensResponse(
            join_tokens=[join_tokens.to_message(document) for document in page.items],
            next_page_token=page.next_page_token,
        )

    async def DeleteJoinToken(self, request: pb.DeleteJoinTokenRequest, context: Any) -> pb.DeleteJoinTokenResponse:
        """Delete a token."""
        await self._tokens.delete(request.join_token_id)
        return pb.DeleteJoinTokenResponse()


class BaseosNodeServicer(node_pb2_grpc.BaseosNodeServiceServicer):
    """cloudly.baseos.v1.BaseosNodeService."""

    def __init__(self, nodes: Nodes, journal: Journal, heartbeat_seconds: int) -> None:
        self._nodes = nodes
        self._journal = journal
        self._interval = heartbeat_seconds * 1000

    async def RegisterNode(self, request: pb.RegisterNodeRequest, context: Any) -> pb.RegisterNodeResponse:
        """Enrol a device."""
        document, token = await self._nodes.register(
            request.node_id,
            request.join_token,
            hostname=request.hostname,
            architecture=request.architecture,
            runtime_info=_values(request.runtime_info),
        )
        return pb.RegisterNodeResponse(
            node_id=document.node_id, node_token=token, heartbeat_interval_milliseconds=self._interval
        )

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Any) -> pb.HeartbeatResponse:
        """Take a device's report and tell it what it should be."""
        try:
            document = await self._nodes.heartbeat(request.node_id, request.node_token, _values(request.runtime_info))
        except CredentialsInvalid as error:
            # Reports are no entries of the audit log (decision 0085); one with a wrong token is.
            await denied(self._journal, _heartbeat_of(request.node_id), error.reason)
            raise
        return pb.HeartbeatResponse(
            desired_state=nodes.to_message(document).desired_state, heartbeat_interval_milliseconds=self._interval
        )

    async def GetBaseosNode(self, request: pb.GetBaseosNodeRequest, context: Any) -> pb.GetBaseosNodeResponse:
        """One node."""
        return pb.GetBaseosNodeResponse(node=nodes.to_message(await self._nodes.get(request.node_id)))

    async def ListBaseosNodes(self, request: pb.ListBaseosNodesRequest, context: Any) -> pb.ListBaseosNodesResponse:
        """A page of nodes."""
        page = await self._nodes.list(page_request(request))
        return pb.ListBaseosNodesResponse(
            nodes=[nodes.to_message(document) for document in page.items], next_page_token=page.next_page_token
        )

    async def UpdateBaseosNode(self, request: pb.UpdateBaseosNodeRequest, context: Any) -> pb.UpdateBaseosNodeResponse:
        """Change the fields that the mask names."""

        def change(found: pb.BaseosNode) -> pb.BaseosNode:
            return apply_mask(found, request.node, request.update_mask)

        document = await self._nodes.update(request.node.id, change, request.node.etag)
        return pb.UpdateBaseosNodeResponse(node=nodes.to_message(document))

    async def DeleteBaseosNode(self, request: pb.DeleteBaseosNodeRequest, context: Any) -> pb.DeleteBaseosNodeResponse:
        """Forget a device."""
        await self._nodes.delete(request.node_id, request.etag)
        return pb.DeleteBaseosNodeResponse()


def _heartbeat_of(node_id: str) -> audit_pb2.AuditEntry:
    entry = audit_pb2.AuditEntry(
        method="BaseosNodeService.Heartbeat", resource=audit_pb2.AuditResource(kind="node", id=cut(node_id))
    )
    call = current_call()
    if call is not None:
        entry.remote_address, entry.user_agent = cut(call.remote_address), cut(call.user_agent)
        entry.request_id = cut(call.request_id)
    return entry


class CorebuildServicer(corebuild_pb2_grpc.CorebuildServiceServicer):
    """cloudly.baseos.v1.CorebuildService."""

    def __init__(self, workers: CorebuildWorkers) -> None:
        self._workers = workers

    async def TestCorebuildWorkers(
        self, request: corebuild_pb2.TestCorebuildWorkersRequest, context: Any
    ) -> corebuild_pb2.TestCorebuildWorkersResponse:
        """Ask all workers."""
        return corebuild_pb2.TestCorebuildWorkersResponse(connections=await self._workers.test())


def _values(struct: struct_pb2.Struct) -> dict[str, Any]:
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return values
