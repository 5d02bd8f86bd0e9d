"""Machine identities of clusters: jump codes, what they are traded for, and pull tokens."""

import hmac
from datetime import UTC, datetime, timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, CredentialsInvalid, FailedPrecondition, NotFound
from cloudly_kit.identity import LEGACY_AUDIENCE, REGISTRY_AUDIENCE, Identity
from cloudly_kit.ids import derived_id, hash_secret, new_secret
from cloudly_kit.store import Session as Transaction

from cloudly_auth.names import CLUSTER_PREFIX
from cloudly_auth.revocations import Revocations
from cloudly_auth.store import AuthStore, ClusterIdentity, Credential, Revocation
from cloudly_auth.tokens import LIFETIMES, Tokens

log = structlog.get_logger()

JUMP_CODE_PREFIX = "cloudly_jc"
CLUSTER_ROLES = ("cluster",)
_LONGEST_EXCHANGED = LIFETIMES[LEGACY_AUDIENCE]


class Machines:
    """Makes, proves and revokes the identities of clusters."""

    def __init__(self, store: AuthStore, tokens: Tokens, revocations: Revocations) -> None:
        self._store = store
        self._tokens = tokens
        self._revocations = revocations

    async def create_cluster_identity(
        self, cluster_id: str, cluster_name: str, overlap_seconds: int
    ) -> tuple[ClusterIdentity, str]:
        """The cluster's identity, made if need be, and a new jump code; earlier ones end after the overlap.

        A caller that lost the answer calls again: the code it never saw ends like any earlier one.
        """
        identity = await self._identity(cluster_id, cluster_name)
        crashpoint("auth.machines.create.after_identity")
        jump_code = new_secret(JUMP_CODE_PREFIX)
        ends = datetime.now(UTC) + timedelta(seconds=overlap_seconds)

        async def work(transaction: Transaction) -> list[Revocation]:
            earlier = await self._store.credentials.find_all(scope=identity.id, session=transaction)
            hashed = hash_secret(jump_code)
            credential = Credential(id=_credential_id(hashed), scope=identity.id, secret_hash=hashed)
            await self._store.credentials.insert(credential, session=transaction)
            return [await self._shorten(known, ends, transaction) for known in earlier if not _ends_by(known, ends)]

        revocations = await self._store.database.transaction(work)
        crashpoint("auth.machines.create.after_write")
        await self._revocations.announce(revocations)
        log.info("auth.jump_code_made", cluster=cluster_id, identity=identity.id, earlier_codes=len(revocations))
        return identity, jump_code

    async def delete_cluster_identity(self, cluster_id: str) -> None:
        """Revoke the identity with all its codes and tokens; nothing happens when there is none."""
        identity_id = _identity_id(cluster_id)

        async def work(transaction: Transaction) -> list[Revocation]:
            if await self._store.cluster_identities.find(identity_id, session=transaction) is None:
                return []
            await self._store.cluster_identities.delete(identity_id, session=transaction)
            revoked = [await self._revocations.record(identity_id, LIFETIMES[REGISTRY_AUDIENCE], transaction)]
            for credential in await self._store.credentials.find_all(scope=identity_id, session=transaction):
                await self._store.credentials.delete(credential.id, session=transaction)
                revoked.append(await self._revocations.record(credential.id, _LONGEST_EXCHANGED, transaction))
            return revoked

        revocations = await self._store.database.transaction(work)
        crashpoint("auth.machines.delete.after_write")
        if revocations:
            await self._revocations.announce(revocations)
            log.info("auth.cluster_identity_deleted", cluster=cluster_id, identity=identity_id)

    async def exchange(self, secret: str, audience: str) -> tuple[str, Identity]:
        """A short token for a machine's long-lived secret.

        Raises:
            CredentialsInvalid: unknown, run out, or its cluster is gone.
        """
        hashed = hash_secret(secret)
        credential = await self._store.credentials.find(_credential_id(hashed))
        if credential is None or not hmac.compare_digest(credential.secret_hash, hashed):
            raise CredentialsInvalid
        if credential.expire_time and credential.expire_time <= datetime.now(UTC):
            raise CredentialsInvalid
        machine = await self._store.cluster_identities.find(credential.scope)
        if machine is None:
            raise CredentialsInvalid
        identity = _as_identity(machine, audience, sid=credential.id)
        return await self._tokens.sign(identity, not_after=credential.expire_time)

    async def pull_token(self, cluster_id: str) -> tuple[str, str, datetime]:
        """User name, password and end of a registry credential that can only pull.

        Raises:
            NotFound: the cluster has no identity.
        """
        machine = await self._store.cluster_identities.find(_identity_id(cluster_id))
        if machine is None:
            raise NotFound("cluster identity", cluster_id)
        token, identity = await self._tokens.sign(_as_identity(machine, REGISTRY_AUDIENCE, sid=machine.id))
        assert identity.expire_time is not None
        return identity.name, token, identity.expire_time

    async def _shorten(self, known: Credential, ends: datetime, transaction: Transaction) -> Revocation:
        # Tokens that were bought with the code end with it; a legacy one would live on for a day.
        shortened = known.model_copy(update={"expire_time": ends})
        await self._store.credentials.change(known.id, lambda _: shortened, session=transaction)
        return await self._revocations.record(known.id, _LONGEST_EXCHANGED, transaction, effective=ends)

    async def _identity(self, cluster_id: str, cluster_name: str) -> ClusterIdentity:
        identity_id = _identity_id(cluster_id)
        found = await self._store.cluster_identities.find(identity_id)
        if found is not None:
            return found
        try:
            made, _ = await self._store.cluster_identities.insert(
                ClusterIdentity(id=identity_id, cluster_id=cluster_id, name=cluster_name)
            )
        except AlreadyExists:
            found = await self._store.cluster_identities.find(identity_id)
            if found is None:
                raise FailedPrecondition(f"the identity of cluster {cluster_id} was deleted") from None
            return found
        return made


def _identity_id(cluster_id: str) -> str:
    return derived_id("cluster-identity", cluster_id)


def _ends_by(credential: Credential, time: datetime) -> bool:
    return credential.expire_time is not None and credential.expire_time <= time


def _credential_id(hashed: str) -> str:
    # Found by id, whoever it belongs to: no other index is needed, and the id tells nothing of the secret.
    return derived_id("credential", hashed)


def _as_identity(machine: ClusterIdentity, audience: str, *, sid: str) -> Identity:
    return Identity(
        id=machine.id,
        name=f"{CLUSTER_PREFIX}{machine.cluster_id}",
        type="machine",
        roles=CLUSTER_ROLES,
        cluster_id=machine.cluster_id,
        session_id=sid,
        audience=audience,
    )
