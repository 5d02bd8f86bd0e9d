"""The gRPC surfaces of the registry."""

from cloudly_registry.servicers.external_registries import ExternalRegistryServicer
from cloudly_registry.servicers.image_archives import ImageArchiveServicer
from cloudly_registry.servicers.image_versions import ImageVersionServicer
from cloudly_registry.servicers.images import ImageServicer
from cloudly_registry.servicers.signatures import SignatureServicer
from cloudly_registry.servicers.webhooks import WebhookServicer

__all__ = [
    "ExternalRegistryServicer",
    "ImageArchiveServicer",
    "ImageServicer",
    "ImageVersionServicer",
    "SignatureServicer",
    "WebhookServicer",
]
