"""The gRPC surface of backups: parse, call the domain, answer."""

from datetime import UTC, datetime
from typing import Any

from cloudly.backups.v1 import policy_pb2 as pb
from cloudly.backups.v1 import policy_pb2_grpc, target_pb2, target_pb2_grpc
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key

from cloudly_backups.policies import Policies, to_message
from cloudly_backups.targets import Targets


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """cloudly.backups.v1.PolicyService."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def CreatePolicy(self, request: pb.CreatePolicyRequest, context: Any) -> pb.CreatePolicyResponse:
        """Make a policy."""
        document = await self._policies.create(request.policy, request_key(request))
        return pb.CreatePolicyResponse(policy=to_message(document, datetime.now(UTC)))

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        """One policy."""
        document = await self._policies.get(request.policy_id)
        return pb.GetPolicyResponse(policy=to_message(document, datetime.now(UTC)))

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Any) -> pb.ListPoliciesResponse:
        """A page of policies."""
        page = await self._policies.list(page_request(request))
        now = datetime.now(UTC)
        return pb.ListPoliciesResponse(
            policies=[to_message(document, now) for document in page.items], next_page_token=page.next_page_token
        )

    async def UpdatePolicy(self, request: pb.UpdatePolicyRequest, context: Any) -> pb.UpdatePolicyResponse:
        """Change the fields that the mask names."""

        def change(found: pb.Policy) -> pb.Policy:
            return apply_mask(found, request.policy, request.update_mask)

        document = await self._policies.update(request.policy.id, change, request.policy.etag)
        return pb.UpdatePolicyResponse(policy=to_message(document, datetime.now(UTC)))

    async def DeletePolicy(self, request: pb.DeletePolicyRequest, context: Any) -> pb.DeletePolicyResponse:
        """Delete a policy."""
        await self._policies.delete(request.policy_id, request.etag)
        return pb.DeletePolicyResponse()


class TargetServicer(target_pb2_grpc.TargetServiceServicer):
    """cloudly.backups.v1.TargetService."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def TestS3Target(
        self, request: target_pb2.TestS3TargetRequest, context: Any
    ) -> target_pb2.TestS3TargetResponse:
        """Try the bucket."""
        return target_pb2.TestS3TargetResponse(connections=[await self._targets.test_s3()])

    async def TestSmbTarget(
        self, request: target_pb2.TestSmbTargetRequest, context: Any
    ) -> target_pb2.TestSmbTargetResponse:
        """Try the share."""
        return target_pb2.TestSmbTargetResponse(connections=[await self._targets.test_smb()])
