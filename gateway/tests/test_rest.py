"""The REST surface over a real connection, before services that speak the contract."""

import asyncio
import gzip

import pytest
from cloudly.auth.v1 import auth_pb2
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly_gateway.middleware.limits import MAX_BODY_BYTES
from cloudly_gateway.rest.routes import RouteTable
from cloudly_kit import contract
from cloudly_kit.errors import InvalidArgument, NotFound, RateLimited, StaleEtag, catalogue
from cloudly_kit.ids import new_id

ID = new_id()
TABLE = RouteTable(contract.methods().values())


def cluster(**fields):
    return cluster_pb2.Cluster(**{"id": ID, "name": "east", "etag": "0123456789abcdef", **fields})


def raising(error):
    def answer(_):
        raise error

    return answer


async def test_a_list_tells_its_records_with_defaults_written_out(gateway):
    gateway.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(clusters=[cluster(revision=7)])
    response = await gateway.client.get(
        "/api/v1/clusters?pageSize=3&filter=name%20%3D%20%22east%22", headers=gateway.admin
    )
    answer = response.json()
    assert response.status_code == 200
    assert answer["nextPageToken"] == ""
    assert answer["clusters"][0]["name"] == "east"
    assert answer["clusters"][0]["revision"] == "7"
    assert answer["clusters"][0]["agentState"] == "AGENT_STATE_UNSPECIFIED"
    asked = gateway.services.last("ListClusters")
    assert (asked.page_size, asked.filter) == (3, 'name = "east"')


async def test_a_resource_comes_with_its_etag_and_is_not_sent_twice(gateway):
    gateway.services.answers["GetCluster"] = cluster_pb2.GetClusterResponse(cluster=cluster())
    first = await gateway.client.get(f"/api/v1/clusters/{ID}", headers=gateway.admin)
    assert first.json()["name"] == "east"
    assert first.headers["etag"] == '"0123456789abcdef"'
    again = await gateway.client.get(
        f"/api/v1/clusters/{ID}", headers={**gateway.admin, "if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_a_create_answers_201_with_its_location_and_takes_the_idempotency_key(gateway):
    gateway.services.answers["CreateCluster"] = cluster_pb2.CreateClusterResponse(cluster=cluster(), jump_code="jc_1")
    response = await gateway.client.post(
        "/api/v1/clusters", headers={**gateway.admin, "idempotency-key": "k1"}, json={"cluster": {"name": "east"}}
    )
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/clusters/{ID}"
    assert response.json()["jumpCode"] == "jc_1"
    assert gateway.services.last("CreateCluster").request_id == "k1"


async def test_a_body_can_be_the_resource_itself(gateway):
    gateway.services.answers["CreateWorkload"] = workload_pb2.CreateWorkloadResponse(
        workload=workload_pb2.Workload(id=ID, name="web", etag="e")
    )
    body = {"name": "web", "clusterId": ID, "environment": {"A": "1"}, "replicas": 2}
    response = await gateway.client.post("/api/v1/workloads", headers=gateway.admin, json=body)
    assert (response.status_code, response.json()["id"]) == (201, ID)
    asked = gateway.services.last("CreateWorkload").workload
    assert (asked.name, dict(asked.environment), asked.replicas) == ("web", {"A": "1"}, 2)


async def test_a_patch_changes_what_its_body_names_and_nothing_else(gateway):
    body = {"id": ID, "etag": "x", "createTime": "2027-01-01T00:00:00Z", "description": "new", "resources": None}
    response = await gateway.client.patch(f"/api/v1/workloads/{ID}", headers=gateway.admin, json=body)
    assert response.status_code == 200
    asked = gateway.services.last("UpdateWorkload")
    assert sorted(asked.update_mask.paths) == ["description", "resources"]
    assert (asked.workload.id, asked.workload.etag, asked.workload.description) == (ID, "x", "new")


async def test_a_patch_may_bring_its_own_mask(gateway):
    path = f"/api/v1/workloads/{ID}?updateMask=webPort,resources.cpuLimit"
    response = await gateway.client.patch(path, headers=gateway.admin, json={"webPort": 80})
    assert response.status_code == 200
    assert list(gateway.services.last("UpdateWorkload").update_mask.paths) == ["web_port", "resources.cpu_limit"]


async def test_if_match_is_the_etag_of_the_resource_or_of_the_request(gateway):
    headers = {**gateway.admin, "if-match": '"abc"'}
    await gateway.client.patch(f"/api/v1/workloads/{ID}", headers=headers, json={"description": "x"})
    assert gateway.services.last("UpdateWorkload").workload.etag == "abc"
    await gateway.client.delete(f"/api/v1/workloads/{ID}", headers=headers)
    assert gateway.services.last("DeleteWorkload").etag == "abc"
    anything = {**gateway.admin, "if-match": "*"}
    await gateway.client.delete(f"/api/v1/workloads/{ID}", headers=anything)
    assert gateway.services.last("DeleteWorkload").etag == ""


async def test_if_match_is_the_etag_of_the_only_one_of_its_kind(gateway):
    headers = {**gateway.admin, "if-match": '"abc"'}
    response = await gateway.client.patch("/api/v1/auth/factor-policy", headers=headers, json={"requiredForAll": True})
    assert response.status_code == 200
    assert gateway.services.last("UpdateFactorPolicy").policy.etag == "abc"


async def test_a_condition_that_a_call_cannot_keep_is_refused(gateway):
    headers = {**gateway.admin, "if-match": '"abc"'}
    response = await gateway.client.post(f"/api/v1/clusters/{ID}/rotate-jump-code", headers=headers, json={})
    assert response.status_code == 400
    assert response.json()["violations"][0]["field"] == "If-Match"
    assert gateway.services.names().count("RotateJumpCode") == 0


async def test_a_weak_or_listed_etag_matches_nothing(gateway):
    for tag in ('W/"abc"', '"abc", "def"'):
        await gateway.client.delete(f"/api/v1/workloads/{ID}", headers={**gateway.admin, "if-match": tag})
        assert gateway.services.last("DeleteWorkload").etag == tag


async def test_the_path_and_the_body_may_not_name_two_resources(gateway):
    response = await gateway.client.patch(
        f"/api/v1/workloads/{ID}", headers=gateway.admin, json={"id": new_id(), "description": "x"}
    )
    assert [v["field"] for v in response.json()["violations"]] == ["workload.id"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pageSize=x", "pageSize"),
        ("pageSize=-1", "pageSize"),
        ("pageSize=1&pageSize=2", "pageSize"),
        ("nothing=1", "nothing"),
        ("filter=%FF", "query"),
    ],
)
async def test_a_wrong_query_is_named(gateway, query, field):
    response = await gateway.client.get(f"/api/v1/clusters?{query}", headers=gateway.admin)
    assert response.status_code == 400
    assert response.json()["violations"][0]["field"] == field


async def test_a_body_that_is_no_json_is_a_problem(gateway):
    response = await gateway.client.post(
        "/api/v1/clusters", headers={**gateway.admin, "content-type": "application/json"}, content=b"{"
    )
    problem = response.json()
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["reason"], problem["violations"][0]["field"]) == ("INVALID_ARGUMENT", "body")


async def test_another_media_type_is_refused(gateway):
    response = await gateway.client.post("/api/v1/auth/login", data={"username": "a", "password": "b"})
    assert response.status_code == 415
    assert response.headers["content-type"] == "application/problem+json"


async def test_violations_of_the_service_arrive_in_json_names(gateway):
    response = await gateway.client.post(
        "/api/v1/workloads", headers=gateway.admin, json={"name": "Not A Name", "webPort": 70000}
    )
    problem = response.json()
    fields = [violation["field"] for violation in problem["violations"]]
    assert fields == ["workload.name", "workload.clusterId", "workload.webPort"]
    assert problem["type"] == "/problems/invalid-argument"
    assert problem["requestId"] == response.headers["x-request-id"]
    assert problem["action"]


async def test_every_reason_of_the_catalogue_is_told_with_its_status(gateway):
    from cloudly_kit.errors import DomainError

    for cls in DomainError.__subclasses__():
        error = cls.__new__(cls)
        DomainError.__init__(error, "because", resource=("cluster", ID), metadata={"retry_after_seconds": "7"})
        gateway.services.answers["GetCluster"] = raising(error)
        response = await gateway.client.get(f"/api/v1/clusters/{ID}", headers=gateway.admin)
        problem = response.json()
        assert response.status_code == catalogue()[cls.reason].http_status
        assert (problem["reason"], problem["status"]) == (cls.reason, response.status_code)
        assert (await gateway.client.get(problem["type"])).json()["reason"] == cls.reason
        assert ("www-authenticate" in response.headers) == (response.status_code == 401)
        assert response.headers.get("retry-after") == ("7" if response.status_code in {429, 503} else None)


async def test_the_resource_of_an_error_is_named(gateway):
    gateway.services.answers["GetCluster"] = raising(NotFound("cluster", ID))
    problem = (await gateway.client.get(f"/api/v1/clusters/{ID}", headers=gateway.admin)).json()
    assert problem["resource"] == {"type": "cluster", "name": ID}
    gateway.services.answers["GetCluster"] = raising(StaleEtag("cluster", ID, "fff"))
    problem = (await gateway.client.get(f"/api/v1/clusters/{ID}", headers=gateway.admin)).json()
    assert problem["metadata"] == {"currentEtag": "fff"}


async def test_what_nobody_foresaw_is_told_as_internal_without_its_text(gateway):
    gateway.services.answers["GetCluster"] = raising(KeyError("the password is hunter2"))
    response = await gateway.client.get(f"/api/v1/clusters/{ID}", headers=gateway.admin)
    assert (response.status_code, response.json()["reason"]) == (500, "INTERNAL")
    assert "hunter2" not in response.text


async def test_nobody_is_let_in_without_credentials(gateway):
    response = await gateway.client.get("/api/v1/clusters")
    assert (response.status_code, response.json()["reason"]) == (401, "CREDENTIALS_MISSING")
    assert response.headers["www-authenticate"] == 'Bearer realm="cloudly"'


@pytest.mark.parametrize("token", ["é", "a.b\tc", "€".encode(), "x" * 9_000, "x" * 40_000])
async def test_what_can_be_no_token_is_refused_as_a_wrong_one(gateway, token):
    raw = token if isinstance(token, bytes) else token.encode("latin-1")
    response = await gateway.client.get("/api/v1/clusters", headers={"authorization": b"Bearer " + raw})
    assert (response.status_code, response.json()["reason"]) == (401, "CREDENTIALS_INVALID")
    typed = {"method": "getClusters", "request": {"identity": {"jwt": raw.decode("latin-1")}}, "response": None}
    answer = await gateway.client.post("/typedrequest", json=typed | {"correlation": {"id": "1", "phase": "request"}})
    assert answer.json()["error"]["data"]["reason"] == "CREDENTIALS_INVALID"


async def test_an_expired_token_is_told_as_expired(gateway):
    response = await gateway.client.get("/api/v1/clusters", headers=gateway.login("admin", seconds=-60))
    assert (response.status_code, response.json()["reason"]) == (401, "TOKEN_EXPIRED")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_a_role_that_does_not_suffice_is_refused(gateway):
    response = await gateway.client.post(
        "/api/v1/clusters", headers=gateway.login("viewer"), json={"cluster": {"name": "east"}}
    )
    assert (response.status_code, response.json()["reason"]) == (403, "PERMISSION_DENIED")


async def test_a_service_that_is_away_is_told_as_unavailable(gateway):
    await gateway.services.stop()
    response = await gateway.client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    assert (response.status_code, response.json()["reason"]) == (503, "UNAVAILABLE")
    assert response.headers["retry-after"] == "1"


async def test_unknown_paths_and_verbs_are_problems(gateway):
    missing = await gateway.client.get("/api/v1/nothing")
    assert (missing.status_code, missing.json()["reason"]) == (404, "NOT_FOUND")
    wrong = await gateway.client.put("/api/v1/clusters", json={})
    assert (wrong.status_code, wrong.json()["reason"]) == (405, "UNIMPLEMENTED")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    fixed = await gateway.client.post("/healthz")
    assert (fixed.status_code, fixed.headers["content-type"]) == (405, "application/problem+json")
    options = await gateway.client.options("/api/v1/clusters")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_head_answers_the_headers_of_get(gateway):
    gateway.services.answers["GetCluster"] = cluster_pb2.GetClusterResponse(cluster=cluster())
    response = await gateway.client.head(f"/api/v1/clusters/{ID}", headers=gateway.admin)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["etag"] == '"0123456789abcdef"'


async def test_a_body_over_the_limit_is_refused_announced_or_not(gateway):
    async def pieces():
        for _ in range(MAX_BODY_BYTES // 65536 + 2):
            yield b" " * 65536

    announced = await gateway.client.post("/api/v1/auth/login", content=b" " * (MAX_BODY_BYTES + 1))
    assert (announced.status_code, announced.json()["reason"]) == (413, "TOO_LARGE")
    streamed = await gateway.client.post("/api/v1/auth/login", content=pieces())
    assert streamed.status_code == 413


async def test_the_request_id_is_taken_over_when_it_is_harmless(gateway):
    given = await gateway.client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    made = await gateway.client.get("/healthz", headers={"x-request-id": "a b\tc"})
    assert len(made.headers["x-request-id"]) == 32
    await gateway.client.get("/api/v1/clusters", headers={**gateway.admin, "x-request-id": "abc-2"})
    assert gateway.services.last_caller("ListClusters").request_id == "abc-2"


async def test_the_service_is_told_the_caller_and_the_client_s_address(gateway):
    headers = {**gateway.login("viewer", name="eve"), "x-forwarded-for": "203.0.113.9, 198.51.100.7"}
    await gateway.client.get("/api/v1/clusters", headers=headers)
    who = gateway.services.last_caller("ListClusters")
    assert who.actor.name == "eve"
    assert who.identity.type == "service"
    # The test's own address is a trusted proxy; what stands before the first untrusted hop, anybody could have written.
    assert who.remote_address == "198.51.100.7"


async def test_forged_metadata_of_a_client_reaches_nobody(gateway):
    headers = {**gateway.login("viewer"), "x-cloudly-on-behalf-of": gateway.harness.authority.issue("admin")}
    response = await gateway.client.post("/api/v1/clusters", headers=headers, json={"cluster": {"name": "east"}})
    assert response.status_code == 403


async def test_json_is_compressed_for_whoever_takes_it(gateway):
    many = [cluster(name=f"east{index}") for index in range(50)]
    gateway.services.answers["ListClusters"] = cluster_pb2.ListClustersResponse(clusters=many)
    packed = await gateway.client.get("/api/v1/clusters", headers=gateway.admin)
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.json()["clusters"]) == 50
    plain = await gateway.client.get("/api/v1/clusters", headers={**gateway.admin, "accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(gzip.compress(plain.content)) < len(plain.content)


async def test_devices_speak_at_their_own_paths(gateway):
    body = {"nodeId": "n", "joinToken": "t", "runtimeInfo": {"cpu": {"count": 2}}}
    response = await gateway.client.post("/baseos/v1/nodes/register", json=body)
    assert response.status_code == 200
    assert gateway.services.last("RegisterNode").runtime_info["cpu"]["count"] == 2


async def test_every_route_reaches_its_method(gateway):
    async def nothing(_):
        return
        yield

    for binding in TABLE.bindings:
        path = binding.template
        for field in binding.fields:
            path = path.replace("{" + field + "}", ID)
        if binding.method.server_streaming:
            gateway.services.answers[binding.method.name] = nothing
        arguments = {"json": {}} if binding.has_body else {}
        response = await gateway.client.request(binding.verb, path, headers=gateway.admin, **arguments)
        # Where required fields are missing, the service's own rules say so: the call arrived all the same.
        called = binding.method.name in gateway.services.names()
        assert called or response.json()["reason"] == "INVALID_ARGUMENT", binding.template
        assert response.status_code in {binding.status, 400}, binding.template


async def test_many_requests_at_once_keep_their_callers_apart(gateway):
    async def answer(_):
        await asyncio.sleep(0.01)
        return cluster_pb2.ListClustersResponse()

    gateway.services.answers["ListClusters"] = answer
    names = [f"user{index}" for index in range(30)]
    await asyncio.gather(
        *(gateway.client.get("/api/v1/clusters", headers=gateway.login("viewer", name=name)) for name in names)
    )
    asked = [who.actor.name for method, _, who in gateway.services.asked if method == "ListClusters"]
    assert sorted(asked) == sorted(names)


async def test_a_login_is_public_and_answers_its_tokens(gateway):
    gateway.services.answers["Login"] = auth_pb2.LoginResponse(access_token="a", refresh_token="r")
    response = await gateway.client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    assert (response.json()["accessToken"], response.json()["refreshToken"]) == ("a", "r")
    assert response.headers["cache-control"] == "no-store"


async def test_too_many_attempts_are_told_with_the_time_to_wait(gateway):
    gateway.services.answers["Login"] = raising(RateLimited(30))
    response = await gateway.client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "30")


async def test_violations_raised_by_a_service_s_domain_are_told_too(gateway):
    gateway.services.answers["Login"] = raising(InvalidArgument.of(("some_field", "is wrong")))
    response = await gateway.client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    assert response.json()["violations"] == [{"field": "someField", "description": "is wrong"}]
