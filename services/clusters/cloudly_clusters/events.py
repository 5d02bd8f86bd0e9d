"""What clusters publishes, and what it hears."""

from collections.abc import Awaitable, Callable, Mapping

from cloudly.registry.v1 import push_pb2, referrer_pb2
from cloudly_kit.events import Event
from cloudly_kit.settings_view import SettingsView
from cloudly_kit.store import Session

from cloudly_clusters.pushes import Pushes

PUBLISHES: Mapping[str, tuple[str, ...]] = {}
"""Topics by their readers; clusters publishes none yet."""

HEARS: Mapping[str, tuple[str, ...]] = {
    "registry": ("image.pushed", "referrer.pushed"),
    "auth": ("settings.changed.clusters",),
}
"""Topics by the service that publishes them."""


def handlers(pushes: Pushes, settings: SettingsView) -> Mapping[str, Callable[[Event, Session], Awaitable[None]]]:
    """What to do about each topic heard."""

    async def image_pushed(event: Event, session: Session) -> None:
        await pushes.image_pushed(event.payload(push_pb2.ImagePushed), session)

    async def referrer_pushed(event: Event, session: Session) -> None:
        await pushes.referrer_pushed(event.payload(referrer_pb2.ReferrerPushed), session)

    return {"image.pushed": image_pushed, "referrer.pushed": referrer_pushed, **settings.handlers()}
