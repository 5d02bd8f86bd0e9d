"""Who must have a second factor. A session of somebody who must and has none can do nothing but enrol one."""

from collections.abc import Callable

import structlog
from cloudly_kit.errors import AlreadyExists, InvalidArgument

from cloudly_auth.factor_store import POLICY, FactorPolicy, Factors
from cloudly_auth.store import AuthStore, User
from cloudly_auth.users import ROLES

log = structlog.get_logger()


class FactorPolicies:
    """The one policy there is."""

    def __init__(self, store: AuthStore) -> None:
        self._store = store

    async def get(self) -> FactorPolicy:
        """The policy; at first nobody must."""
        return await self._store.factor_policies.find(POLICY) or FactorPolicy(id=POLICY, etag="")

    async def update(self, change: Callable[[FactorPolicy], FactorPolicy], *, etag: str = "") -> FactorPolicy:
        """Change the policy.

        Raises:
            InvalidArgument: a role is unknown.
            StaleEtag: the policy has changed since.
        """
        checked(change(await self.get()))
        try:
            await self._store.factor_policies.insert(FactorPolicy(id=POLICY))
        except AlreadyExists:
            log.debug("auth.factor_policy_exists")
        saved = await self._store.factor_policies.change(POLICY, change, etag=etag)
        log.info("auth.factor_policy_updated", all=saved.required_for_all, roles=saved.required_roles)
        return saved

    async def requires(self, user: User) -> bool:
        """Whether this user must have a second factor."""
        policy = await self.get()
        return user.type == "human" and (
            policy.required_for_all or not set(policy.required_roles).isdisjoint(user.roles)
        )

    async def must_enrol(self, user: User) -> bool:
        """Whether this user must have a second factor and has none yet."""
        if not await self.requires(user):
            return False
        factors = await self._store.factors.find(user.id) or Factors(id=user.id)
        return not factors.enrolled


def checked(policy: FactorPolicy) -> None:
    """Refuse a policy that names roles which nobody can have.

    Raises:
        InvalidArgument: see above.
    """
    unknown = sorted(set(policy.required_roles) - set(ROLES))
    if unknown:
        named = ", ".join(map(repr, unknown))
        raise InvalidArgument.of(("policy.required_roles", f"{named} cannot be given; there are {', '.join(ROLES)}"))
