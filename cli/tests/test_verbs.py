"""Verbs from the contract, through the gateway."""

import json

import pytest
import yaml
from cloudly.auth.v1 import access_pb2, user_pb2
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly.executions.v1 import execution_pb2
from cloudly.registry.v1 import image_pb2
from cloudly.tasks.v1 import task_pb2
from cloudly_cli import contract
from cloudly_cli.flags import flags_of
from cloudly_cli.nouns import command
from cloudly_kit.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, StaleEtag
from cloudly_kit.ids import new_id

ID, OTHER = new_id(), new_id()
VERBS = [verb for verbs in contract.load().verbs.values() for verb in verbs.values()]


def raising(error):
    def answer(_):
        raise error

    return answer


def listing(*clusters):
    """A server whose list knows names, by filter too."""

    def answer(request):
        wanted = request.filter.removeprefix('name = "').removesuffix('"') if request.filter else None
        found = [cluster for cluster in clusters if wanted in (None, cluster["name"])]
        return cluster_pb2.ListClustersResponse(clusters=found)

    return answer


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb.noun} {verb.name}")
def test_every_verb_of_the_contract_is_a_command_with_help(verb):
    from click.testing import CliRunner

    result = CliRunner().invoke(command(verb), ["--help"])
    assert result.exit_code == 0
    assert "--output" in result.output
    assert len({flag.parameter for flag in flags_of(verb)}) == len(flags_of(verb))


async def test_a_list_is_a_table_or_json_or_yaml(cloudly):
    cloudly.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(
        clusters=[{"id": ID, "name": "east", "agent_state": cluster_pb2.AGENT_STATE_ONLINE, "node_count": 3}]
    )
    table = (await cloudly("cluster", "list")).stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "AGENT", "STATE", "NODE", "COUNT", "REVISION", "APPLIED", "REVISION"]
    assert table[1].split() == [ID, "east", "online", "3", "0", "0"]
    assert (await cloudly.json("cluster", "list"))[0]["name"] == "east"
    assert yaml.safe_load((await cloudly("cluster", "list", "-o", "yaml")).stdout)[0]["nodeCount"] == 3


async def test_a_list_is_whole_or_as_long_as_wanted(cloudly):
    def page(request):
        first = int(request.page_token or 0)
        last = min(first + request.page_size, 450)
        names = [{"id": new_id(), "name": f"c{number}"} for number in range(first, last)]
        return cluster_pb2.ListClustersResponse(clusters=names, next_page_token=str(last) if last < 450 else "")

    cloudly.services.answers["ListClusters"] = page
    assert len(await cloudly.json("cluster", "list")) == 450
    assert len(await cloudly.json("cluster", "list", "--limit", 210)) == 210
    await cloudly("cluster", "list", "--filter", 'agent_state = "ONLINE"', "--order-by", "name desc")
    asked = cloudly.services.last("ListClusters")
    assert (asked.filter, asked.order_by) == ('agent_state = "ONLINE"', "name desc")


async def test_creating_a_cluster_tells_the_jump_code_and_how_to_start_the_agent(cloudly):
    cloudly.services.answers["CreateCluster"] = cluster_pb2.CreateClusterResponse(
        cluster={"id": ID, "name": "east"}, jump_code="jc_1"
    )
    output = (await cloudly("cluster", "create", "east", "--setup-mode", "hetzner")).stdout
    assert f"CLOUDLY_URL={cloudly.gateway.url} JUMPCODE=jc_1 coreflow" in output
    asked = cloudly.services.last("CreateCluster")
    assert (asked.cluster.name, asked.cluster.setup_mode) == ("east", cluster_pb2.SETUP_MODE_HETZNER)
    assert len(asked.request_id) == 32
    cloudly.services.answers["CreateCluster"] = cluster_pb2.CreateClusterResponse(cluster={"id": ID, "name": "east"})
    assert "not told again" in (await cloudly("cluster", "create", "east")).stdout


async def test_names_stand_for_ids(cloudly):
    cloudly.services.answers["ListClusters"] = listing({"id": ID, "name": "east"}, {"id": OTHER, "name": "west"})
    await cloudly("cluster", "get", "west")
    assert cloudly.services.last("GetCluster").cluster_id == OTHER
    await cloudly("cluster", "get", ID)
    assert cloudly.services.last("GetCluster").cluster_id == ID
    await cloudly("workload", "create", "web", "--cluster", "east")
    assert cloudly.services.last("CreateWorkload").workload.cluster_id == ID
    await cloudly("workload", "list", "--cluster", "west")
    assert cloudly.services.last("ListWorkloads").cluster_id == OTHER


async def test_an_unknown_or_ambiguous_name_is_said_to_be_so(cloudly):
    cloudly.services.answers["ListClusters"] = listing({"id": ID, "name": "east"}, {"id": OTHER, "name": "east"})
    unknown = await cloudly("cluster", "get", "north", code=4)
    assert "no cluster named 'north'" in unknown.stderr
    ambiguous = await cloudly("cluster", "get", "east", code=1)
    assert ID in ambiguous.stderr
    assert OTHER in ambiguous.stderr


async def test_a_list_that_knows_no_filter_by_name_is_looked_through(cloudly):
    def answer(request):
        if request.filter:
            raise InvalidArgument.of(("filter", "name cannot be filtered"))
        return cluster_pb2.ListClustersResponse(clusters=[{"id": ID, "name": "east"}])

    cloudly.services.answers["ListClusters"] = answer
    await cloudly("cluster", "get", "east")
    assert cloudly.services.last("GetCluster").cluster_id == ID


async def test_flags_of_every_kind_arrive(cloudly):
    cloudly.services.answers["CreateWorkload"] = lambda request: workload_pb2.CreateWorkloadResponse(
        workload={"id": ID, "name": request.workload.name, "registry_target": "localhost:8080/workloads/web-abc"}
    )
    output = await cloudly(
        "workload", "create", "web", "--cluster", ID, "--environment", "A=1", "--environment", "B=x=y", "--label", "t=1",
        "--domain", "shop.example.com", "--domain", "name=api.example.com,port=8080", "--replicas", 3,
        "--health-check.command", "true", "--health-check.interval-seconds", 5, "--resources.cpu-limit", 0.5,
        "--no-deploy-on-push", "--mode", "GLOBAL", "--published-port", "container-port=80,hostPort=8080",
    )  # fmt: skip
    wish = cloudly.services.last("CreateWorkload").workload
    assert dict(wish.environment) == {"A": "1", "B": "x=y"}
    assert [(domain.name, domain.port) for domain in wish.domains] == [
        ("shop.example.com", 0),
        ("api.example.com", 8080),
    ]
    assert (wish.replicas, wish.mode, wish.deploy_on_push) == (3, workload_pb2.WORKLOAD_MODE_GLOBAL, False)
    assert (list(wish.health_check.command), wish.health_check.interval_seconds) == (["true"], 5)
    assert wish.resources.cpu_limit == 0.5
    assert (wish.published_ports[0].container_port, wish.published_ports[0].host_port) == (80, 8080)
    assert "docker push localhost:8080/workloads/web-abc:latest" in output.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--environment", "A"],
        ["--replicas", "many"],
        ["--mode", "sometimes"],
        ["--domain", "nothing=1"],
        ["--published-port", "containerPort=x"],
        ["--nothing"],
        ["--json", "{"],
        ["--json", "[]"],
        ["--file", "/nowhere.yaml"],
    ],
)
async def test_a_wrong_flag_is_wrong_usage_and_nothing_is_sent(cloudly, arguments):
    await cloudly("workload", "create", "web", "--cluster", ID, *arguments, code=2)
    assert "CreateWorkload" not in cloudly.services.names()


async def test_a_resource_can_come_from_a_file_and_flags_win_over_it(cloudly, tmp_path):
    file = tmp_path / "web.yaml"
    file.write_text(yaml.safe_dump({"clusterId": ID, "replicas": 2, "environment": {"A": "1"}, "webPort": 80}))
    await cloudly("workload", "create", "web", "-f", file, "--json", '{"webPort": 81}', "--replicas", 3)
    wish = cloudly.services.last("CreateWorkload").workload
    assert (wish.name, wish.cluster_id, wish.replicas, wish.web_port) == ("web", ID, 3, 81)
    await cloudly("workload", "create", "web2", "-f", "-", input=json.dumps({"clusterId": ID}))
    assert cloudly.services.last("CreateWorkload").workload.name == "web2"


async def test_an_update_changes_what_is_named(cloudly):
    await cloudly("workload", "update", ID, "--replicas", 5, "--unset", "description", "--etag", "e1")
    asked = cloudly.services.last("UpdateWorkload")
    assert sorted(asked.update_mask.paths) == ["description", "replicas"]
    assert (asked.workload.id, asked.workload.replicas, asked.workload.etag) == (ID, 5, "e1")
    assert "GetWorkload" not in cloudly.services.names()


async def test_an_update_of_one_entry_of_a_map_keeps_the_others(cloudly):
    known = workload_pb2.Workload(id=ID, etag="e7", environment={"A": "1", "B": "2"}, resources={"cpu_limit": 2})
    cloudly.services.answers["GetWorkload"] = workload_pb2.GetWorkloadResponse(workload=known)
    await cloudly("workload", "update", ID, "--environment", "B=3", "--resources.memory-limit-bytes", 5)
    asked = cloudly.services.last("UpdateWorkload")
    assert dict(asked.workload.environment) == {"A": "1", "B": "3"}
    assert (asked.workload.resources.cpu_limit, asked.workload.resources.memory_limit_bytes) == (2, 5)
    assert sorted(asked.update_mask.paths) == ["environment", "resources"]
    assert asked.workload.etag == "e7"


async def test_such_an_update_is_tried_anew_when_somebody_else_was_faster(cloudly):
    tries = []

    def update(request):
        tries.append(request.workload.etag)
        if len(tries) < 3:
            raise StaleEtag("workload", ID, "x")
        return workload_pb2.UpdateWorkloadResponse(workload=request.workload)

    cloudly.services.answers["GetWorkload"] = lambda _: workload_pb2.GetWorkloadResponse(
        workload={"id": ID, "etag": f"e{len(tries)}"}
    )
    cloudly.services.answers["UpdateWorkload"] = update
    await cloudly("workload", "update", ID, "--environment", "A=1")
    assert tries == ["e0", "e1", "e2"]


async def test_a_delete_asks_first(cloudly):
    await cloudly("cluster", "delete", ID, input="n\n", code=1)
    assert "DeleteCluster" not in cloudly.services.names()
    await cloudly("cluster", "delete", ID, input="y\n")
    await cloudly("cluster", "delete", ID, "--yes", "--force", "--etag", "e1")
    asked = cloudly.services.last("DeleteCluster")
    assert (asked.cluster_id, asked.force, asked.etag) == (ID, True, "e1")


async def test_service_is_another_word_for_workload(cloudly):
    await cloudly("service", "list")
    assert cloudly.services.names()[-1] == "ListWorkloads"


async def test_a_list_below_a_resource_is_found_by_its_name(cloudly):
    cloudly.services.answers["ListWorkloads"] = workload_pb2.ListWorkloadsResponse(
        workloads=[{"id": ID, "name": "web"}]
    )
    cloudly.services.answers["ListWorkloadVersions"] = workload_pb2.ListWorkloadVersionsResponse(
        versions=[{"generation": 3, "cause": "updated", "workload": {"image_tag": "v3", "replicas": 2}}]
    )
    lines = (await cloudly("workload", "versions", "web")).stdout.splitlines()
    assert lines[1].split() == ["3", "-", "updated", "v3", "-", "2"]
    assert cloudly.services.last("ListWorkloadVersions").workload_id == ID


async def test_a_user_is_made_with_a_password_that_no_history_keeps(cloudly):
    cloudly.services.answers["CreateUser"] = lambda request: user_pb2.CreateUserResponse(user=request.user)
    await cloudly("user", "create", "eve", "--role", "viewer", "--role", "api", "--password", "-", input="hunter3\n")
    wish = cloudly.services.last("CreateUser").user
    assert (wish.name, list(wish.roles), wish.password) == ("eve", ["viewer", "api"], "hunter3")


async def test_a_task_is_run_with_parameters(cloudly):
    cloudly.services.answers["RunTask"] = task_pb2.RunTaskResponse(
        execution={"id": "tasks-1", "task": "cleanup", "state": execution_pb2.EXECUTION_STATE_QUEUED}
    )
    lines = (await cloudly("task", "run", "cleanup", "--parameters", '{"days": 3}')).stdout.splitlines()
    assert lines[1].split()[:3] == ["tasks-1", "cleanup", "queued"]
    assert cloudly.services.last("RunTask").parameters["days"] == 3


async def test_sizes_and_times_are_told_as_people_say_them(cloudly):
    image = {"id": ID, "name": "app", "size_bytes": 5 * 1024 * 1024}
    cloudly.services.answers["ListImages"] = image_pb2.ListImagesResponse(images=[image])
    assert "5.0 MiB" in (await cloudly("image", "list")).stdout
    assert "\x1b" not in (await cloudly("image", "list")).stdout


async def test_control_characters_in_answers_do_not_steer_the_terminal(cloudly):
    cloudly.services.answers["ListImages"] = image_pb2.ListImagesResponse(images=[{"id": ID, "name": "a\x1b[31mb"}])
    assert "\x1b" not in (await cloudly("image", "list")).stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("cluster", ID), 4),
        (AlreadyExists("cluster", "east"), 5),
        (StaleEtag("cluster", ID, "x"), 5),
        (PermissionDenied("clusters.write"), 3),
        (InvalidArgument.of(("cluster.name", "is bad")), 1),
    ],
)
async def test_a_refusal_has_its_exit_code_and_says_what_to_do(cloudly, error, code):
    cloudly.services.answers["UpdateCluster"] = raising(error)
    result = await cloudly("cluster", "update", ID, "--name", "west", code=code)
    assert error.info.action in result.stderr
    assert result.stdout == ""


async def test_violations_are_told_by_field(cloudly):
    result = await cloudly("workload", "create", "Bad Name", "--cluster", ID, "--web-port", 70000, code=1)
    assert "  workload.name: must be" in result.stderr
    assert "  workload.webPort: must be at most 65535" in result.stderr


async def test_a_server_that_is_away_is_said_to_be_so(cloudly):
    result = await cloudly("cluster", "list", code=1, CLOUDLY_URL="http://127.0.0.1:1", CLOUDLY_TOKEN="a.b.c")
    assert "does not answer at http://127.0.0.1:1" in result.stderr


async def test_an_unknown_noun_or_verb_is_wrong_usage(cloudly):
    await cloudly("coffee", "list", code=2)
    await cloudly("cluster", "make", code=2)
    await cloudly("cluster", "get", code=2)


async def test_whether_one_may_is_the_exit_code_and_without_a_permission_all_are_listed(cloudly):
    allowed = {"clusters.read": True, "users.write": False}

    def test(request):
        asked = [request.permission] if request.permission else allowed
        return access_pb2.TestPermissionsResponse(
            results=[access_pb2.PermissionResult(permission=one, allowed=allowed[one]) for one in asked]
        )

    cloudly.services.answers["TestPermissions"] = test
    assert "yes" in (await cloudly("auth", "can-i", "clusters.read")).stdout
    assert "no" in (await cloudly("auth", "can-i", "users.write", code=1)).stdout
    assert len((await cloudly("auth", "can-i")).stdout.splitlines()) == 3
