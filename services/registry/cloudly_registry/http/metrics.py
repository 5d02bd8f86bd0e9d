"""What the HTTP side counts."""

from prometheus_client import Counter

REQUESTS = Counter("cloudly_registry_requests_total", "Answered HTTP requests.", ["method", "status"])
BYTES_IN = Counter("cloudly_registry_pushed_bytes_total", "Bytes of blobs and manifests received.")
BYTES_OUT = Counter("cloudly_registry_pulled_bytes_total", "Bytes of blobs sent, or redirected to the object store.")
