"""What an adapter calls with: stubs of the owners, on behalf of whoever the request's identity proves."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cloudly.auth.v1.access_pb2_grpc import AccessServiceStub
from cloudly.auth.v1.auth_pb2_grpc import AuthServiceStub
from cloudly.auth.v1.setting_pb2_grpc import SettingServiceStub
from cloudly.backups.v1.target_pb2_grpc import TargetServiceStub
from cloudly.baseos.v1.corebuild_pb2_grpc import CorebuildServiceStub
from cloudly.baseos.v1.node_pb2_grpc import BaseosNodeServiceStub
from cloudly.clusters.v1.announcement_pb2_grpc import AnnouncementServiceStub
from cloudly.clusters.v1.cluster_pb2_grpc import ClusterServiceStub
from cloudly.clusters.v1.deployment_pb2_grpc import DeploymentServiceStub
from cloudly.clusters.v1.node_pb2_grpc import NodeServiceStub
from cloudly.clusters.v1.provider_pb2_grpc import ProviderServiceStub
from cloudly.clusters.v1.workload_pb2_grpc import WorkloadServiceStub
from cloudly.executions.v1.execution_pb2_grpc import ExecutionServiceStub
from cloudly.registry.v1.external_registry_pb2_grpc import ExternalRegistryServiceStub
from cloudly.registry.v1.image_archive_pb2_grpc import ImageArchiveServiceStub
from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub
from cloudly.tasks.v1.task_pb2_grpc import TaskServiceStub
from cloudly_kit.errors import FailedPrecondition

from cloudly_gateway.rest.handler import Channels
from cloudly_gateway.typedrequest.streams import Streams

if TYPE_CHECKING:  # these names exist for type checkers alone
    from cloudly.auth.v1.access_pb2_grpc import AccessServiceAsyncStub
    from cloudly.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from cloudly.auth.v1.setting_pb2_grpc import SettingServiceAsyncStub
    from cloudly.backups.v1.target_pb2_grpc import TargetServiceAsyncStub
    from cloudly.baseos.v1.corebuild_pb2_grpc import CorebuildServiceAsyncStub
    from cloudly.baseos.v1.node_pb2_grpc import BaseosNodeServiceAsyncStub
    from cloudly.clusters.v1.announcement_pb2_grpc import AnnouncementServiceAsyncStub
    from cloudly.clusters.v1.cluster_pb2_grpc import ClusterServiceAsyncStub
    from cloudly.clusters.v1.deployment_pb2_grpc import DeploymentServiceAsyncStub
    from cloudly.clusters.v1.node_pb2_grpc import NodeServiceAsyncStub
    from cloudly.clusters.v1.provider_pb2_grpc import ProviderServiceAsyncStub
    from cloudly.clusters.v1.workload_pb2_grpc import WorkloadServiceAsyncStub
    from cloudly.executions.v1.execution_pb2_grpc import ExecutionServiceAsyncStub
    from cloudly.registry.v1.external_registry_pb2_grpc import ExternalRegistryServiceAsyncStub
    from cloudly.registry.v1.image_archive_pb2_grpc import ImageArchiveServiceAsyncStub
    from cloudly.registry.v1.image_pb2_grpc import ImageServiceAsyncStub
    from cloudly.tasks.v1.task_pb2_grpc import TaskServiceAsyncStub

PAGE_SIZE = 200
MAX_RECORDS = 20_000
"""Legacy lists know no pages; a longer one is refused rather than answered in part."""


class ListRequest(Protocol):
    """A request of a paged list."""

    page_size: int
    page_token: str


Request = TypeVar("Request", bound=ListRequest)


class Calls:
    """The services as adapters see them."""

    def __init__(self, channels: Channels, origin: str, streams: Streams) -> None:
        self.origin = origin
        """The public address, which some records tell."""
        self.streams = streams
        self.access: AccessServiceAsyncStub = AccessServiceStub(channels("auth"))
        self.auth: AuthServiceAsyncStub = AuthServiceStub(channels("auth"))
        self.settings: SettingServiceAsyncStub = SettingServiceStub(channels("auth"))
        self.announcements: AnnouncementServiceAsyncStub = AnnouncementServiceStub(channels("clusters"))
        self.clusters: ClusterServiceAsyncStub = ClusterServiceStub(channels("clusters"))
        self.nodes: NodeServiceAsyncStub = NodeServiceStub(channels("clusters"))
        self.providers: ProviderServiceAsyncStub = ProviderServiceStub(channels("clusters"))
        self.workloads: WorkloadServiceAsyncStub = WorkloadServiceStub(channels("clusters"))
        self.deployments: DeploymentServiceAsyncStub = DeploymentServiceStub(channels("clusters"))
        self.archives: ImageArchiveServiceAsyncStub = ImageArchiveServiceStub(channels("registry"))
        self.images: ImageServiceAsyncStub = ImageServiceStub(channels("registry"))
        self.external_registries: ExternalRegistryServiceAsyncStub = ExternalRegistryServiceStub(channels("registry"))
        self.tasks: TaskServiceAsyncStub = TaskServiceStub(channels("tasks"))
        self.executions: ExecutionServiceAsyncStub = ExecutionServiceStub(channels("tasks"))
        self.backup_targets: TargetServiceAsyncStub = TargetServiceStub(channels("backups"))
        self.corebuild: CorebuildServiceAsyncStub = CorebuildServiceStub(channels("baseos"))
        self.baseos: BaseosNodeServiceAsyncStub = BaseosNodeServiceStub(channels("baseos"))


async def every(call: Callable[[Request], Awaitable[Any]], request: Request, field: str) -> list[Any]:
    """All records of a list, page by page; `field` is the one that holds them.

    Raises:
        FailedPrecondition: there are too many for one answer.
    """
    records: list[Any] = []
    request.page_size = PAGE_SIZE
    while True:
        page = await call(request)
        records.extend(getattr(page, field))
        if not page.next_page_token:
            return records
        if len(records) >= MAX_RECORDS:
            raise FailedPrecondition(f"there are more than {MAX_RECORDS} records; use the REST API, which has pages")
        request.page_token = page.next_page_token
