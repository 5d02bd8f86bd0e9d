"""cloudly.auth.v1.KeyService: the keys that sign tokens, and the master keys."""

from typing import Any

from cloudly.auth.v1 import key_pb2 as pb
from cloudly.auth.v1 import key_pb2_grpc
from cloudly_kit.identity import caller
from cloudly_kit.jobs.servicer import to_message
from cloudly_kit.resources import request_key, timestamp

from cloudly_auth.master_keys import MasterKey, MasterKeyOrders, MasterKeyRotation
from cloudly_auth.signing_keys import SETTLED_SECONDS, KeyRing, SigningKey


class KeyServicer(key_pb2_grpc.KeyServiceServicer):
    """List, rotate, drop."""

    def __init__(self, ring: KeyRing, master_keys: MasterKeyRotation, orders: MasterKeyOrders) -> None:
        self._ring = ring
        self._master_keys = master_keys
        self._orders = orders

    async def ListSigningKeys(self, request: pb.ListSigningKeysRequest, context: Any) -> pb.ListSigningKeysResponse:
        """Those that matter, newest first."""
        return pb.ListSigningKeysResponse(signing_keys=await self._signing_keys())

    async def RotateSigningKeys(
        self, request: pb.RotateSigningKeysRequest, context: Any
    ) -> pb.RotateSigningKeysResponse:
        """The next one signs."""
        key = request_key(request)
        await self._ring.rotate(order=key.key if key else "", settled_seconds=SETTLED_SECONDS)
        return pb.RotateSigningKeysResponse(signing_keys=await self._signing_keys())

    async def ListMasterKeys(self, request: pb.ListMasterKeysRequest, context: Any) -> pb.ListMasterKeysResponse:
        """All, and what they seal."""
        return pb.ListMasterKeysResponse(master_keys=[_master_key(key) for key in await self._master_keys.all()])

    async def RotateMasterKey(self, request: pb.RotateMasterKeyRequest, context: Any) -> pb.RotateMasterKeyResponse:
        """Start it."""
        record = await self._orders.rotate(caller().actor.name, request_key(request))
        return pb.RotateMasterKeyResponse(execution=to_message(record))

    async def DropPreviousMasterKeys(
        self, request: pb.DropPreviousMasterKeysRequest, context: Any
    ) -> pb.DropPreviousMasterKeysResponse:
        """Start it."""
        record = await self._orders.drop(caller().actor.name, request_key(request))
        return pb.DropPreviousMasterKeysResponse(execution=to_message(record))

    async def _signing_keys(self) -> list[pb.SigningKey]:
        return [self._signing_key(key) for key in await self._ring.published()]

    def _signing_key(self, key: SigningKey) -> pb.SigningKey:
        return pb.SigningKey(
            kid=key.kid,
            state=pb.SigningKeyState.Value(f"SIGNING_KEY_STATE_{key.state.name}"),
            create_time=timestamp(key.create_time),
            activate_time=timestamp(key.activate_time),
            retire_time=timestamp(key.retire_time),
            expire_time=timestamp(self._ring.verifies_until(key)),
        )


def _master_key(key: MasterKey) -> pb.MasterKey:
    return pb.MasterKey(
        id=key.id,
        state=pb.MasterKeyState.Value(f"MASTER_KEY_STATE_{key.state.name}"),
        source=key.source,
        sealed_values=sum(key.sealed.values()),
        sealed_values_by_service=key.sealed,
        retire_time=timestamp(key.retire_time),
    )
