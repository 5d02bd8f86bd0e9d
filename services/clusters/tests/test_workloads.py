"""Clusters and workloads: wishes, versions, pushes, and what conflicts do."""

import asyncio

import pytest
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly_clusters.rendering import config_hash, render
from cloudly_clusters.workloads import to_message
from cloudly_kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, StaleEtag
from cloudly_kit.store import PageRequest, RequestKey

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


async def test_a_cluster_gets_its_jump_code_once(house):
    key = RequestKey.of("ada", "r1", b"x")
    first, code = await house.clusters.create(cluster_pb2.Cluster(name="east"), key)
    again, nothing = await house.clusters.create(cluster_pb2.Cluster(name="east"), key)
    assert code
    assert (again.id, nothing) == (first.id, "")
    assert await house.clusters.rotate_jump_code(first.id, None) != code


async def test_names_of_clusters_are_unique_and_free_again_after_deletion(house):
    first = await house.cluster()
    with pytest.raises(AlreadyExists):
        await house.cluster()
    await house.clusters.delete(first.id, "", force=False)
    assert house.auth.deleted == [first.id]
    assert (await house.cluster()).id != first.id


async def test_a_cluster_with_workloads_is_only_deleted_by_force(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    with pytest.raises(FailedPrecondition):
        await house.clusters.delete(cluster.id, "", force=False)
    await house.clusters.delete(cluster.id, "", force=True)
    with pytest.raises(NotFound):
        await house.workloads.get(workload.id)


async def test_a_workload_has_a_stable_target_and_a_repository(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    assert workload.registry_target == f"localhost:8080/workloads/web-{workload.id[:8]}"
    assert house.registry.repositories == {workload.repository: workload.id}
    with pytest.raises(AlreadyExists):
        await house.workload(cluster)
    with pytest.raises(NotFound):
        await house.workloads.create(workload_pb2.Workload(name="x", cluster_id="a" * 20), "ada", None)


async def test_every_change_of_a_wish_raises_the_revision_and_keeps_a_version(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    before = (await house.clusters.get(cluster.id)).revision

    def scale(present):
        present.replicas = 3
        return present

    changed = await house.workloads.update(workload.id, scale, workload.wish_etag, "ada")
    assert changed.generation == 2
    assert (await house.clusters.get(cluster.id)).revision == before + 1
    same = await house.workloads.update(workload.id, scale, "", "ada")
    assert same.generation == 2
    page = await house.workloads.list_versions(workload.id, PageRequest(order_by="number desc"))
    assert [(v.number, v.cause) for v in page.items] == [(2, "updated"), (1, "created")]


async def test_a_stale_etag_is_refused_and_changes_nothing(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    await house.pushed(workload, ONE)

    def scale(present):
        present.replicas = 3
        return present

    with pytest.raises(StaleEtag) as refusal:
        await house.workloads.update(workload.id, scale, workload.wish_etag, "ada")
    now = await house.workloads.get(workload.id)
    assert refusal.value.metadata["current_etag"] == now.wish_etag
    assert now.wish.get("replicas") is None


async def test_a_contradictory_wish_lists_every_contradiction(house):
    cluster = await house.cluster()
    wish = workload_pb2.Workload(
        name="web", cluster_id=cluster.id, domains=[{"name": "a.b"}, {"name": "a.b", "port": 1}]
    )
    wish.resources.cpu_limit, wish.resources.cpu_reservation = 1, 2
    with pytest.raises(InvalidArgument) as refusal:
        await house.workloads.create(wish, "ada", None)
    assert [violation.field for violation in refusal.value.violations] == [
        "workload.resources.cpu_reservation",
        "workload.domains[0].port",
        "workload.domains[1].name",
    ]


async def test_rolling_back_restores_image_and_settings(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster, environment={"A": "1"})
    await house.pushed(workload, ONE, "v1")

    def change(present):
        present.environment["A"] = "2"
        return present

    await house.workloads.update(workload.id, change, "", "ada")
    await house.pushed(workload, TWO, "v2")
    back = await house.workloads.rollback(workload.id, 2, "", "ada")
    assert (back.image_digest, back.image_tag, back.wish["environment"]) == (ONE, "v1", {"A": "1"})
    assert back.generation == 5
    with pytest.raises(NotFound):
        await house.workloads.rollback(workload.id, 99, "", "ada")


async def test_there_is_no_way_back_from_the_first_version(house):
    workload = await house.workload(await house.cluster())
    with pytest.raises(FailedPrecondition):
        await house.workloads.rollback(workload.id, 0, "", "ada")


async def test_the_same_push_twice_is_one_generation(house):
    workload = await house.workload(await house.cluster())
    assert (await house.pushed(workload, ONE)).generation == 2
    assert await house.pushed(workload, ONE) is None


async def test_concurrent_writers_lose_nothing(house):
    cluster = await house.cluster()
    workload = await house.workload(cluster)

    def add(number):
        def change(present):
            present.environment[f"N{number}"] = "x"
            return present

        return house.workloads.update(workload.id, change, "", "ada")

    await asyncio.gather(*(add(number) for number in range(6)))
    now = await house.workloads.get(workload.id)
    assert len(now.wish["environment"]) == 6
    assert now.generation == 7


async def test_old_versions_are_forgotten(house):
    workload = await house.workload(await house.cluster())
    for number in range(8):

        def change(present, number=number):
            present.description = str(number)
            return present

        await house.workloads.update(workload.id, change, "", "ada")
    page = await house.workloads.list_versions(workload.id, PageRequest(order_by="number desc"))
    assert [version.number for version in page.items] == [9, 8, 7, 6, 5]


async def test_the_configuration_is_the_same_for_the_same_wishes(house):
    cluster = await house.cluster()
    for name in ("b", "a"):
        await house.workload(cluster, name, environment={"Z": "1", "A": "2"})
    workloads = await house.store.workloads.find_all(scope=cluster.id)
    hashes = {config_hash(render(cluster, order)) for order in (workloads, workloads[::-1])}
    assert len(hashes) == 1


async def test_a_workload_as_clients_see_it(house):
    workload = await house.workload(await house.cluster(), labels={"team": "a.b/c"}, replicas=0)
    message = to_message(workload)
    assert message.status.conditions[0].reason == "IMAGE_AWAITED"
    assert (message.etag, message.generation, dict(message.labels)) == (workload.wish_etag, 1, {"team": "a.b/c"})
    assert message.HasField("replicas")


async def test_a_cluster_knows_how_many_workloads_it_has(house):
    cluster = await house.cluster()
    made = [await house.workload(cluster, name) for name in ("a", "b", "c")]
    await house.pushed(made[0], ONE)
    assert (await house.clusters.get(cluster.id)).workload_count == 3
    await house.workloads.delete(made[1].id, "")
    assert (await house.clusters.get(cluster.id)).workload_count == 2
