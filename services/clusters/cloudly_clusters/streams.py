"""The agents' streams, without gRPC: who holds which, what is sent when, and what an agent's messages do.

One session is one connection. A connection of the same cluster's agent made later has a greater epoch and replaces it; which
epoch is the living one stands in Redis under a lease, so that two replicas agree. All waiting is level-triggered: hints only
wake a session early, a resync every half minute heals the loss of all of them.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import redis.asyncio
import structlog
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import AgentConflict, FailedPrecondition, NotFound
from cloudly_kit.hints import Hints
from google.protobuf import json_format
from redis.exceptions import RedisError

from cloudly_clusters import clusters, external_logins
from cloudly_clusters.agent_audit import by_agent
from cloudly_clusters.external_logins import ExternalLogins
from cloudly_clusters.observations import Observations
from cloudly_clusters.rendering import config_hash, render
from cloudly_clusters.store import ClusterDocument, ClustersStore

log = structlog.get_logger()

PROTOCOL = 1
RESYNC_SECONDS = 30.0
DRAIN_RECONNECT_MILLISECONDS = 200
CREDENTIALS_RENEWAL_SECONDS = 86_400.0

CONFLICT_WINDOW_SECONDS = 300
CONFLICT_TURNS = 3
"""Two instances that replace each other this often in the window are two living agents with one identity (decision 28)."""
CONFLICT_PAUSE_SECONDS = 60

# The lease is ours while nobody has a greater epoch; a Redis that forgot it is told again.
_RENEW = """
local held = redis.call('get', KEYS[1])
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


def lease_key(cluster_id: str) -> str:
    """The Redis key that lives while the cluster's agent is connected; its value is the epoch."""
    return f"cloudly.agent.{cluster_id}"


class PullTokens(Protocol):
    """What streams need of auth."""

    async def pull_credentials(self, cluster_id: str) -> coreflow_pb2.RegistryCredentials:
        """Credentials with which the cluster's engines pull."""
        ...


@dataclass(frozen=True)
class Rendered:
    """A configuration, rendered once per revision."""

    version: int
    hash: str
    configuration: coreflow_pb2.Configuration


@dataclass
class Session:
    """One connection of one agent."""

    cluster_id: str
    epoch: int
    held_hash: str
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    outbox: list[coreflow_pb2.ConnectResponse] = field(default_factory=list)
    sent_hash: str | None = None
    sent_version: int = 0
    nonce: str = ""
    credentials_time: float = float("-inf")
    external_sent: coreflow_pb2.ExternalCredentials | None = None
    ended: bool = False
    reports: asyncio.Queue[coreflow_pb2.StatusReport] = field(default_factory=lambda: asyncio.Queue(1))


class Streams:
    """All sessions that this replica holds."""

    def __init__(
        self,
        store: ClustersStore,
        observations: Observations,
        redis: redis.asyncio.Redis,
        hints: Hints,
        tokens: PullTokens,
        logins: ExternalLogins,
        journal: Journal,
        *,
        heartbeat_seconds: int,
        lease_seconds: int,
    ) -> None:
        self._store = store
        self._observations = observations
        self._redis = redis
        self._renew_script = redis.register_script(_RENEW)
        self._hints = hints
        self._tokens = tokens
        self._logins = logins
        self._journal = journal
        self._heartbeat_seconds = heartbeat_seconds
        self._lease_seconds = lease_seconds
        self._sessions: dict[str, Session] = {}
        self._rendered: dict[str, Rendered] = {}
        self._draining = False

    async def open(self, cluster_id: str, hello: coreflow_pb2.Hello) -> Session:
        """Begin a session; an older one of the same cluster ends.

        Raises:
            NotFound: the cluster was deleted.
            FailedPrecondition: the agent speaks another protocol.
            AgentConflict: two living agents alternate, and this is the later-born.
        """
        if hello.protocol != PROTOCOL:
            message = f"the agent speaks protocol {hello.protocol}, this server {PROTOCOL}: update the older of the two"
            raise FailedPrecondition(message)
        await self._refuse_alternation(cluster_id, hello)
        time_ = clusters.now()

        def connect(found: ClusterDocument) -> ClusterDocument:
            changed: dict[str, object] = {"epoch": found.epoch + 1, "agent_version": hello.agent_version}
            if found.agent_state != "AGENT_STATE_ONLINE":
                changed |= {"agent_state": "AGENT_STATE_ONLINE", "agent_state_time": time_}
            return found.model_copy(update=changed)

        async with by_agent(self._journal, "connect", cluster_id):
            cluster = await self._store.clusters.change(cluster_id, connect)
        session = Session(cluster_id, cluster.epoch, hello.held_hash)
        await self._renew(session)
        older = self._sessions.pop(cluster_id, None)
        self._sessions[cluster_id] = session
        if older is not None:
            self._end(older)
        welcome = coreflow_pb2.Welcome(
            epoch=cluster.epoch,
            heartbeat_seconds=self._heartbeat_seconds,
            lease_seconds=self._lease_seconds,
            cluster_id=cluster_id,
        )
        session.outbox.append(coreflow_pb2.ConnectResponse(epoch=cluster.epoch, welcome=welcome))
        session.wake.set()
        await self._hints.publish(clusters.HINT, cluster_id)
        await self._observations.refresh(cluster_id)
        log.info("agent.connected", cluster=cluster_id, epoch=cluster.epoch, held=hello.held_version)
        return session

    def close(self, session: Session) -> None:
        """Forget a session whose connection has ended; the lease runs out by itself, so that a quick return is no news."""
        self._end(session)
        if self._sessions.get(session.cluster_id) is session:
            del self._sessions[session.cluster_id]
        log.info("agent.disconnected", cluster=session.cluster_id, epoch=session.epoch)

    async def messages(self, session: Session) -> AsyncIterator[coreflow_pb2.ConnectResponse]:
        """What is to be sent, as it becomes due, until the session ends. The newest configuration replaces older ones."""
        while not session.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.wake.wait(), RESYNC_SECONDS * random.uniform(0.8, 1.2))
            session.wake.clear()
            while session.outbox:
                yield session.outbox.pop(0)
            if session.ended:
                return
            push = await self._due_push(session)
            if push is not None:
                yield coreflow_pb2.ConnectResponse(epoch=session.epoch, config=push)

    async def receive(self, session: Session, message: coreflow_pb2.ConnectRequest) -> None:
        """Act on a message of the agent; one of an older epoch is dropped."""
        if message.epoch != session.epoch:
            return
        kind = message.WhichOneof("message")
        if kind == "heartbeat":
            if not await self._renew(session):
                self._end(session)
                return
            reply = coreflow_pb2.ConnectResponse(epoch=session.epoch, heartbeat=coreflow_pb2.HeartbeatReply())
            session.outbox.append(reply)
            session.wake.set()
        elif kind == "receipt":
            await self._receipt(session, message.receipt)
        elif kind == "status":
            if session.reports.full():
                session.reports.get_nowait()
            session.reports.put_nowait(message.status)

    async def write_reports(self, session: Session) -> None:
        """Write down the newest status report, again and again; beside the reader, so that heartbeats never wait for it."""
        while True:
            report = await session.reports.get()
            try:
                async with by_agent(self._journal, "report", session.cluster_id):
                    await self._observations.report(session.cluster_id, report)
            except NotFound:
                self._end(session)
                return

    async def listen(self) -> None:
        """Wake sessions whenever a hint comes; all of them after hints may have been lost."""
        async for cluster_id in self._hints.subscribe(clusters.HINT):
            if cluster_id:
                found = self._sessions.get(cluster_id)
                if found is not None:
                    found.wake.set()
            else:
                for session in self._sessions.values():
                    session.wake.set()

    async def listen_for_logins(self) -> None:
        """Look again at all sessions' external logins whenever one has changed."""
        async for _ in self._hints.subscribe(external_logins.HINT):
            self._logins.forget()
            for session in self._sessions.values():
                session.wake.set()

    async def drain(self) -> None:
        """Ask all agents to connect elsewhere."""
        self._draining = True
        for session in list(self._sessions.values()):
            pause = int(DRAIN_RECONNECT_MILLISECONDS * random.uniform(0.5, 1.5))
            drain = coreflow_pb2.Drain(reconnect_after_milliseconds=pause)
            session.outbox.append(coreflow_pb2.ConnectResponse(epoch=session.epoch, drain=drain))
            session.wake.set()
        await asyncio.sleep(0.2)
        for session in list(self._sessions.values()):
            self._end(session)

    def _end(self, session: Session) -> None:
        session.ended = True
        session.wake.set()

    async def _renew(self, session: Session) -> bool:
        try:
            return bool(
                await self._renew_script(
                    keys=[lease_key(session.cluster_id)], args=[session.epoch, self._lease_seconds]
                )
            )
        except (RedisError, OSError) as error:
            # Without Redis nobody can take the lease either: go on, and say so.
            log.warning("agent.lease_not_renewed", cluster=session.cluster_id, error=repr(error))
            return True

    async def _due_push(self, session: Session) -> coreflow_pb2.ConfigPush | None:
        try:
            rendered = await self._render(session.cluster_id)
        except NotFound:
            self._end(session)
            return None
        stale = time.monotonic() - session.credentials_time > CREDENTIALS_RENEWAL_SECONDS
        external = await self._logins.of(rendered.configuration)
        renewed = external is not None and external != session.external_sent
        if session.sent_version >= rendered.version and not stale and not renewed:
            return None
        push = coreflow_pb2.ConfigPush(version=rendered.version, nonce=secrets.token_hex(8), hash=rendered.hash)
        # What the agent holds already, by what it said or by what was sent, is not sent again.
        if rendered.hash not in (session.held_hash, session.sent_hash):
            push.configuration.CopyFrom(rendered.configuration)
        if stale:
            push.credentials.CopyFrom(await self._tokens.pull_credentials(session.cluster_id))
            session.credentials_time = time.monotonic()
        if external is not None and renewed:
            push.external_credentials.CopyFrom(external)
            session.external_sent = external
        session.sent_hash, session.sent_version, session.nonce = rendered.hash, rendered.version, push.nonce
        log.info(
            "cluster.config_pushed",
            cluster=session.cluster_id,
            revision=rendered.version,
            workloads=len(rendered.configuration.workloads),
            whole=push.HasField("configuration"),
        )
        return push

    async def _render(self, cluster_id: str) -> Rendered:
        # The revision is read first: what is read after it is at least as new, and a newer revision renders again.
        cluster = await self._store.clusters.get(cluster_id)
        known = self._rendered.get(cluster_id)
        if known is not None and known.version == cluster.revision:
            return known
        configuration = render(cluster, await self._store.workloads.find_all(scope=cluster_id))
        rendered = Rendered(cluster.revision, config_hash(configuration), configuration)
        self._rendered[cluster_id] = rendered
        return rendered

    async def _receipt(self, session: Session, receipt: coreflow_pb2.ConfigReceipt) -> None:
        if receipt.nonce != session.nonce or receipt.outcome == coreflow_pb2.CONFIG_OUTCOME_RECEIVED:
            return
        outcome = coreflow_pb2.ConfigOutcome.Name(receipt.outcome)
        rejected = receipt.outcome == coreflow_pb2.CONFIG_OUTCOME_REJECTED
        time_: datetime = clusters.now()

        def note(found: ClusterDocument) -> ClusterDocument:
            changed: dict[str, object] = {"outcome": outcome, "outcome_reason": receipt.reason, "outcome_time": time_}
            if not rejected:
                changed["applied_revision"] = max(found.applied_revision, receipt.version)
            return found.model_copy(update=changed)

        async with by_agent(self._journal, "answer", session.cluster_id) as entry:
            entry.request = json_format.MessageToJson(
                coreflow_pb2.ConfigReceipt(version=receipt.version, outcome=receipt.outcome), indent=None
            )
            await self._store.clusters.change(session.cluster_id, note)
            if not rejected:
                await self._observations.refuse(session.cluster_id, dict(receipt.workload_errors))
        log.info(
            "cluster.config_answered",
            cluster=session.cluster_id,
            revision=receipt.version,
            outcome=outcome,
            reason=receipt.reason,
        )

    async def _refuse_alternation(self, cluster_id: str, hello: coreflow_pb2.Hello) -> None:
        key = f"cloudly.agent_turns.{cluster_id}"
        born = hello.start_time.ToMilliseconds()
        try:
            async with self._redis.pipeline() as pipeline:
                pipeline.lrange(key, 0, CONFLICT_TURNS * 2)
                (held,) = await pipeline.execute()
                turns = [entry.decode().split(" ") for entry in held]
                instances = [turn[0] for turn in turns]
                if not instances or instances[0] != hello.instance_id:
                    pipeline.lpush(key, f"{hello.instance_id} {born}")
                    pipeline.ltrim(key, 0, CONFLICT_TURNS * 2)
                    pipeline.expire(key, CONFLICT_WINDOW_SECONDS)
                    await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("agent.turns_not_counted", cluster=cluster_id, error=repr(error))
            return
        # A restarted agent never comes back under an old instance id: returning to one is the mark of a living rival.
        if instances.count(hello.instance_id) >= CONFLICT_TURNS and any(i != hello.instance_id for i in instances):
            others = [int(turn[1]) for turn in turns if turn[0] != hello.instance_id]
            if born >= max(others):
                message = "another living agent uses this cluster's jump code; stop one of them or rotate the jump code"
                raise AgentConflict(message, metadata={"retry_after_seconds": str(CONFLICT_PAUSE_SECONDS)})
