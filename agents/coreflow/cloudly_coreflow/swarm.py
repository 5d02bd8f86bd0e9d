"""Docker Swarm through the engine's API (v1.41): what of ours runs there, and the few changes we make."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
import structlog
from aiodocker.exceptions import DockerError

from cloudly_coreflow import specs
from cloudly_coreflow.plan import Action, Create, Deny, Remove, Renew, Update
from cloudly_coreflow.registries import Keychain, authorization
from cloudly_coreflow.sight import Json

log = structlog.get_logger()

CALL_SECONDS = 30.0
DIAGNOSIS_SECONDS = 3.0
DIAGNOSIS_KEPT_SECONDS = 30.0
IMPORT_SECONDS = 300.0
LOG_SECONDS = 5.0
LOG_LINES = 20
TAILS_KEPT = 2_000
OUT_OF_SEQUENCE_ATTEMPTS = 5
EVENTS = {
    "type": ["service", "node", "container"],
    # Not the `exec_…` of health checks, which come without end.
    "event": ["create", "update", "remove", "start", "die", "oom", "health_status", "destroy"],
}


class Refused(Exception):
    """Docker does not take it; the message is for people."""


class Moved(Exception):
    """The service is no longer as it was when the action was planned: look again."""


class Swarm:
    """The Swarm whose manager we talk to. It shows and changes nothing but what bears our label of this cluster."""

    def __init__(self, docker: aiodocker.Docker, subnet: str = "") -> None:
        self._docker = docker
        self._subnet = subnet
        self._tails: dict[str, list[str]] = {}
        self._diagnoses: dict[str, tuple[float, str]] = {}

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
            body: dict[str, Any] = {
                "Name": specs.NETWORK,
                "Driver": "overlay",
                "Attachable": True,
                "CheckDuplicate": True,
            }
            if self._subnet:
                body["IPAM"] = {"Config": [{"Subnet": self._subnet}]}
            await self._call("networks/create", "POST", data=body)
            log.info("network.created", network=specs.NETWORK)

    async def events(self) -> AsyncIterator[None]:
        """Something has happened that may matter; until the engine goes away.

        Raises:
            DockerError, OSError: the engine went away.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None)
        async with self._docker._query("events", params={"filters": json.dumps(EVENTS)}, timeout=timeout) as response:
            async for _ in response.content:
                yield

    async def own_node(self) -> str:
        """The id of the node we run on."""
        return str((await self._call("info"))["Swarm"]["NodeID"])

    async def services(self, cluster_id: str) -> tuple[list[Json], frozenset[str]]:
        """Our services, and the names of all others."""
        ours, strangers = [], set()
        for service in await self._call("services"):
            labels = service["Spec"].get("Labels") or {}
            if labels.get(specs.CLUSTER) == cluster_id and labels.get(specs.WORKLOAD):
                ours.append(service)
            else:
                strangers.add(str(service["Spec"]["Name"]))
        return ours, frozenset(strangers)

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

    async def act(self, action: Action, cluster_id: str, keychain: Keychain) -> None:
        """Do one action; doing it again does no harm.

        Raises:
            Refused: Docker does not take it.
            Moved: the service has changed since it was looked at.
        """
        try:
            match action:
                case Create(wish):
                    body = {"Name": wish.name, **specs.labelled(wish, cluster_id, wish.generation)}
                    headers = authorization(keychain, wish.image)
                    await self._call("services/create", "POST", data=body, headers=headers)
                case Update(wish, sight, template_generation):
                    body = {"Name": sight.name, **specs.labelled(wish, cluster_id, template_generation)}
                    await self._update(sight.id, sight.spec_hash, body, authorization(keychain, wish.image))
                case Renew(sight, version):
                    spec = (await self._call(f"services/{sight.id}"))["Spec"]
                    spec["Labels"][specs.CREDENTIALS] = version
                    await self._update(sight.id, sight.spec_hash, spec, authorization(keychain, sight.image))
                case Remove(sight):
                    await self._call(f"services/{sight.id}", "DELETE")
                case Deny(_, message):
                    raise Refused(message)
        except DockerError as error:
            if error.status == 900:
                # aiodocker's number for an engine that does not answer.
                raise
            if isinstance(action, Create) and error.status == 409:
                # Made by an earlier try whose answer was lost, or by somebody else: the next look tells.
                raise Moved(error.message) from error
            if error.status == 404:
                if isinstance(action, Remove):
                    return
                raise Moved(error.message) from error
            raise Refused(error.message) from error
        log.info("swarm.acted", action=type(action).__name__.lower(), workload=action.key)

    async def last_words(self, task: Json) -> list[str]:
        """The last log lines of a task that has ended; asked for once."""
        task_id = task["ID"]
        if task_id not in self._tails:
            while len(self._tails) >= TAILS_KEPT:
                del self._tails[next(iter(self._tails))]
            self._tails[task_id] = await self._log(task_id)
        return self._tails[task_id]

    async def diagnose(self, image: str, keychain: Keychain) -> str:
        """Why an image cannot be had, asked of its registry: Swarm says "No such image" whatever was the matter."""
        now = asyncio.get_running_loop().time()
        asked, diagnosis = self._diagnoses.get(image, (float("-inf"), ""))
        if now - asked > DIAGNOSIS_KEPT_SECONDS:
            self._diagnoses = {name: kept for name, kept in self._diagnoses.items() if now - kept[0] < 600}
            try:
                async with asyncio.timeout(DIAGNOSIS_SECONDS):
                    await self._call(f"distribution/{image}/json", headers=authorization(keychain, image))
                diagnosis = ""
            except DockerError as error:
                diagnosis = error.message
            except TimeoutError:
                diagnosis = "its registry does not answer"
            self._diagnoses[image] = now, diagnosis
        return diagnosis

    async def has_image(self, image: str) -> bool:
        """Whether the engine has an image."""
        try:
            await self._call(f"images/{image}/json")
        except DockerError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def import_image(self, tar: Path, repository: str, tag: str, change: str) -> None:
        """Make an image of a tar of its files, with one Dockerfile instruction on top."""
        params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": change}
        headers = {"Content-Type": "application/x-tar"}
        with tar.open("rb") as content:
            async with (
                asyncio.timeout(IMPORT_SECONDS),
                self._docker._query(
                    "images/create", method="POST", params=params, data=content, headers=headers, timeout=None
                ) as response,
            ):
                await response.read()

    async def gateway(self) -> str:
        """The address at which containers reach this host."""
        network = await self._call("networks/docker_gwbridge")
        pool = network["IPAM"]["Config"][0]
        # Made by hand with a subnet alone, the network does not tell its gateway: it is the first address.
        return str(pool.get("Gateway") or ipaddress.ip_network(pool["Subnet"])[1])

    async def _update(
        self, service_id: str, spec_hash: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        for attempt in range(OUT_OF_SEQUENCE_ATTEMPTS):
            service = await self._call(f"services/{service_id}")
            if service["Spec"]["Labels"].get(specs.SPEC_HASH, "") != spec_hash:
                # Swarm has rolled it back meanwhile: to write now would undo that unseen.
                raise Moved(f"the service {service_id} is not what it was")
            params = {"version": str(service["Version"]["Index"]), "registryAuthFrom": "spec"}
            try:
                await self._call(f"services/{service_id}/update", "POST", params=params, data=body, headers=headers)
            except DockerError as error:
                # Swarm itself changed the service between our read and our write.
                if "out of sequence" not in error.message:
                    raise
                await asyncio.sleep(0.1 * (attempt + 1))
            else:
                return
        raise Moved(f"the service {service_id} changes faster than it can be updated")

    async def _log(self, task_id: str) -> list[str]:
        params = {"stdout": "1", "stderr": "1", "tail": str(LOG_LINES)}
        try:
            async with (
                asyncio.timeout(LOG_SECONDS),
                self._docker._query(f"tasks/{task_id}/logs", params=params) as response,
            ):
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


def _lines(raw: bytes) -> list[str]:
    """The lines of a multiplexed log stream: frames of 8 bytes of header, the last 4 of them the length."""
    text = b""
    while len(raw) >= 8 and raw[0] in (0, 1, 2) and raw[1:4] == b"\0\0\0":
        length = int.from_bytes(raw[4:8], "big")
        text, raw = text + raw[8 : 8 + length], raw[8 + length :]
    return (text or raw).decode(errors="replace").splitlines()[-LOG_LINES:]
