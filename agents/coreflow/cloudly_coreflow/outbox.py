"""What waits to be sent on a stream: bounded, since only the newest report counts and receipts are few."""

import asyncio
from collections import deque

from cloudly.coreflow.v1 import coreflow_pb2

RECEIPTS_KEPT = 16
"""More never wait but on a dead connection; each new push makes the receipts of older ones pointless."""


class Outbox:
    """The messages of one connection, in the order heartbeat, receipts, report."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._beat = False
        self._receipts: deque[coreflow_pb2.ConfigReceipt] = deque(maxlen=RECEIPTS_KEPT)
        self._status: coreflow_pb2.StatusReport | None = None
        self._filled = asyncio.Event()

    def beat(self) -> None:
        """Say that we live."""
        self._beat = True
        self._filled.set()

    def receipt(self, receipt: coreflow_pb2.ConfigReceipt) -> None:
        """Tell what became of a configuration."""
        self._receipts.append(receipt)
        self._filled.set()

    def status(self, status: coreflow_pb2.StatusReport) -> None:
        """Tell what is seen; replaces a report that still waits."""
        self._status = status
        self._filled.set()

    async def take(self) -> coreflow_pb2.ConnectRequest:
        """The next message, when there is one."""
        while True:
            if self._beat:
                self._beat = False
                return coreflow_pb2.ConnectRequest(epoch=self._epoch, heartbeat=coreflow_pb2.Heartbeat())
            if self._receipts:
                return coreflow_pb2.ConnectRequest(epoch=self._epoch, receipt=self._receipts.popleft())
            if self._status is not None:
                status, self._status = self._status, None
                return coreflow_pb2.ConnectRequest(epoch=self._epoch, status=status)
            self._filled.clear()
            await self._filled.wait()
