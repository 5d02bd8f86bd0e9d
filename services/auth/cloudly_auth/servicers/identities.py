"""What the servicers share: who calls from where, and identities as messages."""

from cloudly.auth.v1 import auth_pb2 as pb
from cloudly_kit.identity import Identity, current_call
from cloudly_kit.resources import timestamp

from cloudly_auth.second_step import Asked
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


def login_challenge(asked: Asked) -> pb.LoginChallenge:
    """What has to follow the first step of a login, for the wire."""
    return pb.LoginChallenge(
        token=asked.token,
        factors=[pb.FactorKind.Value(f"FACTOR_KIND_{kind.upper()}") for kind in asked.kinds],
        passkey_options=asked.passkey_options,
        expire_time=timestamp(asked.expire_time),
    )
