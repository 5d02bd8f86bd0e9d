"""What the handlers work with, wired in main.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloudly_kit.addresses import Network
from cloudly_kit.audit.journal import Journal
from cloudly_kit.objects import ObjectStore

from cloudly_registry.blobs import Blobs
from cloudly_registry.images import Images
from cloudly_registry.manifests import Manifests
from cloudly_registry.peers import Logins
from cloudly_registry.pull_through.copies import Copies
from cloudly_registry.pull_through.fetches import Fetches
from cloudly_registry.pull_through.sources import Sources
from cloudly_registry.refresh_tokens import RefreshTokens
from cloudly_registry.store import RegistryStore
from cloudly_registry.tokens import AccessTokens
from cloudly_registry.uploads import Uploads


@dataclass(frozen=True)
class Parts:
    """The domain, and the settings that handlers need."""

    store: RegistryStore
    images: Images
    blobs: Blobs
    uploads: Uploads
    manifests: Manifests
    sources: Sources
    copies: Copies
    fetches: Fetches
    objects: ObjectStore
    logins: Logins
    tokens: AccessTokens
    journal: Journal
    refresh_tokens: RefreshTokens
    public_origin: str
    registry_host: str
    deletes: bool
    idle_seconds: float
    trusted_proxies: Sequence[Network]
