"""SignatureService."""

from typing import Any

from cloudly.registry.v1 import signature_pb2 as pb
from cloudly.registry.v1 import signature_pb2_grpc
from cloudly_kit.access import check_limits

from cloudly_registry.signatures import Signatures
from cloudly_registry.store import RegistryStore


class SignatureServicer(signature_pb2_grpc.SignatureServiceServicer):
    """See proto/cloudly/registry/v1/signature.proto."""

    def __init__(self, store: RegistryStore, signatures: Signatures) -> None:
        self._store = store
        self._signatures = signatures

    async def VerifySignatures(self, request: pb.VerifySignaturesRequest, context: Any) -> pb.VerifySignaturesResponse:
        """Whether one of the keys has signed."""
        image = await self._store.images.get(request.image_id)
        check_limits(repository=image.repository, workload=image.workload_id)
        verdict = await self._signatures.verify(image, request.reference, request.public_keys)
        return pb.VerifySignaturesResponse(
            verified=bool(verdict.key_fingerprint),
            digest=verdict.digest,
            key_fingerprint=verdict.key_fingerprint,
            signature_count=verdict.signature_count,
            reason=verdict.reason,
        )
