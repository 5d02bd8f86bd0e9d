"""What the servicers share: who calls from where, and identities as messages."""

from cloudly.auth.v1 import auth_pb2 as pb
from cloudly_kit.identity import Identity, current_call
from cloudly_kit.resources import timestamp

from cloudly_auth.sessions import Client

_TYPES = {
    "human": pb.IDENTITY_TYPE_HUMAN,
    "machine": pb.IDENTITY_TYPE_MACHINE,
    "service": pb.IDENTITY_TYPE_MACHINE,
}
_USER_AGENT_LENGTH = 256


def client() -> Client:
    """Where the call that is being handled comes from."""
    call = current_call()
    return Client(call.remote_address, call.user_agent[:_USER_AGENT_LENGTH]) if call else Client()


def identity_message(identity: Identity) -> pb.Identity:
    """An identity for the wire."""
    return pb.Identity(
        id=identity.id,
        name=identity.name,
        type=_TYPES[identity.type],
        roles=identity.roles,
        cluster_id=identity.cluster_id,
        expire_time=timestamp(identity.expire_time),
        session_id=identity.session_id,
        scope=str(identity.scope or ""),
        must_enrol=identity.must_enrol,
    )
