"""Taking in configurations: what is checked before one replaces the last good one, which is kept on disk."""

import hashlib
import time

from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow.registries import Keychain
from cloudly_coreflow.state import State


class Configurations:
    """The last good configuration and the newest credentials."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.push = state.push()
        self.credentials = state.credentials()
        self.external = state.external_credentials()
        self._offered: coreflow_pb2.RegistryCredentials | None = None

    @property
    def keychain(self) -> Keychain:
        """All that images are pulled with."""
        return Keychain(self.credentials, self.external.registries)

    def adopt_offered(self) -> None:
        """Use the newest credentials from now on: the held ones grow old, or a registry denies them."""
        if self._offered is not None and self._offered != self.credentials:
            self.credentials = self._offered
            self._state.keep_credentials(self._offered)

    def take(self, push: coreflow_pb2.ConfigPush, cluster_id: str) -> str:
        """Take in a push for the cluster whose identity we have.

        Returns:
            Why it cannot be taken, in which case the last good one stays; else nothing, and it is on disk.
        """
        if push.HasField("credentials"):
            self._offered = push.credentials
            if self.credentials is None or _is_due(self.credentials, push.credentials):
                self.adopt_offered()
        if push.HasField("external_credentials") and push.external_credentials != self.external:
            self.external = push.external_credentials
            self._state.keep_external_credentials(self.external)
        held = self.push
        whole = coreflow_pb2.ConfigPush()
        whole.CopyFrom(push)
        if not push.HasField("configuration"):
            if held is None or held.hash != push.hash:
                return "the server thinks that this agent holds a configuration which it does not hold"
            whole.configuration.CopyFrom(held.configuration)
        elif _is_verifiable(push.configuration) and _hash(push.configuration) != push.hash:
            return "the configuration does not match its hash"
        named = whole.configuration.cluster_id
        if cluster_id and named != cluster_id:
            return f"the configuration is of the cluster {named}, the jump code of {cluster_id}"
        if held is not None and held.configuration.cluster_id != named:
            before = held.configuration.cluster_id
            return f"this agent belongs to the cluster {before}: use another state directory for {named}"
        self._state.keep_push(whole)
        self.push = whole
        return ""


def _is_due(held: coreflow_pb2.RegistryCredentials, offered: coreflow_pb2.RegistryCredentials) -> bool:
    # Each connection brings fresh ones, and giving them to every service is work for Swarm: half a life is soon enough.
    if (held.server, held.username) != (offered.server, offered.username):
        return True
    now = time.time()
    return held.expire_time.ToSeconds() - now <= (offered.expire_time.ToSeconds() - now) / 2


def _hash(configuration: coreflow_pb2.Configuration) -> str:
    return hashlib.sha256(configuration.SerializeToString(deterministic=True)).hexdigest()


def _is_verifiable(configuration: coreflow_pb2.Configuration) -> bool:
    # Fields of a newer contract are kept when parsed, but not in their place when serialised: the hash would differ.
    known = coreflow_pb2.Configuration()
    known.CopyFrom(configuration)
    known.DiscardUnknownFields()
    return known.ByteSize() == configuration.ByteSize()
