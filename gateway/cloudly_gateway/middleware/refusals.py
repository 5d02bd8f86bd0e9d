"""Turns whatever is raised below into a problem document; what nobody foresaw is logged whole and told as INTERNAL."""

import structlog
from cloudly_kit.errors import DomainError, Internal
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloudly_gateway.middleware.context import request_id_of
from cloudly_gateway.problems import HttpProblem, problem_response

log = structlog.get_logger()


class Refusals:
    """The one translator of errors into HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            Exception: what failed after the answer had begun; the server then breaks the connection off.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        raised: DomainError | HttpProblem
        try:
            await self._app(scope, receive, sending)
            return
        except ClientDisconnect:
            return
        except (DomainError, HttpProblem) as refusal:
            if begun:
                raise
            raised = refusal
        except Exception as error:
            if begun:
                raise
            log.exception("http.failed", path=scope["path"])
            raised = Internal()
            raised.__cause__ = error
        await problem_response(raised, request_id_of(scope))(scope, receive, send)
