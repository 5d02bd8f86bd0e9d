"""One adapter for each legacy method: arguments in, calls to the services, the answer's fields out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cloudly_gateway.typedrequest.adapters import (
    announcement,
    auth,
    baseos,
    cluster,
    deployment,
    external_registry,
    image,
    provider,
    service,
    setting,
    task,
)
from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields

Adapter = Callable[[Fields, Calls], Awaitable[dict[str, Any]]]

ADAPTERS: Mapping[str, Adapter] = {
    "adminLoginWithUsernameAndPassword": auth.login,
    "getIdentityByToken": auth.exchange,
    "getClusters": cluster.get_all,
    "getClusterById": cluster.get,
    "createCluster": cluster.create,
    "updateCluster": cluster.update,
    "deleteClusterById": cluster.delete,
    "getServices": service.get_all,
    "getServiceById": service.get,
    "getServiceRegistryTarget": service.get_registry_target,
    "createService": service.create,
    "updateService": service.update,
    "deleteServiceById": service.delete,
    "getDeployments": deployment.get_all,
    "getDeploymentById": deployment.get,
    "getDeploymentsByService": deployment.get_by_service,
    "getDeploymentsByNode": deployment.get_by_node,
    "getAllImages": image.get_all,
    "getImage": image.get,
    "createImage": image.create,
    "deleteImage": image.delete,
    "pushImageVersion": image.push,
    "pullImageVersion": image.pull,
    "servezonestandard_InformAboutNewContainerVersion": announcement.inform,
    "informCloudlyAboutNewContainerVersion": announcement.inform_cloudly,
    "getExternalRegistries": external_registry.get_all,
    "getExternalRegistryById": external_registry.get,
    "createExternalRegistry": external_registry.create,
    "updateExternalRegistry": external_registry.update,
    "deleteExternalRegistryById": external_registry.delete,
    "getTasks": task.get_all,
    "triggerTask": task.trigger,
    "getTaskExecutions": task.get_executions,
    "getTaskExecutionById": task.get_execution,
    "cancelTask": task.cancel,
    "getSettings": setting.get_all,
    "getSetting": setting.get,
    "updateSettings": setting.update,
    "clearSetting": setting.clear,
    "testProviderConnection": provider.test,
    "getBaseOsNodes": baseos.get_all,
}
