"""What to do so that what is seen becomes what is desired: a pure function, without clock and without I/O.

What must never happen, and is tested as properties: touching what does not bear our labels of this cluster; touching a
workload that awaits its image; any action on a converged cluster; repeating at once what Swarm or Docker has refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudly_coreflow.references import server_of

SpecBody = Mapping[str, Any]

ROLLED_BACK = frozenset({"rollback_started", "rollback_paused", "rollback_completed"})
ROLLING = frozenset({"updating", "rollback_started"})
PULL_REASONS = frozenset({"NO_SUCH_IMAGE", "PULL_DENIED"})
PULL_RETRY_SECONDS = 5.0
"""A rollout that failed at its image is tried again after this, doubled with each try…"""
PULL_RETRY_CAP_SECONDS = 900.0
"""…up to this. One whose containers ran and failed waits for another wish."""


@dataclass(frozen=True)
class Wish:
    """A Swarm service as it should be; `spec` is Docker's ServiceSpec without name and our bookkeeping labels."""

    key: str
    name: str
    generation: int
    spec: SpecBody | None
    """None: an image is awaited."""
    spec_hash: str = ""
    template_hash: str = ""
    # Names the credentials its image is pulled with; empty for an image that needs none of ours.
    credentials: str = ""

    @property
    def image(self) -> str:
        """What its containers are made from."""
        return str(self.spec["TaskTemplate"]["ContainerSpec"]["Image"]) if self.spec else ""

    @property
    def replicas(self) -> int | None:
        """How many; None: one on every node."""
        mode = self.spec["Mode"] if self.spec else {}
        return int(mode["Replicated"]["Replicas"]) if "Replicated" in mode else None


@dataclass(frozen=True)
class Rolling:
    """The state of a service's last update, in Swarm's words. `started` is only ever compared for equality."""

    state: str = ""
    started: str = ""
    message: str = ""


@dataclass(frozen=True)
class Sight:
    """A Swarm service of ours as it is."""

    key: str
    id: str
    name: str
    generation: int
    spec_hash: str
    template_hash: str
    template_generation: int
    credentials: str = ""
    image: str = ""
    replicas: int | None = 1
    publishes: bool = False
    # At least one container runs, or none should.
    serves: bool = True
    rolling: Rolling = Rolling()


@dataclass(frozen=True)
class Attempt:
    """The last rollout that was handed to Swarm for a key; kept on disk, since Swarm forgets what it rolled back."""

    spec_hash: str
    template_hash: str
    generation: int
    # Unix seconds.
    time: float
    credentials: str = ""
    tries: int = 1
    # `Rolling.started` before it: another one afterwards tells that this rollout has begun.
    before: str = ""
    # Why Swarm rolled it back, once that was seen.
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Refusal:
    """Docker did not take an action; it is not repeated before `retry_time` (Unix seconds) unless the wish changes."""

    signature: str
    message: str
    retry_time: float
    tries: int = 1


@dataclass(frozen=True)
class Create:
    """Make the service."""

    wish: Wish

    @property
    def key(self) -> str:
        """Whose service."""
        return self.wish.key

    @property
    def signature(self) -> str:
        """What a refusal of it is remembered by."""
        return f"create.{self.wish.name}.{self.wish.spec_hash}.{self.wish.credentials}"


@dataclass(frozen=True)
class Update:
    """Change the service. `template_generation` is the generation whose containers it runs then."""

    wish: Wish
    sight: Sight
    template_generation: int = field(default=0)

    @property
    def key(self) -> str:
        """Whose service."""
        return self.wish.key

    @property
    def signature(self) -> str:
        """What a refusal of it is remembered by."""
        return f"update.{self.wish.generation}.{self.wish.spec_hash}.{self.wish.credentials}"


@dataclass(frozen=True)
class Renew:
    """Give the service fresh credentials to pull with and leave all else as it is: nothing restarts."""

    sight: Sight
    credentials: str

    @property
    def key(self) -> str:
        """Whose service."""
        return self.sight.key

    @property
    def signature(self) -> str:
        """What a refusal of it is remembered by."""
        return f"renew.{self.sight.id}.{self.credentials}"


@dataclass(frozen=True)
class Remove:
    """Take the service away."""

    sight: Sight

    @property
    def key(self) -> str:
        """Whose service."""
        return self.sight.key

    @property
    def signature(self) -> str:
        """What a refusal of it is remembered by."""
        return f"remove.{self.sight.id}"


@dataclass(frozen=True)
class Deny:
    """Nothing can be done for a wish; the message is for people."""

    key: str
    message: str

    @property
    def signature(self) -> str:
        """What it is remembered by."""
        return f"deny.{self.message}"


Action = Create | Update | Renew | Remove | Deny


@dataclass(frozen=True)
class Desired:
    """All that should be on the cluster."""

    wishes: Mapping[str, Wish]
    # By registry, the name of the credentials that we have for it.
    credentials: Mapping[str, str] = field(default_factory=dict)
    # Keys whose services stay although nobody wishes them just now.
    kept: frozenset[str] = frozenset()

    def credentials_for(self, image: str) -> str:
        """The name of the credentials to pull this image with; empty for none."""
        return self.credentials.get(server_of(image), "")


@dataclass(frozen=True)
class Seen:
    """The cluster as it is, and what became of earlier attempts. The driver shows as sights nothing but ours."""

    sights: Sequence[Sight] = ()
    # The names of other people's services.
    strangers: frozenset[str] = frozenset()
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)


def plan(desired: Desired, seen: Seen, now: float) -> list[Action]:
    """The next actions, removals first (they free names and ports), then in the order of keys; none when all is as wished.

    Args:
        desired: what should be.
        seen: what is.
        now: Unix seconds.
    """
    gone = [sight for sight in seen.sights if sight.key not in desired.wishes and sight.key not in desired.kept]
    actions: list[Action] = [Remove(sight) for sight in sorted(gone, key=lambda sight: (sight.key, sight.id))]
    for key in sorted(desired.wishes):
        wish = desired.wishes[key]
        if wish.spec is not None:
            actions += _for_wish(wish, [sight for sight in seen.sights if sight.key == key], desired, seen, now)
    return [action for action in actions if not is_refused(action, seen, now)]


def current_sight(wish: Wish, sights: Sequence[Sight]) -> Sight | None:
    """The service that is, or can become, what is wished: Swarm can neither rename one nor change its mode."""
    return next((s for s in sights if s.name == wish.name and (s.replicas is None) == (wish.replicas is None)), None)


def was_rolled_back(sight: Sight, attempt: Attempt | None) -> bool:
    """Whether Swarm gave up this attempt and went back to what ran before."""
    return (
        attempt is not None
        and sight.spec_hash != attempt.spec_hash
        and sight.rolling.state in ROLLED_BACK
        and sight.rolling.started != attempt.before
    )


def retry_time(attempt: Attempt) -> float:
    """When a rolled back attempt is tried again, in Unix seconds; infinite for one whose containers ran and failed."""
    if attempt.reason not in PULL_REASONS:
        return float("inf")
    return attempt.time + min(PULL_RETRY_CAP_SECONDS, PULL_RETRY_SECONDS * 2.0 ** min(attempt.tries - 1, 20))


def is_refused(action: Action, seen: Seen, now: float) -> bool:
    """Whether this very action was refused a short time ago."""
    refusal = seen.refusals.get(action.key)
    return refusal is not None and refusal.signature == action.signature and now < refusal.retry_time


def _for_wish(wish: Wish, mine: Sequence[Sight], desired: Desired, seen: Seen, now: float) -> Iterator[Action]:
    current = current_sight(wish, mine)
    former = [sight for sight in mine if sight is not current]
    if current is None:
        # A name or a published port cannot be had twice: there the old service leaves first. Else it serves meanwhile.
        in_the_way = [sight for sight in former if sight.name == wish.name or sight.publishes]
        if in_the_way:
            yield from map(Remove, in_the_way)
        elif wish.name in seen.strangers:
            yield Deny(wish.key, f"the Swarm has a service named {wish.name} that is not of this cluster")
        else:
            yield Create(wish)
        return
    if current.rolling.state in ROLLING and wish.spec_hash == current.spec_hash:
        # Swarm remembers one spec to go back to, the one before the last update: only another wish may replace that now.
        pass
    elif _differs(wish, current) and not _has_failed(wish, current, seen, now):
        same_containers = wish.template_hash == current.template_hash
        yield Update(wish, current, current.template_generation if same_containers else wish.generation)
    elif (
        (credentials := desired.credentials_for(current.image))
        and current.credentials != credentials
        and current.rolling.state not in ROLLING
    ):
        yield Renew(current, credentials)
    if current.serves:
        yield from map(Remove, former)


def _differs(wish: Wish, sight: Sight) -> bool:
    # The generation is written down even where nothing else changes: it says how far the agent is. Image and replicas are
    # compared themselves, since others can change them by hand while our labels stay.
    return (wish.spec_hash, wish.generation, wish.image, wish.replicas) != (
        sight.spec_hash,
        sight.generation,
        sight.image,
        sight.replicas,
    )


def _has_failed(wish: Wish, sight: Sight, seen: Seen, now: float) -> bool:
    # A new generation of the same wish is somebody's asking for another try.
    attempt = seen.attempts.get(wish.key)
    wished = (wish.spec_hash, wish.generation)
    if attempt is None or (attempt.spec_hash, attempt.generation) != wished or not was_rolled_back(sight, attempt):
        return False
    renewed = attempt.reason in PULL_REASONS and attempt.credentials != wish.credentials
    return not renewed and now < retry_time(attempt)
