"""For tests: a receiver of webhooks, and webhooks as an admin sees them."""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from cloudly.registry.v1 import webhook_pb2 as pb
from cloudly.registry.v1.webhook_pb2_grpc import WebhookServiceStub
from cloudly_kit.testing import ServiceHarness

EVERYTHING = [
    pb.WEBHOOK_EVENT_IMAGE_PUSHED,
    pb.WEBHOOK_EVENT_TAG_MOVED,
    pb.WEBHOOK_EVENT_TAG_DELETED,
    pb.WEBHOOK_EVENT_MANIFEST_DELETED,
    pb.WEBHOOK_EVENT_IMAGE_DELETED,
]


class Receiver:
    """A real HTTP server that notes what it gets; `answer` decides what it says, once `hold` is set."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[web.Request], web.Response] = lambda _: web.Response(status=204)
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Any request."""
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        await self.hold.wait()
        return self.answer(request)

    async def until_got(self, count: int) -> None:
        """Wait for so many messages, or more."""

        async def got() -> bool:
            return len(self.got) >= count

        await _until(got)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies."""
        return [orjson.loads(body) for _, body in self.got]

    @property
    def ids(self) -> list[str]:
        """What receivers know a message by."""
        return [headers["webhook-id"] for headers, _ in self.got]


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver, with TLS where a context is given."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    receiver.url = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.hold.set()
        await runner.cleanup()


class Hooks:
    """WebhookService as somebody calls it."""

    def __init__(self, stub: Any) -> None:
        self.rpc = stub

    async def make(self, receiver: Receiver, **fields: Any) -> pb.CreateWebhookResponse:
        """A webhook that tells a receiver everything, unless the fields say otherwise."""
        wished = {
            "name": f"h{uuid.uuid4().hex[:8]}",
            "url": receiver.url,
            "allow_http": receiver.url.startswith("http:"),
            "events": EVERYTHING,
            **fields,
        }
        answer: pb.CreateWebhookResponse = await self.rpc.CreateWebhook(
            pb.CreateWebhookRequest(webhook=pb.Webhook(**wished))
        )
        return answer

    async def get(self, id: str) -> pb.Webhook:
        """A webhook."""
        webhook: pb.Webhook = (await self.rpc.GetWebhook(pb.GetWebhookRequest(webhook_id=id))).webhook
        return webhook

    async def test(self, id: str) -> pb.WebhookDelivery:
        """What comes of trying it out."""
        tried: pb.WebhookDelivery = (await self.rpc.TestWebhook(pb.TestWebhookRequest(webhook_id=id))).delivery
        return tried

    async def deliveries(self, id: str, filter: str = "") -> list[pb.WebhookDelivery]:
        """Its newest deliveries."""
        asked = pb.ListWebhookDeliveriesRequest(webhook_id=id, filter=filter)
        return list((await self.rpc.ListWebhookDeliveries(asked)).deliveries)

    async def until_delivered(self, id: str, count: int) -> None:
        """Wait until so many of its messages were taken."""

        async def done() -> bool:
            return len(await self.deliveries(id, 'state = "DELIVERED"')) == count

        await _until(done)

    async def until_state(self, id: str, state: int) -> None:
        """Wait until it is in a state."""

        async def reached() -> bool:
            return (await self.get(id)).state == state

        await _until(reached)


@asynccontextmanager
async def hooks(harness: ServiceHarness, *roles: str) -> AsyncIterator[Hooks]:
    """WebhookService for somebody with these roles."""
    async with harness.channel("registry", *roles) as channel:
        yield Hooks(WebhookServiceStub(channel))


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float = 45) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.05)
