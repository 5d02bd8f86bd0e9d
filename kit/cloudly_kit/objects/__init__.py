"""Large objects behind one interface: a local directory by default, any S3 where one is configured."""

from cloudly_kit.config import ServiceSettings
from cloudly_kit.objects.directory import DirectoryStore
from cloudly_kit.objects.signing import UrlSigner
from cloudly_kit.objects.store import Hasher, ObjectStat, ObjectStore, Upload

__all__ = ["DirectoryStore", "Hasher", "ObjectStat", "ObjectStore", "Upload", "UrlSigner", "from_settings"]


def from_settings(settings: ServiceSettings) -> ObjectStore:
    """The store that the settings ask for; open it with `async with`."""
    if not settings.s3_endpoint:
        return DirectoryStore(settings.data_dir / "objects", origin=settings.public_origin)
    from cloudly_kit.objects.s3 import S3Config, S3Store  # half a second of imports that a directory does not need

    return S3Store(S3Config.from_settings(settings))
