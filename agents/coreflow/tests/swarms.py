"""A Swarm in memory for the property tests of the plan; it acts as Docker does, rollbacks and refusals included."""

from dataclasses import replace

from cloudly_coreflow import specs
from cloudly_coreflow.plan import (
    Attempt,
    Create,
    Deny,
    Desired,
    Refusal,
    Remove,
    Renew,
    Rolling,
    Seen,
    Sight,
    Update,
    plan,
    was_rolled_back,
)

REGISTRY = "registry.test"


def wish(key, body=0, generation=1, *, replicas=1, port=0, name="", awaited=False, credentials=""):
    name = name or f"name-{key}"
    if awaited:
        return specs.Wish(key, name, generation, None)
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    ports = [{"PublishedPort": port}] if port else []
    template = {"ContainerSpec": {"Image": f"{REGISTRY}/image:{body}"}}
    return specs.make_wish(
        key, name, generation, {"TaskTemplate": template, "Mode": mode, "EndpointSpec": {"Ports": ports}}, credentials
    )


def sight_of(wished, id_="", template_generation=0, *, serves=True, rolling=None):
    return Sight(
        wished.key,
        id_ or f"id-{wished.key}",
        wished.name,
        wished.generation,
        wished.spec_hash,
        wished.template_hash,
        template_generation or wished.generation,
        wished.credentials,
        wished.image,
        wished.replicas,
        publishes=bool(wished.spec["EndpointSpec"]["Ports"]),
        serves=serves,
        rolling=rolling or Rolling(),
    )


class SimulatedSwarm:
    """`bad` images never run: their rollout is rolled back. `refused` keys are refused by Docker."""

    def __init__(self, sights=(), strangers=(), bad=(), refused=()):
        self.services = {sight.id: sight for sight in sights}
        self.strangers = frozenset(strangers)
        self.bad, self.refused = set(bad), set(refused)
        self.attempts, self.refusals = {}, {}
        self.now, self.made = 1000.0, 0
        self.done = []

    def seen(self):
        return Seen(list(self.services.values()), self.strangers, dict(self.attempts), dict(self.refusals))

    def step(self, desired):
        """One look, plan and act; the actions."""
        actions = plan(desired, self.seen(), self.now)
        for action in actions:
            self.act(action)
        self.now += 0.1
        return actions

    def act(self, action):
        self.done.append(action)
        if action.key in self.refused or isinstance(action, Deny):
            self.refusals[action.key] = Refusal(action.signature, "no", self.now + 10)
            return
        match action:
            case Create(wished):
                names = {sight.name for sight in self.services.values()} | self.strangers
                assert wished.name not in names, "a name cannot be had twice"
                self.made += 1
                serves = wished.image not in self.bad
                self.services[f"made-{self.made}"] = sight_of(wished, f"made-{self.made}", serves=serves)
            case Update(wished, before, generation):
                assert before.id in self.services
                assert before.name == wished.name, "Swarm cannot rename"
                self._roll(wished, self.services[before.id], generation)
            case Renew(before, credentials):
                self.services[before.id] = replace(self.services[before.id], credentials=credentials)
            case Remove(gone):
                del self.services[gone.id]

    def _roll(self, wished, before, generation):
        after = sight_of(wished, before.id, generation, rolling=before.rolling)
        started = f"t{self.now}"
        old = self.attempts.get(wished.key)
        if wished.spec_hash != before.spec_hash:
            again = old and old.spec_hash == wished.spec_hash and was_rolled_back(before, old)
            self.attempts[wished.key] = Attempt(
                wished.spec_hash, wished.template_hash, wished.generation, self.now, wished.credentials,
                old.tries + 1 if again else 1, before.rolling.started, "NO_SUCH_IMAGE",
            )  # fmt: skip
        if wished.template_hash == before.template_hash:
            self.services[before.id] = after
        elif wished.image in self.bad:
            self.services[before.id] = replace(before, rolling=Rolling("rollback_completed", started, "gave up"))
        else:
            self.services[before.id] = replace(after, rolling=Rolling("completed", started))


def desired_of(*wishes, credentials="", kept=()):
    return Desired({wished.key: wished for wished in wishes}, {REGISTRY: credentials}, frozenset(kept))
