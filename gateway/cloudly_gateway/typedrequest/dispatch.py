"""One request envelope in, one answer envelope out."""

import structlog
from cloudly_kit import rpc_client
from cloudly_kit.errors import DeadlineExceeded, DomainError, Internal

from cloudly_gateway.typedrequest.adapters import ADAPTERS
from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.envelope import Envelope
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import identity

log = structlog.get_logger()


async def dispatch(envelope: Envelope, calls: Calls) -> bytes:
    """Call what the envelope asks for; whatever goes wrong becomes an `error` in the answer.

    To be run in a task of its own where several run at once: it sets on whose behalf this task's calls are made.
    """
    adapter = ADAPTERS.get(envelope.method)
    if adapter is None:
        return envelope.failure(f"Cloudly knows no method named {envelope.method!r}", {})
    try:
        request = Fields(envelope.request)
        rpc_client.on_behalf_of.set(identity.token(request))
        return envelope.answer(await adapter(request, calls))
    except DomainError as error:
        return envelope.refusal(error)
    except TimeoutError:
        return envelope.refusal(DeadlineExceeded())
    except Exception:
        log.exception("typedrequest.failed", method=envelope.method)
        return envelope.refusal(Internal())
