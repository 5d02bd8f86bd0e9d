"""CoreflowService: the agents' streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc
from cloudly_kit.errors import DeadlineExceeded, InvalidArgument
from cloudly_kit.identity import caller

from cloudly_clusters.streams import Session, Streams

HELLO_SECONDS = 10.0


class CoreflowServicer(coreflow_pb2_grpc.CoreflowServiceServicer):
    """See proto/cloudly/coreflow/v1/coreflow.proto."""

    def __init__(self, streams: Streams, lease_seconds: int) -> None:
        self._streams = streams
        self._silence_seconds = float(lease_seconds)

    async def Connect(
        self, request_iterator: AsyncIterator[coreflow_pb2.ConnectRequest], context: Any
    ) -> AsyncIterator[coreflow_pb2.ConnectResponse]:
        """One agent's connection, from its Hello to its end."""
        cluster_id = caller().identity.cluster_id
        requests = aiter(request_iterator)
        try:
            first = await asyncio.wait_for(anext(requests), HELLO_SECONDS)
        except (TimeoutError, StopAsyncIteration) as error:
            raise DeadlineExceeded("no Hello came") from error
        if first.WhichOneof("message") != "hello":
            raise InvalidArgument.of(("message", "the first message must be a Hello"))
        session = await self._streams.open(cluster_id, first.hello)
        # Both tasks end with this generator, which grpc closes when the connection ends.
        tasks = [
            asyncio.create_task(self._read(session, requests), name=f"agent-read-{cluster_id}"),
            asyncio.create_task(self._streams.write_reports(session), name=f"agent-reports-{cluster_id}"),
        ]
        for task in tasks:
            task.add_done_callback(lambda _: self._wake(session))
        try:
            async for message in self._streams.messages(session):
                yield message
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._streams.close(session)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _read(self, session: Session, requests: AsyncIterator[coreflow_pb2.ConnectRequest]) -> None:
        # An agent that is silent for a whole lease is gone, whatever the transport believes.
        while True:
            try:
                message = await asyncio.wait_for(anext(requests), self._silence_seconds)
            except (TimeoutError, StopAsyncIteration):
                return
            await self._streams.receive(session, message)

    @staticmethod
    def _wake(session: Session) -> None:
        session.ended = True
        session.wake.set()
