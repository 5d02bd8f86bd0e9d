"""A control plane that speaks the contract for real (gRPC), for tests of the agent alone."""

import asyncio
import hashlib
import time

import grpc
import pytest
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly.clusters.v1 import deployment_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc

CLUSTER = "c" * 20
WEB = "w" * 20
RUNNING = deployment_pb2.DEPLOYMENT_STATE_RUNNING


class ControlPlane(auth_pb2_grpc.AuthServiceServicer, coreflow_pb2_grpc.CoreflowServiceServicer):
    """Pushes what the test wishes, keeps what the agent says."""

    def __init__(self, port=0):
        self.version = 0
        self.pushes = 0
        self.workloads = {}
        self.credentials = None
        self.receipts = []
        self.report = coreflow_pb2.StatusReport()
        self.reports = []
        self.hellos = []
        self.logins = 0
        self.drains = 0
        self.silent = False
        self.changed = asyncio.Event()
        self.server = grpc.aio.server()
        auth_pb2_grpc.add_AuthServiceServicer_to_server(self, self.server)
        coreflow_pb2_grpc.add_CoreflowServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")

    async def ExchangeToken(self, request, context):
        self.logins += 1
        if request.token != "good":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong jump code")
        return auth_pb2.ExchangeTokenResponse(access_token="token")

    async def Connect(self, request_iterator, context):
        assert ("authorization", "Bearer token") in context.invocation_metadata()
        hello = (await anext(aiter(request_iterator))).hello
        self.hellos.append(hello)
        epoch = len(self.hellos)
        welcome = coreflow_pb2.Welcome(epoch=epoch, heartbeat_seconds=1, lease_seconds=4, cluster_id=CLUSTER)
        yield coreflow_pb2.ConnectResponse(epoch=epoch, welcome=welcome)
        reading = asyncio.create_task(self._read(request_iterator, epoch))
        sent, drains = -1, self.drains
        try:
            while True:
                if self.pushes > sent:
                    sent = self.pushes
                    yield coreflow_pb2.ConnectResponse(epoch=epoch, config=self.push(hello.held_hash))
                if self.drains > drains:
                    yield coreflow_pb2.ConnectResponse(
                        epoch=epoch, drain=coreflow_pb2.Drain(reconnect_after_milliseconds=50)
                    )
                    return
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 1)
                except TimeoutError:
                    if not self.silent:
                        yield coreflow_pb2.ConnectResponse(epoch=epoch, heartbeat=coreflow_pb2.HeartbeatReply())
        finally:
            reading.cancel()

    async def _read(self, requests, epoch):
        async for message in requests:
            assert message.epoch == epoch
            kind = message.WhichOneof("message")
            if kind == "receipt":
                self.receipts.append(message.receipt)
            elif kind == "status":
                self.report = message.status
                self.reports.append(message.status)

    def push(self, held=""):
        configuration = coreflow_pb2.Configuration(
            cluster_id=CLUSTER, cluster_name="east", workloads=self.workloads.values()
        )
        hash_ = hashlib.sha256(configuration.SerializeToString(deterministic=True)).hexdigest()
        made = coreflow_pb2.ConfigPush(version=self.version, nonce=f"n{self.pushes}", hash=hash_)
        if hash_ != held:
            made.configuration.CopyFrom(configuration)
        if self.credentials:
            made.credentials.CopyFrom(self.credentials)
        return made

    def wish(self, image, name="web", key=WEB, **fields):
        self.version += 1
        wished = workload_pb2.Workload(
            id=key, name=name, cluster_id=CLUSTER, generation=self.version, web_port=8080, **fields
        )
        self.workloads[key] = coreflow_pb2.WorkloadConfiguration(workload=wished, image=image)
        self.send()
        return self.version

    def forget(self, key):
        self.version += 1
        del self.workloads[key]
        self.send()

    def send(self):
        self.pushes += 1
        self.changed.set()

    def seen(self, key=WEB):
        return next((w for w in self.report.workloads if w.workload_id == key), coreflow_pb2.WorkloadObservation())

    def is_done(self, version, key=WEB):
        """As the control plane judges it."""
        seen = self.seen(key)
        return (
            seen.generation == version
            and not seen.updating
            and not seen.update_error
            and seen.ready_replicas == seen.wished_replicas
        )

    async def until(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            await asyncio.sleep(0.1)
        pytest.fail(f"{what} did not happen; report: {self.report}; receipts: {self.receipts[-3:]}")

    async def done(self, version, key=WEB):
        await self.until(f"generation {version} in full", lambda: self.is_done(version, key))

    async def applied(self, version):
        """The last word on a version."""

        def told():
            found = [r for r in self.receipts if r.version == version]
            return found and found[-1].outcome > coreflow_pb2.CONFIG_OUTCOME_RECEIVED and found[-1]

        return await self.until(f"the answer to {version}", told)
