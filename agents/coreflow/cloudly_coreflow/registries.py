"""Pulling from registries: which credentials go where, and what a registry's complaint means. Pure."""

import base64
import json

from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow.sight import reason_of


def authorization(credentials: coreflow_pb2.RegistryCredentials | None, image: str) -> dict[str, str]:
    """Docker's header (Engine API, "Authentication"); our credentials go to our registry alone."""
    if credentials is None or not image.startswith(f"{credentials.server}/"):
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
