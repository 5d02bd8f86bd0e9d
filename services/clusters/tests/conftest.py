"""Clusters on a real database, with its neighbours played by the smallest thing that keeps their promises."""

import pytest
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_clusters.clusters import Clusters
from cloudly_clusters.external_logins import ExternalLogins
from cloudly_clusters.observations import Observations
from cloudly_clusters.pushes import Pushes
from cloudly_clusters.store import ClustersStore
from cloudly_clusters.streams import Streams
from cloudly_clusters.workloads import Workloads
from cloudly_kit.audit.journal import Journal
from cloudly_kit.hints import Hints


class Auth:
    """Hands out jump codes."""

    def __init__(self):
        self.deleted = []
        self.issued = 0

    async def create(self, cluster_id, name, overlap_seconds):
        self.issued += 1
        return f"identity-of-{cluster_id}", f"cloudly_jc_{self.issued}"

    async def delete(self, cluster_id):
        self.deleted.append(cluster_id)

    async def pull_credentials(self, cluster_id):
        return coreflow_pb2.RegistryCredentials(server="localhost:8080", username="cluster", password="pull")


class Registry:
    """Makes repositories."""

    def __init__(self):
        self.repositories = {}
        self.logins = {}
        self.signed = set()

    async def ensure(self, repository, workload_id):
        self.repositories[repository] = workload_id
        return "image-" + workload_id, f"localhost:8080/{repository}"

    async def verify(self, image_id, digest, public_keys):
        signed = digest in self.signed or any((digest, key) in self.signed for key in public_keys)
        return "" if signed else "it is not signed"

    async def pull_logins(self, servers):
        known = [(server, self.logins[server]) for server in servers if server in self.logins]
        return coreflow_pb2.ExternalCredentials(
            registries=[
                coreflow_pb2.RegistryCredentials(server=server, username="robot", password=password)
                for server, password in known
            ]
        )


class House:
    """The domain, wired as main.py wires it."""

    def __init__(self, database, redis):
        self.auth, self.registry = Auth(), Registry()
        self.store = ClustersStore(database)
        self.hints = Hints(redis)
        self.redis = redis
        self.journal = Journal(database, redis, "clusters")
        self.clusters = Clusters(self.store, self.hints, self.auth)
        self.workloads = Workloads(self.store, self.hints, self.registry, "localhost:8080", 5)
        self.pushes = Pushes(self.store, self.workloads, self.hints, self.registry)
        self.observations = Observations(self.store)
        self.streams = self.replica()

    def replica(self):
        """The streams of one replica."""
        logins = ExternalLogins(self.registry, "localhost:8080")
        return Streams(
            self.store,
            self.observations,
            self.redis,
            self.hints,
            self.auth,
            logins,
            self.journal,
            heartbeat_seconds=1,
            lease_seconds=3,
        )

    async def cluster(self, name="east", **wish):
        document, _ = await self.clusters.create(cluster_pb2.Cluster(name=name, **wish), None)
        return document

    async def workload(self, cluster, name="web", **wish):
        message = workload_pb2.Workload(name=name, cluster_id=cluster.id, **wish)
        return await self.workloads.create(message, "ada", None)

    async def pushed(self, workload, digest, tag="v1"):
        """What a push event does."""

        async def write(session):
            return await self.workloads.push(workload.id, tag, digest, "ada", session)

        return await self.store.database.transaction(write)


@pytest.fixture
async def house(database, redis_client):
    made = House(database, redis_client)
    await made.store.ensure()
    return made


@pytest.fixture
def hello():
    """A Hello of an agent that has just started."""

    def make(instance="i1", born=1, held_hash=""):
        message = coreflow_pb2.Hello(agent_id="a", instance_id=instance, protocol=1, held_hash=held_hash)
        message.start_time.FromSeconds(born)
        return message

    return make
