"""Pulling from registries: which credentials go where, and what a registry's complaint means. Pure."""

import base64
import json
from collections.abc import Iterable

from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow.references import server_of
from cloudly_coreflow.sight import reason_of


class Keychain:
    """Credentials by the registry that they are for: Cloudly's own, and those of external registries."""

    def __init__(
        self,
        own: coreflow_pb2.RegistryCredentials | None = None,
        external: Iterable[coreflow_pb2.RegistryCredentials] = (),
    ) -> None:
        self._by_server = {held.server: held for held in external}
        if own is not None:
            self._by_server[own.server] = own

    def of(self, image: str) -> coreflow_pb2.RegistryCredentials | None:
        """What to pull an image with; None where its registry wants nothing of us."""
        return self._by_server.get(server_of(image))

    def all(self) -> Iterable[coreflow_pb2.RegistryCredentials]:
        """All of them."""
        return self._by_server.values()


def authorization(keychain: Keychain, image: str) -> dict[str, str]:
    """Docker's header (Engine API, "Authentication"); credentials go to the registry that they are for alone."""
    credentials = keychain.of(image)
    if credentials is None:
        return {}
    content = {
        "username": credentials.username,
        "password": credentials.password,
        "serveraddress": credentials.server,
    }
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}


def image_error(error: str, diagnosis: str) -> tuple[str, str]:
    """The reason and message of a task that has no image, in the light of what its registry says."""
    if not diagnosis:
        return reason_of(error), error
    # Whatever the registry says, the image is not to be had; being denied is the one case with another remedy.
    reason = "PULL_DENIED" if reason_of(diagnosis) == "PULL_DENIED" else "NO_SUCH_IMAGE"
    return reason, f"{error}: {diagnosis}"
