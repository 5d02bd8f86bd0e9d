"""The legacy API on the wire, as contract/wire.md tells it: envelopes over HTTP and WebSocket."""

import asyncio
import json

import pytest
import websockets
from cloudly.auth.v1 import auth_pb2, setting_pb2
from cloudly.baseos.v1 import node_pb2 as baseos_pb2
from cloudly.clusters.v1 import cluster_pb2, deployment_pb2, node_pb2, workload_pb2
from cloudly.executions.v1 import execution_pb2
from cloudly.registry.v1 import external_registry_pb2, image_pb2
from cloudly.tasks.v1 import task_pb2
from cloudly_gateway.typedrequest import binary
from cloudly_gateway.typedrequest.adapters import ADAPTERS
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_kit import contract
from cloudly_kit.errors import CredentialsInvalid, InvalidArgument
from cloudly_kit.ids import new_id
from google.protobuf.timestamp_pb2 import Timestamp

ID = new_id()
CORRELATION = {"id": "uni_00112233445566778899aabb", "phase": "request"}


def envelope(method, request, **more):
    return {"method": method, "request": request, "response": None, "correlation": CORRELATION, **more}


def identity(gateway, *roles):
    return {
        "name": "ada",
        "userId": "u",
        "type": "human",
        "role": "admin",
        "jwt": gateway.harness.authority.issue(*roles),
    }


async def call(gateway, method, *roles, **request):
    """The whole answer to a call of somebody with these roles."""
    if roles:
        request["identity"] = identity(gateway, *roles)
    response = await gateway.client.post("/typedrequest", json=envelope(method, request))
    assert response.status_code == 200
    return response.json()


def test_every_name_of_the_contract_has_an_adapter_and_no_adapter_has_none():
    names = {name for method in contract.methods().values() for name in method.rules.typed_request}
    assert names == set(ADAPTERS)


async def test_an_answer_is_the_request_s_envelope_without_its_secrets(gateway):
    gateway.services.answers["GetCluster"] = cluster_pb2.GetClusterResponse(cluster={"id": ID, "name": "east"})
    answer = await call(gateway, "getClusterById", "admin", clusterId=ID)
    assert answer["correlation"] == {"id": CORRELATION["id"], "phase": "response"}
    assert answer["localData"] is None
    assert answer["method"] == "getClusterById"
    assert answer["request"] == {"clusterId": ID}
    assert "error" not in answer
    assert "retry" not in answer
    assert answer["response"]["cluster"]["data"]["name"] == "east"


async def test_a_login_is_for_legacy_clients_and_gives_an_identity(gateway):
    gateway.services.answers["Login"] = auth_pb2.LoginResponse(
        identity=auth_pb2.Identity(
            id="u1",
            name="admin",
            type=auth_pb2.IDENTITY_TYPE_HUMAN,
            roles=["admin"],
            expire_time=Timestamp(seconds=1790000000),
        ),
        access_token="a.b.c",
    )
    answer = await call(gateway, "adminLoginWithUsernameAndPassword", username="admin", password="hunter2")
    assert answer["response"]["identity"] == {
        "name": "admin", "userId": "u1", "type": "human", "role": "admin", "expiresAt": 1790000000000, "jwt": "a.b.c",
    }  # fmt: skip
    assert answer["request"] == {"username": "admin"}
    assert gateway.services.last("Login").audience == "cloudly-legacy"


async def test_a_machine_trades_its_token_for_an_identity(gateway):
    gateway.services.answers["ExchangeToken"] = auth_pb2.ExchangeTokenResponse(
        identity=auth_pb2.Identity(id="m1", type=auth_pb2.IDENTITY_TYPE_MACHINE, roles=["cluster"]),
        access_token="a.b.c",
    )
    answer = await call(gateway, "getIdentityByToken", token="jc_secret")
    assert answer["response"]["identity"]["type"] == "machine"
    assert answer["response"]["identity"]["role"] == "cluster"
    assert "jc_secret" not in json.dumps(answer)
    assert gateway.services.last("ExchangeToken").audience == "cloudly-legacy"


async def test_an_error_of_the_application_is_http_200_with_an_error(gateway):
    def refuse(_):
        raise CredentialsInvalid

    gateway.services.answers["Login"] = refuse
    answer = await call(gateway, "adminLoginWithUsernameAndPassword", username="a", password="b")
    assert answer["response"] is None
    assert answer["error"]["text"]
    assert answer["error"]["data"]["reason"] == "CREDENTIALS_INVALID"


async def test_what_nobody_foresaw_is_an_error_too(gateway):
    def fail(_):
        raise KeyError("hunter2")

    gateway.services.answers["ListClusters"] = fail
    answer = await call(gateway, "getClusters", "admin")
    assert answer["error"]["data"]["reason"] == "INTERNAL"
    assert "hunter2" not in json.dumps(answer)


async def test_the_signed_token_decides_and_not_the_role_beside_it(gateway):
    answer = await call(gateway, "createCluster", "viewer", clusterName="east")
    assert answer["error"]["data"]["reason"] == "PERMISSION_DENIED"
    nobody = await call(gateway, "getClusters")
    assert nobody["error"]["data"]["reason"] == "CREDENTIALS_MISSING"
    bearer = await gateway.client.post("/typedrequest", json=envelope("getClusters", {}), headers=gateway.admin)
    assert bearer.json()["error"]["data"]["reason"] == "CREDENTIALS_MISSING"


async def test_an_unknown_method_is_an_error_with_empty_data(gateway):
    answer = await call(gateway, "makeCoffee", beans=3)
    assert answer["response"] is None
    assert answer["error"]["data"] == {}
    assert "makeCoffee" in answer["error"]["text"]
    assert answer["request"] == {"beans": 3}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"request":{}}', b'{"method":5}', b"\xff\xfe"])
async def test_what_is_no_envelope_is_400(gateway, body):
    response = await gateway.client.post("/typedrequest", content=body)
    assert (response.status_code, response.json()) == (400, {"error": "Invalid request"})


async def test_an_envelope_without_correlation_is_answered_over_http(gateway):
    response = await gateway.client.post("/typedrequest", json={"method": "getTasks", "request": {}})
    assert "correlation" not in response.json()
    assert response.json()["error"]["data"]["reason"] == "CREDENTIALS_MISSING"


@pytest.mark.parametrize("request_", [None, [], "x", 5, {"identity": 5}, {"identity": {"jwt": 5}}])
async def test_arguments_of_a_wrong_shape_are_an_error(gateway, request_):
    response = await gateway.client.post("/typedrequest", json=envelope("getClusterById", request_))
    assert response.status_code == 200
    assert response.json()["error"]["data"]["reason"] in {"INVALID_ARGUMENT", "CREDENTIALS_MISSING"}


async def test_clients_may_look_whether_it_is_there(gateway):
    assert (await gateway.client.head("/typedrequest")).status_code == 200
    assert (await gateway.client.get("/typedrequest")).status_code == 405


async def test_an_empty_response_is_an_empty_object(gateway):
    assert (await call(gateway, "deleteImage", "admin", imageId=ID))["response"] == {}


async def test_deletes_answer_both_words(gateway):
    for method, field in (("deleteClusterById", "clusterId"), ("deleteServiceById", "serviceId")):
        assert (await call(gateway, method, "admin", **{field: ID}))["response"] == {"ok": True, "success": True}


async def test_a_list_is_whole_whatever_its_length(gateway):
    def page(request):
        first = int(request.page_token or 0)
        names = [{"id": new_id(), "name": f"c{number}"} for number in range(first, min(first + 200, 450))]
        following = str(first + 200) if first + 200 < 450 else ""
        return cluster_pb2.ListClustersResponse(clusters=names, next_page_token=following)

    gateway.services.answers["ListClusters"] = page
    answer = await call(gateway, "getClusters", "admin")
    assert len(answer["response"]["clusters"]) == 450


async def test_clusters_come_with_their_nodes(gateway):
    gateway.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(clusters=[{"id": ID, "name": "east"}])
    gateway.services.answers["ListNodes"] = node_pb2.ListNodesResponse(
        nodes=[{"id": "n1", "cluster_id": ID, "role": "manager", "state": "ready"}, {"id": "n2", "cluster_id": "other"}]
    )
    cluster = (await call(gateway, "getClusters", "admin"))["response"]["clusters"][0]
    assert [(node["id"], node["data"]["status"], node["data"]["role"]) for node in cluster["data"]["nodes"]] == [
        ("n1", "online", "master")
    ]


async def test_a_cluster_is_made_and_its_jump_code_told(gateway):
    gateway.services.answers["CreateCluster"] = cluster_pb2.CreateClusterResponse(
        cluster={"id": ID, "name": "east", "setup_mode": cluster_pb2.SETUP_MODE_HETZNER}, jump_code="jc_1"
    )
    answer = await call(gateway, "createCluster", "admin", clusterName="east", setupMode="hetzner")
    assert answer["response"]["jumpCode"] == "jc_1"
    assert answer["response"]["cluster"]["data"]["setupMode"] == "hetzner"
    assert gateway.services.last("CreateCluster").cluster.setup_mode == cluster_pb2.SETUP_MODE_HETZNER


@pytest.mark.parametrize("data", [{"userId": "m2", "name": "new"}, {"name": "west"}])
async def test_an_update_finds_its_cluster_by_machine_user_or_name(gateway, data):
    gateway.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(
        clusters=[
            {"id": new_id(), "name": "east", "identity_id": "m1"},
            {"id": ID, "name": "west", "identity_id": "m2"},
        ]
    )
    gateway.services.answers["UpdateCluster"] = lambda request: cluster_pb2.UpdateClusterResponse(
        cluster=request.cluster
    )
    answer = (await call(gateway, "updateCluster", "admin", clusterData=data))["response"]
    assert answer["cluster"] == answer["resultCluster"]
    assert (answer["cluster"]["id"], answer["cluster"]["data"]["name"]) == (ID, data["name"])


async def test_a_service_goes_to_the_only_cluster(gateway):
    gateway.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(clusters=[{"id": ID, "name": "east"}])
    gateway.services.answers["CreateWorkload"] = lambda request: workload_pb2.CreateWorkloadResponse(
        workload=request.workload
    )
    data = {"name": "web", "environment": {"A": "1"}, "scaleFactor": 2, "ports": {"web": 80}}
    service = (await call(gateway, "createService", "admin", serviceData=data))["response"]["service"]
    assert (service["data"]["clusterId"], service["data"]["scaleFactor"], service["data"]["ports"]) == (
        ID,
        2,
        {"web": 80},
    )
    several = cluster_pb2.ListClustersResponse(clusters=[{"id": ID}, {"id": new_id()}])
    gateway.services.answers["ListClusters"] = several
    refused = await call(gateway, "createService", "admin", serviceData=data)
    assert refused["error"]["data"]["violations"][0]["field"] == "serviceData.clusterId"


async def test_what_cannot_be_done_is_refused_and_not_left_out(gateway):
    for data, field in [
        ({"secretBundleId": "b"}, "secretBundleId"),
        ({"additionalSecretBundleIds": ["b"]}, "additionalSecretBundleIds"),
        ({"resources": {"volumeMounts": [{"hostFsPath": "/a", "containerFsPath": "/b"}]}}, "resources.volumeMounts"),
        ({"domains": [{"name": "a.example", "protocol": "ssh"}]}, "domains[0].protocol"),
        ({"scaleFactor": True}, "scaleFactor"),
    ]:
        answer = await call(gateway, "createService", "admin", serviceData={"name": "web", "clusterId": ID, **data})
        assert answer["error"]["data"]["violations"][0]["field"] == f"serviceData.{field}"
    assert "CreateWorkload" not in gateway.services.names()


async def test_a_record_sent_back_changes_only_what_is_different(gateway):
    known = workload_pb2.Workload(id=ID, name="web", cluster_id=ID, image_tag="v3", environment={"A": "1"})
    known.labels["team"] = "x"
    gateway.services.answers["GetWorkload"] = workload_pb2.GetWorkloadResponse(workload=known)
    gateway.services.answers["UpdateWorkload"] = lambda request: workload_pb2.UpdateWorkloadResponse(
        workload=request.workload
    )
    data = (await call(gateway, "getServiceById", "admin", serviceId=ID))["response"]["service"]["data"]
    await call(gateway, "updateService", "admin", serviceId=ID, serviceData=data)
    assert "UpdateWorkload" not in gateway.services.names()
    await call(gateway, "updateService", "admin", serviceId=ID, serviceData={**data, "environment": {"A": "2"}})
    asked = gateway.services.last("UpdateWorkload")
    assert list(asked.update_mask.paths) == ["environment"]
    await call(gateway, "updateService", "admin", serviceId=ID, serviceData={**data, "imageId": "i1"})
    asked = gateway.services.last("UpdateWorkload")
    assert list(asked.update_mask.paths) == ["labels"]
    assert dict(asked.workload.labels)["team"] == "x"


async def test_a_service_tells_where_to_push(gateway):
    known = workload_pb2.Workload(id=ID, name="web", registry_target="localhost:8080/workloads/web-abc")
    gateway.services.answers["GetWorkload"] = workload_pb2.GetWorkloadResponse(workload=known)
    answer = await call(gateway, "getServiceRegistryTarget", "admin", serviceId=ID, tag="v1")
    assert answer["response"]["registryTarget"] == {
        "host": "localhost:8080", "repository": "workloads/web-abc", "tag": "v1",
        "imageUrl": "localhost:8080/workloads/web-abc:v1",
    }  # fmt: skip


async def test_services_come_with_the_ids_of_their_deployments(gateway):
    gateway.services.answers["ListWorkloads"] = workload_pb2.ListWorkloadsResponse(
        workloads=[{"id": ID, "name": "web"}]
    )
    gateway.services.answers["ListDeployments"] = deployment_pb2.ListDeploymentsResponse(
        deployments=[{"id": "d1", "workload_id": ID}, {"id": "d2", "workload_id": "other"}]
    )
    services = (await call(gateway, "getServices", "admin"))["response"]["services"]
    assert services[0]["data"]["deploymentIds"] == ["d1"]


async def test_deployments_are_found_by_service_and_node(gateway):
    await call(gateway, "getDeploymentsByService", "admin", serviceId=ID)
    assert gateway.services.last("ListDeployments").workload_id == ID
    await call(gateway, "getDeploymentsByNode", "admin", nodeId="n1")
    assert gateway.services.last("ListDeployments").node_id == "n1"
    missing = await call(gateway, "getDeploymentsByNode", "admin")
    assert missing["error"]["data"]["violations"] == [{"field": "nodeId", "description": "is required"}]
    gateway.services.answers["GetDeployment"] = deployment_pb2.GetDeploymentResponse(
        deployment={"id": ID, "image": "host:5000/app:v2@sha256:abc", "state": deployment_pb2.DEPLOYMENT_STATE_RUNNING}
    )
    known = (await call(gateway, "getDeploymentById", "admin", deploymentId=ID))["response"]["deployment"]
    assert (known["version"], known["status"]) == ("v2", "running")


async def test_images_are_made_and_listed(gateway):
    image = {"id": ID, "name": "app", "versions": [{"tag": "v1", "size_bytes": 5, "push_time": {"seconds": 2}}]}
    gateway.services.answers["ListImages"] = image_pb2.ListImagesResponse(images=[image])
    gateway.services.answers["GetImage"] = image_pb2.GetImageResponse(image=image)
    gateway.services.answers["CreateImage"] = lambda request: image_pb2.CreateImageResponse(image=request.image)
    listed = (await call(gateway, "getAllImages", "admin"))["response"]["images"][0]
    assert listed["data"]["versions"][0]["versionString"] == "v1"
    assert listed["data"]["versions"][0]["createdAt"] == 2000
    assert (await call(gateway, "getImage", "admin", imageId=ID))["response"]["image"] == listed
    made = (await call(gateway, "createImage", "admin", name="app", description="d"))["response"]["image"]
    assert made["data"]["description"] == "d"


async def test_external_registries_are_written_and_read_without_their_passwords(gateway):
    known = {"id": ID, "name": "hub", "url": "https://hub.test", "username": "u", "has_password": True}
    gateway.services.answers |= {
        "ListExternalRegistries": external_registry_pb2.ListExternalRegistriesResponse(external_registries=[known]),
        "GetExternalRegistry": external_registry_pb2.GetExternalRegistryResponse(external_registry=known),
        "CreateExternalRegistry": external_registry_pb2.CreateExternalRegistryResponse(external_registry=known),
        "UpdateExternalRegistry": external_registry_pb2.UpdateExternalRegistryResponse(external_registry=known),
    }
    (listed,) = (await call(gateway, "getExternalRegistries", "admin"))["response"]["registries"]
    assert listed["data"]["password"] == "********"
    assert (await call(gateway, "getExternalRegistryById", "admin", id=ID))["response"]["registry"] == listed

    data = {"type": "docker", "name": "hub", "url": "https://hub.test", "username": "u", "password": "pw-7"}
    made = await call(gateway, "createExternalRegistry", "admin", registryData=data)
    assert gateway.services.last("CreateExternalRegistry").external_registry.password == "pw-7"
    assert "pw-7" not in str(made)

    # Without an id in the contract, the name tells which one is meant; the mask that was read changes no password.
    renamed = {**listed["data"], "url": "https://other.test"}
    await call(gateway, "updateExternalRegistry", "admin", registryData=renamed)
    asked = gateway.services.last("UpdateExternalRegistry")
    assert (asked.external_registry.id, asked.external_registry.url) == (ID, "https://other.test")
    assert "password" not in asked.update_mask.paths
    await call(gateway, "updateExternalRegistry", "admin", registryId=ID, registryData={"password": "pw-8"})
    asked = gateway.services.last("UpdateExternalRegistry")
    assert (list(asked.update_mask.paths), asked.external_registry.password) == (["password"], "pw-8")

    gone = await call(gateway, "deleteExternalRegistryById", "admin", registryId=ID)
    assert (gone["response"]["ok"], gone["response"]["success"]) == (True, True)
    assert gateway.services.last("DeleteExternalRegistry").external_registry_id == ID


async def test_tasks_are_listed_started_watched_and_stopped(gateway):
    ended = {
        "id": "tasks-1",
        "task": "cleanup",
        "state": execution_pb2.EXECUTION_STATE_SUCCEEDED,
        "trigger": "schedule",
    }
    running = {"id": "tasks-2", "task": "cleanup", "state": execution_pb2.EXECUTION_STATE_RUNNING}

    async def log(_):
        yield execution_pb2.WatchExecutionResponse(execution=ended)
        yield execution_pb2.WatchExecutionResponse(log_line={"text": "done", "severity": "info"})

    gateway.services.answers |= {
        "ListTasks": task_pb2.ListTasksResponse(tasks=[{"name": "cleanup", "schedule": "0 3 * * *"}]),
        "RunTask": task_pb2.RunTaskResponse(execution=running),
        "ListExecutions": execution_pb2.ListExecutionsResponse(executions=[ended, running]),
        "GetExecution": execution_pb2.GetExecutionResponse(execution=ended),
        "WatchExecution": log,
    }
    assert (await call(gateway, "getTasks", "admin"))["response"]["tasks"][0]["schedule"] == "0 3 * * *"
    started = (await call(gateway, "triggerTask", "admin", taskName="cleanup"))["response"]["execution"]
    assert started["data"]["status"] == "running"
    wanted = {"taskName": 'clean"up', "status": "completed"}
    found = (await call(gateway, "getTaskExecutions", "admin", filter=wanted))["response"]["executions"]
    assert [item["id"] for item in found] == ["tasks-1"]
    assert gateway.services.last("ListExecutions").filter == 'task = "clean\\"up"'
    one = (await call(gateway, "getTaskExecutionById", "admin", executionId="tasks-1"))["response"]["execution"]
    assert [line["message"] for line in one["data"]["logs"]] == ["done"]
    assert (await call(gateway, "cancelTask", "admin", executionId="tasks-2"))["response"] == {"success": True}


async def test_devices_are_listed_without_their_tokens(gateway):
    gateway.services.answers["ListBaseosNodes"] = baseos_pb2.ListBaseosNodesResponse(
        nodes=[{"id": "n", "state": baseos_pb2.NODE_STATE_ONLINE, "runtime_info": {"cpu": 2}}]
    )
    node = (await call(gateway, "getBaseOsNodes", "admin"))["response"]["nodes"][0]
    assert (node["data"]["status"], node["data"]["runtimeInfo"]) == ("online", {"cpu": 2.0})
    assert "nodeToken" not in node["data"]


# --- WebSocket -------------------------------------------------------------------------------------------------------


def connect(gateway, path="/"):
    return websockets.connect(gateway.url.replace("http", "ws") + path)


async def ask(socket, method, request, correlation="uni_1"):
    await socket.send(json.dumps({**envelope(method, request), "correlation": {"id": correlation, "phase": "request"}}))


async def hear(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


@pytest.mark.parametrize("path", ["/", "/typedrequest", "/api/v1/clusters", "/any/where"])
async def test_a_socket_is_taken_at_every_path(gateway, path):
    async with connect(gateway, path) as socket:
        await ask(socket, "getTasks", {"identity": identity(gateway, "admin")})
        answer = await hear(socket)
    assert answer["correlation"] == {"id": "uni_1", "phase": "response"}
    assert answer["response"] == {"tasks": []}


async def test_answers_come_as_they_are_ready_and_callers_are_kept_apart(gateway):
    release = asyncio.Event()

    async def slow(_):
        await release.wait()
        return cluster_pb2.ListClustersResponse()

    gateway.services.answers["ListClusters"] = slow
    async with connect(gateway) as socket:
        await ask(socket, "getClusters", {"identity": identity(gateway, "admin")}, "uni_slow")
        await ask(socket, "getTasks", {}, "uni_nobody")
        await ask(socket, "getTasks", {"identity": identity(gateway, "viewer")}, "uni_fast")
        first = {(await hear(socket))["correlation"]["id"] for _ in range(2)}
        release.set()
        last = await hear(socket)
    assert first == {"uni_nobody", "uni_fast"}
    assert last["correlation"]["id"] == "uni_slow"
    assert last["response"] == {"clusters": []}


async def test_frames_that_nobody_waits_for_are_dropped_and_the_connection_lives_on(gateway):
    async with connect(gateway) as socket:
        await socket.send("not json")
        await socket.send(b"\xff\x00")
        await socket.send("[]")
        await socket.send(json.dumps({"method": "getTasks", "request": {}}))
        await socket.send(json.dumps({**envelope("getTasks", {}), "correlation": {"id": "x", "phase": "response"}}))
        await ask(socket, "makeCoffee", {}, "uni_2")
        assert (await hear(socket))["correlation"]["id"] == "uni_2"


async def test_a_binary_frame_is_text_too(gateway):
    async with connect(gateway) as socket:
        await socket.send(json.dumps(envelope("makeCoffee", {})).encode())
        assert (await hear(socket))["error"]["data"] == {}


async def test_a_connection_can_be_tagged(gateway):
    async with connect(gateway) as socket:
        await ask(socket, "__typedsocket_setTag", {"name": "identity", "payload": {"userId": "u7"}})
        answer = await hear(socket)
        assert answer["response"] == {"success": True}
        assert answer["request"] == {"name": "identity", "payload": {"userId": "u7"}}
        await ask(socket, "__typedsocket_removeTag", {"name": "identity"})
        assert (await hear(socket))["response"] == {"success": True}
        await ask(socket, "__typedsocket_setTag", {})
        assert (await hear(socket))["error"]["text"]


async def test_over_http_nothing_can_be_tagged(gateway):
    assert (await call(gateway, "__typedsocket_setTag", name="x"))["error"]["data"] == {}


async def test_many_requests_on_one_socket_are_all_answered(gateway):
    async with connect(gateway) as socket:
        for number in range(200):
            await ask(socket, "makeCoffee", {}, f"uni_{number}")
        answered = {(await hear(socket))["correlation"]["id"] for _ in range(200)}
    assert len(answered) == 200


# --- binary values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"0": 104, "1": 105},
        {"type": "Buffer", "data": [104, 105]},
        {"type": "EncodedBuffer", "data": "base64:aGk="},
        binary.write(b"hi"),
    ],
)
def test_bytes_are_read_in_all_three_forms(value):
    assert Fields({"data": value}).data("data") == b"hi"


@pytest.mark.parametrize(
    "value", ["aGk=", [1], {"0": 1, "2": 2}, {"0": 300}, {"0": True}, {"type": "Buffer", "data": "x"},
              {"type": "EncodedBuffer", "data": "base64:!"}],
)  # fmt: skip
def test_what_is_no_bytes_is_refused(value):
    with pytest.raises(InvalidArgument):
        Fields({"data": value}).data("data")


async def test_settings_are_masked_records_of_texts_and_new_values_are_not_written_back(gateway):
    masked = setting_pb2.Setting(key="hetznerToken", set=True, value="****WXYZ", secret=True)
    gateway.services.answers["ListSettings"] = setting_pb2.ListSettingsResponse(
        settings=[masked, setting_pb2.Setting(key="cloudflareToken")]
    )
    gateway.services.answers["GetSetting"] = setting_pb2.GetSettingResponse(setting=masked)
    answer = await call(gateway, "getSettings", "admin")
    assert answer["response"] == {"settings": {"hetznerToken": "****WXYZ"}}
    answer = await call(gateway, "getSetting", "admin", key="hetznerToken")
    assert answer["response"] == {"value": "****WXYZ"}
    answer = await call(gateway, "updateSettings", "admin", updates={"hetznerToken": "canary", "awsRegion": ""})
    assert answer["response"]["success"] is True
    assert "canary" not in json.dumps(answer)
    sent = {update.key: update.value for update in gateway.services.last("UpdateSettings").updates}
    assert sent == {"hetznerToken": "canary", "awsRegion": ""}
    answer = await call(gateway, "clearSetting", "admin", key="hetznerToken")
    assert answer["response"]["success"] is True
    assert gateway.services.last("ClearSetting").key == "hetznerToken"
    answer = await call(gateway, "updateSettings", "admin", updates={"hetznerToken": 5})
    assert answer["error"]["text"] == "updates.hetznerToken: must be a text"
