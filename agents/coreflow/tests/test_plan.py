"""The plan: what must always, and what must never happen."""

from dataclasses import replace

from cloudly_coreflow.plan import Create, Deny, Remove, Renew, Rolling, Update, plan, retry_time, was_rolled_back
from hypothesis import given, settings
from hypothesis import strategies as st

from .swarms import REGISTRY, SimulatedSwarm, desired_of, sight_of, wish

KEYS = ("a", "b", "c")
BODIES = st.integers(0, 3)
REPLICAS = st.sampled_from([None, 0, 1, 3])
NAMES = st.sampled_from(["", "one", "two"])


@st.composite
def wishes(draw, *, key=None, awaited=None):
    key = key or draw(st.sampled_from(KEYS))
    name = draw(NAMES)
    return wish(
        key,
        draw(BODIES),
        draw(st.integers(1, 4)),
        replicas=draw(REPLICAS),
        port=draw(st.sampled_from([0, 8080])),
        # Cloudly puts the workload's id into the name: two workloads never share one.
        name=f"{name}-{key}" if name else "",
        awaited=draw(st.booleans()) if awaited is None else awaited,
    )


DESIRED = st.lists(wishes(), unique_by=lambda wished: wished.key).map(lambda found: desired_of(*found))
SIGHTS = st.lists(wishes(awaited=False).map(sight_of), unique_by=lambda sight: sight.key)
BAD = st.sets(BODIES).map(lambda bodies: {f"{REGISTRY}/image:{body}" for body in bodies})


@settings(max_examples=300)
@given(DESIRED, SIGHTS)
def test_a_swarm_converges_and_then_nothing_is_done(desired, sights):
    swarm = SimulatedSwarm(sights)
    for _ in range(4):
        swarm.step(desired)
    assert swarm.step(desired) == []
    for key, wished in desired.wishes.items():
        mine = [sight for sight in swarm.services.values() if sight.key == key]
        if wished.spec is not None:
            assert [(s.name, s.spec_hash, s.generation, s.replicas) for s in mine] == [
                (wished.name, wished.spec_hash, wished.generation, wished.replicas)
            ]
    assert {sight.key for sight in swarm.services.values()} <= set(desired.wishes)


@given(DESIRED, SIGHTS)
def test_a_workload_that_awaits_its_image_is_never_touched(desired, sights):
    awaiting = {key for key, wished in desired.wishes.items() if wished.spec is None}
    swarm = SimulatedSwarm(sights)
    before = {sight.id: sight for sight in sights if sight.key in awaiting}
    for _ in range(4):
        assert not [action for action in swarm.step(desired) if action.key in awaiting]
    assert before.items() <= swarm.services.items()


@given(DESIRED, SIGHTS, st.sets(st.sampled_from(["one-a", "two-b", "name-c"])))
def test_strangers_services_are_never_touched_and_their_names_are_respected(desired, sights, strangers):
    swarm = SimulatedSwarm([sight for sight in sights if sight.name not in strangers], strangers)
    for _ in range(6):
        swarm.step(desired)
    assert swarm.strangers == strangers
    for key, wished in desired.wishes.items():
        if wished.spec is not None and wished.name in strangers:
            assert swarm.refusals[key].message


@settings(max_examples=300)
@given(DESIRED, SIGHTS, BAD)
def test_a_rollout_that_swarm_rolled_back_is_not_repeated_at_once_and_the_old_one_goes_on_serving(desired, sights, bad):
    sights = [sight for sight in sights if sight.image not in bad]
    swarm = SimulatedSwarm(sights, bad=bad)
    for _ in range(20):
        swarm.step(desired)
    tried = [(a.wish.key, a.wish.spec_hash) for a in swarm.done if isinstance(a, Update) and a.wish.image in bad]
    assert len(tried) == len(set(tried))
    for wished in desired.wishes.values():
        mine = [sight for sight in swarm.services.values() if sight.key == wished.key]
        served = [sight for sight in sights if sight.key == wished.key and not sight.publishes]
        fits = [s for s in served if s.name != wished.name or (s.replicas is None) == (wished.replicas is None)]
        if wished.spec is not None and fits:
            assert any(sight.serves for sight in mine)


@given(DESIRED, SIGHTS)
def test_what_docker_refuses_is_tried_again_later_and_not_at_once(desired, sights):
    swarm = SimulatedSwarm(sights, refused=KEYS)
    first = swarm.step(desired)
    repeated = {(a.key, a.signature) for a in swarm.step(desired)} & {(a.key, a.signature) for a in first}
    # Several services of one key wait one after another.
    assert len(repeated) <= max(0, len(first) - len({action.key for action in first}))
    swarm.now += 100
    assert len(swarm.step(desired)) == len(first)


@given(DESIRED, SIGHTS)
def test_a_change_that_is_not_of_the_containers_keeps_their_generation(desired, sights):
    for action in SimulatedSwarm(sights).step(desired):
        if isinstance(action, Update):
            same = action.wish.template_hash == action.sight.template_hash
            assert action.template_generation == (action.sight.template_generation if same else action.wish.generation)


def rolled_back(tries=1):
    """A swarm in which the rollout of body 1 was rolled back, and the desire that asks for it."""
    swarm = SimulatedSwarm([sight_of(wish("a", 0))], bad={f"{REGISTRY}/image:1"})
    desired = desired_of(wish("a", 1, 2))
    swarm.step(desired)
    swarm.attempts["a"] = replace(swarm.attempts["a"], tries=tries)
    return swarm, desired


def test_a_rollout_that_failed_at_its_image_is_tried_again_ever_more_slowly():
    swarm, desired = rolled_back()
    assert swarm.step(desired) == []
    swarm.now = retry_time(swarm.attempts["a"])
    assert [type(action) for action in swarm.step(desired)] == [Update]
    assert swarm.attempts["a"].tries == 2
    waits = [
        retry_time(replace(swarm.attempts["a"], tries=tries)) - swarm.attempts["a"].time for tries in (1, 2, 3, 99)
    ]
    assert waits == [5, 10, 20, 900]


def test_a_rollout_whose_containers_failed_waits_for_another_wish():
    swarm, desired = rolled_back()
    swarm.attempts["a"] = replace(swarm.attempts["a"], reason="TASK_FAILED")
    swarm.now += 1e9
    assert swarm.step(desired) == []
    assert [type(a) for a in plan(desired_of(wish("a", 1, 3)), swarm.seen(), swarm.now)] == [Update]
    assert [type(a) for a in plan(desired_of(wish("a", 2, 3)), swarm.seen(), swarm.now)] == [Update]


def test_a_rollout_that_was_written_down_but_never_sent_is_sent():
    swarm, desired = rolled_back()
    # The journal's newest attempt began after that rollback, and the agent died before it told Swarm.
    sight = swarm.services["id-a"]
    swarm.attempts["a"] = replace(swarm.attempts["a"], before=sight.rolling.started)
    assert not was_rolled_back(sight, swarm.attempts["a"])
    assert [type(action) for action in swarm.step(desired)] == [Update]


def test_renewed_credentials_reach_what_runs_without_a_rollout_and_a_denied_pull_is_tried_again():
    old = wish("a", 0, credentials="old")
    swarm = SimulatedSwarm([sight_of(old)])
    desired = desired_of(replace(old, credentials="new"), credentials="new")
    assert [type(action) for action in swarm.step(desired)] == [Renew]
    assert swarm.step(desired) == []
    swarm, _ = rolled_back()
    swarm.attempts["a"] = replace(swarm.attempts["a"], reason="PULL_DENIED", credentials="old")
    again = plan(desired_of(wish("a", 1, 2, credentials="new"), credentials="new"), swarm.seen(), swarm.now)
    assert [type(action) for action in again] == [Update]


def test_during_a_rollout_only_another_wish_is_handed_over():
    # Swarm goes back to the spec before the last update, so an update without news would cost the way back.
    old = wish("a", 0, credentials="old")
    rolling = replace(sight_of(old), rolling=Rolling("updating", "t"))
    same = desired_of(wish("a", 0, 2, credentials="new"), credentials="new")
    assert plan(same, SimulatedSwarm([rolling]).seen(), 0) == []
    other = desired_of(wish("a", 1, 2, credentials="new"), credentials="new")
    assert [type(a) for a in plan(other, SimulatedSwarm([rolling]).seen(), 0)] == [Update]
    awaiting = desired_of(replace(old, generation=2, spec=None), credentials="new")
    assert plan(awaiting, SimulatedSwarm([rolling]).seen(), 0) == []


def test_a_renamed_workload_serves_under_its_old_name_until_the_new_one_does():
    swarm = SimulatedSwarm([sight_of(wish("a", name="old"))], bad={f"{REGISTRY}/image:1"})
    assert [type(a) for a in swarm.step(desired_of(wish("a", 1, 2, name="new")))] == [Create]
    assert swarm.step(desired_of(wish("a", 1, 2, name="new"))) == []
    good = desired_of(wish("a", 2, 3, name="new"))
    swarm.step(good)
    assert [type(a) for a in swarm.step(good)] == [Remove]
    assert [sight.name for sight in swarm.services.values()] == ["new"]


def test_a_published_port_is_freed_before_another_service_takes_it():
    swarm = SimulatedSwarm([sight_of(wish("a", port=80, name="old"))])
    assert [type(a) for a in swarm.step(desired_of(wish("a", port=80, name="new")))] == [Remove]
    assert [type(a) for a in swarm.step(desired_of(wish("a", port=80, name="new")))] == [Create]


def test_what_others_changed_by_hand_is_put_right():
    wished = wish("a", replicas=3)
    scaled = replace(sight_of(wished), replicas=1)
    assert [type(a) for a in plan(desired_of(wished), SimulatedSwarm([scaled]).seen(), 0)] == [Update]
    other = replace(sight_of(wished), image="other")
    assert [type(a) for a in plan(desired_of(wished), SimulatedSwarm([other]).seen(), 0)] == [Update]


def test_a_strangers_name_is_denied_and_what_is_kept_stays():
    denied = plan(desired_of(wish("a", name="x")), SimulatedSwarm(strangers={"x"}).seen(), 0)
    assert isinstance(denied[0], Deny)
    swarm = SimulatedSwarm([sight_of(wish("coretraffic"))])
    assert swarm.step(desired_of(kept=["coretraffic"])) == []
    assert [type(a) for a in swarm.step(desired_of())] == [Remove]
