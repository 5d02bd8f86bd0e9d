"""What the servicers share: having somebody prove again who they are before they change how they log in."""

from cloudly.auth.v1 import factor_pb2 as pb
from cloudly_kit.identity import caller

from cloudly_auth.accounts import Accounts, is_fresh
from cloudly_auth.second_step import Answer, Proof, SecondStep
from cloudly_auth.servicers.identities import client
from cloudly_auth.store import User


async def proved(accounts: Accounts, second_step: SecondStep, proof: pb.Proof, *, or_fresh: bool = False) -> User:
    """The caller, who has proved who they are; with `or_fresh` a login just now is proof enough.

    Raises:
        FailedPrecondition: the caller is no person with a session.
        InvalidArgument: there is no proof, or it is wrong.
        RateLimited, Unavailable: too many wrong ones, or they cannot be counted.
    """
    user, session = await accounts.own(caller().actor)
    given = Proof(
        password=proof.password,
        answer=Answer(proof.code, proof.passkey.credential),
        challenge=proof.passkey.challenge,
    )
    if not (or_fresh and given == Proof() and is_fresh(session)):
        await second_step.prove(user, given, client())
    return user
