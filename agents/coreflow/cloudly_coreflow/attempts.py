"""The journal of rollouts: written before Swarm is told, so that an agent killed in between knows what it has tried."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from cloudly_coreflow.plan import Attempt, Sight, Update, was_rolled_back
from cloudly_coreflow.state import State


class Attempts:
    """The last rollout of each key, in memory and on disk."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._held = state.attempts()

    @property
    def by_key(self) -> Mapping[str, Attempt]:
        """All that are remembered."""
        return self._held

    def begin(self, update: Update, now: float) -> None:
        """Write down a rollout that is about to be handed to Swarm; an update that rolls nothing out is none."""
        wish, sight = update.wish, update.sight
        if wish.spec_hash == sight.spec_hash:
            return
        before = self._held.get(wish.key)
        again = (
            before is not None
            and (before.spec_hash, before.generation) == (wish.spec_hash, wish.generation)
            and was_rolled_back(sight, before)
        )
        self._held[wish.key] = Attempt(
            spec_hash=wish.spec_hash,
            template_hash=wish.template_hash,
            generation=wish.generation,
            time=now,
            credentials=wish.credentials,
            tries=before.tries + 1 if before is not None and again else 1,
            before=sight.rolling.started,
        )
        self._keep()

    def unexplained(self, sight: Sight) -> Attempt | None:
        """The attempt that Swarm has rolled back without our having written down why."""
        attempt = self._held.get(sight.key)
        return attempt if attempt and not attempt.reason and was_rolled_back(sight, attempt) else None

    def explain(self, key: str, reason: str, message: str) -> None:
        """Write down why an attempt was rolled back."""
        self._held[key] = replace(self._held[key], reason=reason, message=message)
        self._keep()

    def forget_all_but(self, keys: Collection[str]) -> None:
        """Forget the attempts of workloads that are gone."""
        gone = [key for key in self._held if key not in keys]
        for key in gone:
            del self._held[key]
        if gone:
            self._keep()

    def _keep(self) -> None:
        self._state.keep_attempts(self._held)
