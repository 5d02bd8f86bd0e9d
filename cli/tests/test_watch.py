"""--watch and the watch verbs."""

import json

from cloudly.auth.v1 import auth_pb2
from cloudly.clusters.v1 import cluster_pb2
from cloudly.common.v1 import watch_pb2
from cloudly.executions.v1 import execution_pb2
from cloudly_cli.watching import parse
from cloudly_kit.errors import CursorLost, TokenExpired, Unavailable
from cloudly_kit.ids import new_id

ID = new_id()


def news(event, cursor, name, **fields):
    return cluster_pb2.WatchClustersResponse(event=event, cursor=cursor, cluster={"name": name, "id": ID, **fields})


async def test_a_watch_prints_each_event_on_a_line(cloudly):
    async def clusters(_):
        yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "", "east")
        yield cluster_pb2.WatchClustersResponse(event=watch_pb2.WATCH_EVENT_BOOKMARK, cursor="c1")
        yield news(watch_pb2.WATCH_EVENT_CHANGED, "c2", "east", node_count=2)

    cloudly.services.answers["WatchClusters"] = clusters
    lines = (await cloudly("cluster", "list", "--watch")).stdout.splitlines()
    assert lines[0].split()[:3] == ["TIME", "EVENT", "ID"]
    assert [line.split()[1] for line in lines[1:]] == ["snapshot", "changed"]
    lines = (await cloudly("cluster", "watch", "-o", "json")).stdout.splitlines()
    assert json.loads(lines[1])["cluster"]["nodeCount"] == 2


async def test_a_watch_of_one_resource_shows_that_one_alone(cloudly):
    async def clusters(_):
        yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "", "east")
        yield cluster_pb2.WatchClustersResponse(
            event=watch_pb2.WATCH_EVENT_SNAPSHOT, cluster={"name": "west", "id": new_id()}
        )

    cloudly.services.answers["WatchClusters"] = clusters
    output = (await cloudly("cluster", "get", ID, "--watch")).stdout
    assert "east" in output
    assert "west" not in output


async def test_a_watch_goes_on_where_it_was_cut_off(cloudly):
    cursors = []

    async def clusters(request):
        cursors.append(request.cursor)
        if len(cursors) == 1:
            yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "c1", "east")
            raise Unavailable("clusters")
        if len(cursors) == 2:
            raise CursorLost
        yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "c2", "west")

    cloudly.services.answers["WatchClusters"] = clusters
    output = (await cloudly("cluster", "watch")).stdout
    assert cursors == ["", "c1", ""]
    assert "east" in output
    assert "west" in output


async def test_a_watch_goes_on_with_a_new_token_when_its_own_has_ended(cloudly):
    cursors = []

    async def clusters(request):
        cursors.append(request.cursor)
        if len(cursors) == 1:
            yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "c1", "east")
            raise TokenExpired
        if len(cursors) == 2:
            raise TokenExpired  # it was used up to its last second: now the session is renewed
        yield news(watch_pb2.WATCH_EVENT_CHANGED, "c2", "west")

    await cloudly.login("admin")
    cloudly.services.answers["WatchClusters"] = clusters
    output = (await cloudly("cluster", "watch")).stdout
    assert cursors == ["", "c1", "c1"]
    assert cloudly.refreshes == 1
    assert "west" in output


async def test_a_watch_with_a_machine_s_secret_exchanges_it_again(cloudly):
    cursors = []

    async def clusters(request):
        cursors.append(request.cursor)
        if len(cursors) == 1:
            yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "c1", "east")
            raise TokenExpired
        if len(cursors) == 2:
            raise TokenExpired
        yield news(watch_pb2.WATCH_EVENT_CHANGED, "c2", "west")

    token = cloudly.gateway.harness.authority.issue("admin", name="robot", type="machine")
    cloudly.services.answers |= {
        "WatchClusters": clusters, "ExchangeToken": auth_pb2.ExchangeTokenResponse(access_token=token),
    }  # fmt: skip
    given = {"CLOUDLY_URL": cloudly.gateway.url, "CLOUDLY_TOKEN": "jc_secret"}
    assert "west" in (await cloudly("cluster", "watch", **given)).stdout
    assert cursors == ["", "c1", "c1"]
    assert cloudly.services.names().count("ExchangeToken") == 2


async def test_an_execution_is_watched_to_its_end(cloudly):
    async def execution(_):
        yield execution_pb2.WatchExecutionResponse(log_line={"text": "half done"})
        yield execution_pb2.WatchExecutionResponse(
            execution={"id": "tasks-1", "state": execution_pb2.EXECUTION_STATE_SUCCEEDED}
        )

    cloudly.services.answers["WatchExecution"] = execution
    output = (await cloudly("execution", "watch", "tasks-1")).stdout
    assert "half done" in output
    assert "succeeded" in output
    assert cloudly.services.last("WatchExecution").execution_id == "tasks-1"


async def test_a_refused_watch_is_a_refusal(cloudly):
    await cloudly.login("cluster")
    await cloudly("cluster", "watch", code=3)


def test_events_are_read_as_html_says():
    lines = ["retry: 5", "", ": comment", "event: changed", "id: c1", 'data: {"a": 1}', "", "data:{}", ""]
    found = list(parse(lines))
    assert [(event.name, event.data, event.cursor) for event in found] == [
        ("changed", {"a": 1}, "c1"),
        ("message", {}, ""),
    ]
