"""The errors of OCI Distribution 1.1, each with its code and HTTP status; raised by the domain."""

from collections.abc import Sequence
from typing import Any


class OciError(Exception):
    """What a client of /v2 is told: `{"errors": [{code, message, detail}]}`."""

    code = "UNKNOWN"
    status = 500

    def __init__(self, message: str, detail: Any = None, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        if status is not None:
            self.status = status


class NameInvalid(OciError):
    """A repository or tag outside of the grammar."""

    code, status = "NAME_INVALID", 400


class NameUnknown(OciError):
    """There is no such repository."""

    code, status = "NAME_UNKNOWN", 404

    def __init__(self, repository: str) -> None:
        super().__init__("repository name not known to registry", {"name": repository})


class DigestInvalid(OciError):
    """A digest outside of the grammar, or not that of the content."""

    code, status = "DIGEST_INVALID", 400


class SizeInvalid(OciError):
    """The length told is not the length sent, or the content is too large."""

    code, status = "SIZE_INVALID", 400


class BlobUnknown(OciError):
    """The repository has no such blob."""

    code, status = "BLOB_UNKNOWN", 404

    def __init__(self, digest: str) -> None:
        super().__init__("blob unknown to registry", {"digest": digest})


class UploadUnknown(OciError):
    """There is no such upload in this repository: never begun, finished, cancelled, or too old."""

    code, status = "BLOB_UPLOAD_UNKNOWN", 404

    def __init__(self, upload_id: str) -> None:
        super().__init__("blob upload unknown to registry", {"upload": upload_id})


class UploadInvalid(OciError):
    """The upload cannot go on like this."""

    code, status = "BLOB_UPLOAD_INVALID", 400


class RangeInvalid(UploadInvalid):
    """The chunk does not begin where the upload stands, which is `offset`."""

    status = 416

    def __init__(self, offset: int) -> None:
        super().__init__("the chunk does not begin where the upload stands", {"offset": offset})
        self.offset = offset


class ManifestUnknown(OciError):
    """The repository has no such manifest or tag."""

    code, status = "MANIFEST_UNKNOWN", 404

    def __init__(self, reference: str) -> None:
        super().__init__("manifest unknown to registry", {"reference": reference})


class ManifestInvalid(OciError):
    """Not a manifest that can be kept."""

    code, status = "MANIFEST_INVALID", 400


class ManifestTooLarge(OciError):
    """More than 4 MiB."""

    code, status = "SIZE_INVALID", 413


class ManifestBlobUnknown(OciError):
    """Blobs or manifests that the manifest refers to are not in the repository."""

    code, status = "MANIFEST_BLOB_UNKNOWN", 404

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("manifest references unknown content", [{"digest": digest} for digest in missing])


class Unauthorized(OciError):
    """Credentials are missing or wrong; the answer carries a challenge."""

    code, status = "UNAUTHORIZED", 401

    def __init__(self, message: str, *, challenge: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge


class Denied(OciError):
    """Who asks may not do this."""

    code, status = "DENIED", 403


class Unsupported(OciError):
    """The registry does not do this."""

    code, status = "UNSUPPORTED", 405


class ServiceUnavailable(OciError):
    """A part that is needed does not answer; try again."""

    code, status = "UNAVAILABLE", 503


class TooManyRequests(OciError):
    """Slow down."""

    code, status = "TOOMANYREQUESTS", 429
