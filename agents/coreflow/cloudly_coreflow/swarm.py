"""Docker Swarm through the engine's API (v1.41): what of ours runs there, and the few changes we make."""

import asyncio
import base64
import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiodocker
import structlog
from aiodocker.exceptions import DockerError
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow import specs
from cloudly_coreflow.plan import Action, Create, Remove, Update
from cloudly_coreflow.sight import Json, reason_of

log = structlog.get_logger()

CALL_SECONDS = 30.0
LOG_LINES = 20
OUT_OF_SEQUENCE_ATTEMPTS = 5


class Refused(Exception):
    """Docker does not take it; the message is for people."""


class Swarm:
    """The Swarm whose manager we talk to. It shows and changes nothing but what bears our label of this cluster."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker
        self._tails: dict[str, list[str]] = {}
        self._diagnoses: dict[str, str] = {}

    async def prepare(self) -> None:
        """Make sure that this engine is a manager, and that our network is there.

        Raises:
            Refused: the engine is no Swarm manager.
        """
        info = await self._call("info")
        if not info.get("Swarm", {}).get("ControlAvailable"):
            raise Refused(
                "this Docker engine is no Swarm manager: run `docker swarm init` or start coreflow on a manager"
            )
        networks = await self._call("networks", params={"filters": json.dumps({"name": [specs.NETWORK]})})
        if not any(network["Name"] == specs.NETWORK for network in networks):
            await self._call(
                "networks/create",
                "POST",
                data={"Name": specs.NETWORK, "Driver": "overlay", "Attachable": True, "CheckDuplicate": True},
            )
            log.info("network.created", network=specs.NETWORK)

    async def own_node(self) -> str:
        """The id of the node we run on."""
        return str((await self._call("info"))["Swarm"]["NodeID"])

    async def services(self, cluster_id: str) -> list[Json]:
        """Our services."""
        filters = json.dumps({"label": [f"{specs.CLUSTER}={cluster_id}"]})
        return list(await self._call("services", params={"filters": filters}))

    async def tasks(self, services: Sequence[Json]) -> dict[str, list[Json]]:
        """The tasks of services, by service id."""
        found: dict[str, list[Json]] = {service["ID"]: [] for service in services}
        if found:
            filters = json.dumps({"service": sorted(found)})
            for task in await self._call("tasks", params={"filters": filters}):
                found.setdefault(task["ServiceID"], []).append(task)
        return found

    async def nodes(self) -> list[Json]:
        """The nodes of the Swarm."""
        return list(await self._call("nodes"))

    async def act(
        self, action: Action, cluster_id: str, credentials: coreflow_pb2.RegistryCredentials | None, version: str
    ) -> None:
        """Do one action; doing it again does no harm.

        Raises:
            Refused: Docker does not take it.
        """
        headers = _authorization(credentials, action)
        try:
            match action:
                case Create(wish):
                    body = {"Name": wish.name, **specs.labelled(wish, cluster_id, wish.generation, version)}
                    await self._call("services/create", "POST", data=body, headers=headers)
                case Update(wish, sight, template_generation):
                    body = {"Name": sight.name, **specs.labelled(wish, cluster_id, template_generation, version)}
                    await self._update(sight.id, body, headers)
                case Remove(sight):
                    await self._call(f"services/{sight.id}", "DELETE")
        except DockerError as error:
            # Made by an earlier try whose answer was lost, or gone already: as wished.
            if (isinstance(action, Create) and error.status == 409 and await self._is_ours(action, cluster_id)) or (
                isinstance(action, Remove) and error.status == 404
            ):
                return
            raise Refused(error.message) from error
        log.info("swarm.acted", action=type(action).__name__.lower(), service=_name(action))

    async def last_words(self, task: Json) -> list[str]:
        """The last log lines of a task that has ended; asked for once."""
        task_id = task["ID"]
        if task_id not in self._tails:
            if len(self._tails) > 5_000:
                self._tails.clear()
            self._tails[task_id] = await self._log(task_id)
        return self._tails[task_id]

    async def diagnose(self, image: str, credentials: coreflow_pb2.RegistryCredentials | None) -> str:
        """Why an image cannot be had, asked of its registry: Swarm says "No such image" whatever was the matter."""
        if image not in self._diagnoses:
            headers = _registry_auth(credentials, image)
            try:
                await self._call(f"distribution/{image}/json", headers=headers)
                self._diagnoses[image] = ""
            except DockerError as error:
                self._diagnoses[image] = error.message
            asyncio.get_running_loop().call_later(60, self._diagnoses.pop, image, None)
        return self._diagnoses[image]

    async def has_image(self, image: str) -> bool:
        """Whether the engine has an image."""
        try:
            await self._call(f"images/{image}/json")
        except DockerError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def import_image(self, tar: bytes, repository: str, tag: str, change: str) -> None:
        """Make an image of a tar of its files, with one Dockerfile instruction on top."""
        params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": change}
        async with self._docker._query(
            "images/create", method="POST", params=params, data=tar, headers={"Content-Type": "application/x-tar"}
        ) as response:
            await response.read()

    async def gateway(self) -> str:
        """The address at which containers reach this host."""
        network = await self._call("networks/docker_gwbridge")
        pool = network["IPAM"]["Config"][0]
        # Made by hand with a subnet alone, the network does not tell its gateway: it is the first address.
        return str(pool.get("Gateway") or ipaddress.ip_network(pool["Subnet"])[1])

    async def _update(self, service_id: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        for attempt in range(OUT_OF_SEQUENCE_ATTEMPTS):
            service = await self._call(f"services/{service_id}")
            params = {"version": str(service["Version"]["Index"]), "registryAuthFrom": "spec"}
            try:
                await self._call(f"services/{service_id}/update", "POST", params=params, data=body, headers=headers)
            except DockerError as error:
                # Swarm itself changed the service between our read and our write.
                if "out of sequence" not in error.message or attempt == OUT_OF_SEQUENCE_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * (attempt + 1))
            else:
                return

    async def _is_ours(self, action: Create, cluster_id: str) -> bool:
        return any(
            service["Spec"]["Labels"].get(specs.WORKLOAD) == action.wish.key
            for service in await self.services(cluster_id)
        )

    async def _log(self, task_id: str) -> list[str]:
        params = {"stdout": "1", "stderr": "1", "tail": str(LOG_LINES)}
        try:
            async with asyncio.timeout(5), self._docker._query(f"tasks/{task_id}/logs", params=params) as response:
                return _lines(await response.read())
        except (DockerError, TimeoutError) as error:
            log.debug("task.no_log", task=task_id, error=str(error))
            return []

    async def _call(
        self,
        path: str,
        method: str = "GET",
        *,
        params: Any = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        async with asyncio.timeout(CALL_SECONDS):
            return await self._docker._query_json(path, method=method, params=params, data=data, headers=headers)


def _authorization(credentials: coreflow_pb2.RegistryCredentials | None, action: Action) -> dict[str, str]:
    if isinstance(action, Remove) or action.wish.spec is None:
        return {}
    return _registry_auth(credentials, action.wish.spec["TaskTemplate"]["ContainerSpec"]["Image"])


def _registry_auth(credentials: coreflow_pb2.RegistryCredentials | None, image: str) -> dict[str, str]:
    # Our credentials are for our registry alone.
    if credentials is None or not image.startswith(f"{credentials.server}/"):
        return {}
    content = {
        "username": credentials.username,
        "password": credentials.password,
        "serveraddress": credentials.server,
    }
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}


def _name(action: Action) -> str:
    return action.sight.name if isinstance(action, Remove) else action.wish.name


def _lines(raw: bytes) -> list[str]:
    """The lines of a multiplexed log stream: frames of 8 bytes of header, the last 4 of them the length."""
    text = b""
    while len(raw) >= 8 and raw[0] in (0, 1, 2) and raw[1:4] == b"\0\0\0":
        length = int.from_bytes(raw[4:8], "big")
        text, raw = text + raw[8 : 8 + length], raw[8 + length :]
    return (text or raw).decode(errors="replace").splitlines()[-LOG_LINES:]


def image_error(error: str, diagnosis: str) -> tuple[str, str]:
    """The reason and message of a task that has no image, in the light of what the registry says."""
    if reason_of(error) == "NO_SUCH_IMAGE" and diagnosis:
        return reason_of(diagnosis) if reason_of(
            diagnosis
        ) != "TASK_FAILED" else "NO_SUCH_IMAGE", f"{error}: {diagnosis}"
    return reason_of(error), error
