"""The agent as a process beside a real Swarm, with a control plane that really speaks the contract."""

import asyncio
import hashlib
import socket
import time

import grpc
import httpx
import pytest
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly.clusters.v1 import deployment_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc

from tests.images import WebImage, docker_archive
from tests.loop import Agent

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]
CLUSTER = "c" * 20
WEB = "w" * 20
RUNNING = deployment_pb2.DEPLOYMENT_STATE_RUNNING


class ControlPlane(auth_pb2_grpc.AuthServiceServicer, coreflow_pb2_grpc.CoreflowServiceServicer):
    """Pushes what the test wishes, keeps what the agent says."""

    def __init__(self):
        self.version = 0
        self.workloads = {}
        self.receipts = []
        self.report = coreflow_pb2.StatusReport()
        self.hellos = []
        self.changed = asyncio.Event()
        self.server = grpc.aio.server()
        auth_pb2_grpc.add_AuthServiceServicer_to_server(self, self.server)
        coreflow_pb2_grpc.add_CoreflowServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def ExchangeToken(self, request, context):
        if request.token != "good":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong jump code")
        return auth_pb2.ExchangeTokenResponse(access_token="token")

    async def Connect(self, request_iterator, context):
        hello = (await anext(aiter(request_iterator))).hello
        self.hellos.append(hello)
        epoch = len(self.hellos)
        welcome = coreflow_pb2.Welcome(epoch=epoch, heartbeat_seconds=1, lease_seconds=10, cluster_id=CLUSTER)
        yield coreflow_pb2.ConnectResponse(epoch=epoch, welcome=welcome)
        reading = asyncio.create_task(self._read(request_iterator))
        sent = 0
        try:
            while True:
                if self.version > sent:
                    sent = self.version
                    yield coreflow_pb2.ConnectResponse(epoch=epoch, config=self.push(hello.held_hash))
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 1)
                except TimeoutError:
                    yield coreflow_pb2.ConnectResponse(epoch=epoch, heartbeat=coreflow_pb2.HeartbeatReply())
        finally:
            reading.cancel()

    async def _read(self, requests):
        async for message in requests:
            kind = message.WhichOneof("message")
            if kind == "receipt":
                self.receipts.append(message.receipt)
            elif kind == "status":
                self.report = message.status

    def push(self, held=""):
        configuration = coreflow_pb2.Configuration(
            cluster_id=CLUSTER, cluster_name="east", workloads=self.workloads.values()
        )
        hash_ = hashlib.sha256(configuration.SerializeToString(deterministic=True)).hexdigest()
        made = coreflow_pb2.ConfigPush(version=self.version, nonce=f"n{self.version}", hash=hash_)
        if hash_ != held:
            made.configuration.CopyFrom(configuration)
        return made

    def wish(self, image, name="web", key=WEB, **fields):
        self.version += 1
        wished = workload_pb2.Workload(
            id=key, name=name, cluster_id=CLUSTER, generation=self.version, web_port=8080, **fields
        )
        self.workloads[key] = coreflow_pb2.WorkloadConfiguration(workload=wished, image=image)
        self.changed.set()
        return self.version

    def forget(self, key):
        self.version += 1
        del self.workloads[key]
        self.changed.set()

    def seen(self, key=WEB):
        return next((w for w in self.report.workloads if w.workload_id == key), coreflow_pb2.WorkloadObservation())

    async def until(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"{what} did not happen; report: {self.report}; receipts: {self.receipts[-3:]}")

    async def applied(self, version):
        def told():
            return [
                r for r in self.receipts if r.version == version and r.outcome > coreflow_pb2.CONFIG_OUTCOME_RECEIVED
            ]

        await self.until(f"the answer to {version}", told)
        return told()[0]


@pytest.fixture
async def plane():
    made = ControlPlane()
    await made.server.start()
    yield made
    await made.server.stop(0)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def agent(plane, docker_engine, tmp_path, port):
    for version in ("one", "two"):
        docker_engine.docker("load", stdin=docker_archive(WebImage(f"version {version}"), f"local/web:{version}"))
    made = Agent(f"http://127.0.0.1:{plane.port}", "good", docker_engine.host, tmp_path, port)
    made.start()
    yield made
    made.stop()
    print(made.log_tail())
    docker_engine.remove_services()


async def test_a_wish_becomes_containers_follows_changes_and_goes(plane, agent, port, docker_engine):
    version = plane.wish("local/web:one", replicas=1, domains=[{"name": "a.test"}])
    assert (await plane.applied(version)).outcome == coreflow_pb2.CONFIG_OUTCOME_APPLIED
    await plane.until("running", lambda: plane.seen().ready_replicas == 1)
    assert plane.seen().generation == version
    assert [d.state for d in plane.seen().deployments] == [RUNNING]
    assert plane.report.nodes[0].role == "manager"

    def answer():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "a.test"}, timeout=3).text
        except httpx.HTTPError:
            return ""

    await plane.until("an answer through coretraffic", lambda: answer() == "version one")
    plane.wish("local/web:one", replicas=2, domains=[{"name": "a.test"}])
    await plane.until("two replicas", lambda: plane.seen().ready_replicas == 2)
    containers = {d.container_id for d in plane.seen().deployments}
    plane.wish("local/web:two", replicas=1, domains=[{"name": "a.test"}])
    await plane.until("the new version", lambda: answer() == "version two")
    await plane.until("its report", lambda: plane.seen().ready_replicas == 1 and not plane.seen().updating)
    assert not containers & {d.container_id for d in plane.seen().deployments if d.state == RUNNING}
    plane.forget(WEB)
    await plane.until("its end", lambda: not docker_engine.docker("service", "ls", "-q", "--filter", "name=web"))


async def test_an_agent_killed_in_the_middle_goes_on_and_even_without_cloudly(plane, agent):
    plane.wish("local/web:one", replicas=1)
    await plane.until("running", lambda: plane.seen().ready_replicas == 1)
    plane.wish("local/web:two", replicas=1)
    await asyncio.sleep(0.3)
    agent.kill()
    agent.start()
    await plane.until(
        "the new version",
        lambda: any(d.image.startswith("local/web:two") and d.state == RUNNING for d in plane.seen().deployments),
    )
    assert plane.hellos[0].instance_id != plane.hellos[-1].instance_id
    assert plane.hellos[0].agent_id == plane.hellos[-1].agent_id
    assert plane.hellos[-1].held_version > 0


async def test_a_missing_image_and_a_failing_task_are_explained(plane, agent):
    plane.wish("localhost:1/no/such:1", name="missing", key="m" * 20)
    plane.wish(
        "local/web:one", name="failing", key="f" * 20, command=["/bin/sh", "-c", "echo the disk is full; exit 3"]
    )
    await plane.until(
        "no such image", lambda: any(d.reason == "NO_SUCH_IMAGE" for d in plane.seen("m" * 20).deployments)
    )

    def last_words():
        return [line for d in plane.seen("f" * 20).deployments if d.reason == "TASK_FAILED" for line in d.log_tail]

    await plane.until("the last words", lambda: any("the disk is full" in line for line in last_words()))


async def test_what_docker_refuses_is_partial_and_the_rest_is_applied(plane, agent):
    plane.wish("local/web:one", replicas=1)
    version = plane.wish("local/web:one", name="greedy", key="g" * 20, resources={"memory_limit_bytes": 1})
    receipt = await plane.applied(version)
    assert receipt.outcome == coreflow_pb2.CONFIG_OUTCOME_PARTIAL
    assert list(receipt.workload_errors) == ["g" * 20]
    await plane.until("the other", lambda: plane.seen().ready_replicas == 1)


async def test_a_configuration_that_does_not_match_its_hash_is_rejected_and_the_last_one_stays(plane, agent):
    plane.wish("local/web:one", replicas=1)
    await plane.until("running", lambda: plane.seen().ready_replicas == 1)
    right = plane.push
    plane.push = lambda held: coreflow_pb2.ConfigPush(
        version=99, nonce="bad", hash="0" * 64, configuration=right().configuration
    )
    plane.version = 99
    plane.changed.set()
    await plane.until("the rejection", lambda: plane.receipts[-1].outcome == coreflow_pb2.CONFIG_OUTCOME_REJECTED)
    assert plane.seen().ready_replicas == 1


async def test_a_wrong_jump_code_is_told_and_the_agent_lives_on(plane, docker_engine, tmp_path):
    stranger = Agent(f"http://127.0.0.1:{plane.port}", "wrong", docker_engine.host, tmp_path, 0)
    stranger.start()
    await plane.until("the refusal", lambda: "link.refused" in stranger.log_tail())
    assert stranger.process.poll() is None
    stranger.stop()
