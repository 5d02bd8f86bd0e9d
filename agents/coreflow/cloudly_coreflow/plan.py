"""What to do so that what is seen becomes what is desired: a pure function, without clock and without I/O.

Rules, in order of what must never happen: nothing is touched that does not bear our label of this cluster (the driver
shows nothing else); a workload that awaits its image is left alone; what is as wished is not touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SpecBody = Mapping[str, Any]


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


@dataclass(frozen=True)
class Create:
    """Make the service."""

    wish: Wish


@dataclass(frozen=True)
class Update:
    """Change the service. `template_generation` is the generation whose containers it runs then."""

    wish: Wish
    sight: Sight
    template_generation: int = field(default=0)


@dataclass(frozen=True)
class Remove:
    """Take the service away."""

    sight: Sight


Action = Create | Update | Remove


def plan(desired: Mapping[str, Wish], seen: Mapping[str, Sight], credentials: str = "") -> list[Action]:
    """The actions, removals first (they free names and ports), each kind in the order of keys.

    `credentials` names the present registry credentials: services made with earlier ones are given these, which
    restarts nothing.
    """
    actions: list[Action] = [Remove(seen[key]) for key in sorted(seen) if key not in desired]
    for key in sorted(desired):
        wish, sight = desired[key], seen.get(key)
        if wish.spec is None:
            continue
        if sight is None:
            actions.append(Create(wish))
        elif _differs(wish, sight) or sight.credentials != credentials:
            same_containers = wish.template_hash == sight.template_hash
            generation = sight.template_generation if same_containers else wish.generation
            actions.append(Update(wish, sight, generation))
    return actions


def _differs(wish: Wish, sight: Sight) -> bool:
    # The generation is written down even where nothing else changes: it says how far the agent is.
    return (wish.spec_hash, wish.generation) != (sight.spec_hash, sight.generation)
