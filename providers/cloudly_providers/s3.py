"""A bucket in an S3 store, as a place for copies. Import it only where one is asked: the client library is heavy."""

import asyncio
import secrets
from contextlib import suppress
from typing import Any

from aiohttp import ClientError as ConnectionLost
from botocore.exceptions import BotoCoreError, ClientError
from cloudly_kit.objects.s3 import S3Config, connect

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated, NotPermitted, ProviderError, Unreachable

_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "301", "IllegalLocationConstraintException"})
_CLEANING_SECONDS = 5.0


async def check(config: S3Config, prefix: str, watch: Stopwatch) -> Finding:
    """Whether objects below `prefix` can be listed, written, read back and deleted; what was written is deleted again."""
    key = f"{prefix.strip('/')}/connection-test-{secrets.token_hex(8)}".lstrip("/")
    content = secrets.token_bytes(64)
    async with connect(config, config.endpoint, attempts=1) as client:
        await _call(client, watch, config, "list_objects_v2", Prefix=key, MaxKeys=1)
        try:
            await _call(client, watch, config, "put_object", Key=key, Body=content)
            answer = await _call(client, watch, config, "get_object", Key=key)
            if await answer["Body"].read() != content:
                raise Unreachable(
                    "what was read is not what was written a moment before",
                    action="Ask whoever runs the store whether it shows objects at once.",
                )
        except BaseException:
            # Written or not, nothing stays, if it can be helped; what went wrong first is what is told.
            with suppress(ProviderError, TimeoutError):
                async with asyncio.timeout(_CLEANING_SECONDS):
                    await _call(client, watch, config, "delete_object", Key=key)
            raise
        await _call(client, watch, config, "delete_object", Key=key)
    return Finding(f"objects in {config.bucket} can be listed, written, read and deleted")


async def _call(client: Any, watch: Stopwatch, config: S3Config, operation: str, **parameters: Any) -> Any:
    try:
        answer = await getattr(client, operation)(Bucket=config.bucket, **parameters)
    except ClientError as error:
        watch.answered()
        raise _refused(error, config, operation.split("_", maxsplit=1)[0]) from error
    except (BotoCoreError, ConnectionLost, OSError, ValueError) as error:
        # The library's messages name the URL and the cause, not the keys.
        raise Unreachable(
            f"{config.endpoint} cannot be reached: {error}",
            action="Check the endpoint, its port, whether it speaks TLS, and firewalls on the way.",
        ) from error
    watch.answered()
    return answer


def _refused(error: ClientError, config: S3Config, verb: str) -> ProviderError:
    told = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code, request_id = str(told.get("Code", "")), str(metadata.get("RequestId", ""))
    if code in _CREDENTIALS:
        said = f"the store does not take the keys ({code})"
        return NotAuthenticated(said, action="Check the access key and the secret key.", request_id=request_id)
    if code == "RequestTimeTooSkewed":
        said = "the clocks of the store and of this machine differ too much"
        return NotAuthenticated(said, action="Set this machine's clock.", request_id=request_id)
    if code in _REGION:
        return NotPermitted(
            f"the bucket {config.bucket} is in another region than {config.region} ({code})",
            action="Set the bucket's region.",
            request_id=request_id,
        )
    if code == "NoSuchBucket":
        return NotPermitted(
            f"there is no bucket {config.bucket}", action="Make it, or name another.", request_id=request_id
        )
    if int(metadata.get("HTTPStatusCode") or 0) >= 500:
        said = f"the store answers {code}: the fault is on its side"
        return Unreachable(said, action="Try again later.", request_id=request_id)
    return NotPermitted(
        f"the store does not allow to {verb} in {config.bucket} ({code})",
        action="Let the keys list, get, put and delete objects in the bucket.",
        request_id=request_id,
    )
