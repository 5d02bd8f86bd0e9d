"""What webhooks tell, as CloudEvents 1.0 in JSON or as the call of a legacy system (docs/webhooks.md). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import orjson
from cloudly.registry.v1 import deletion_pb2, push_pb2
from cloudly_kit.store.documents import milliseconds

from cloudly_registry.webhooks.store import Event, Format, WebhookDocument

TYPES = {
    Event.IMAGE_PUSHED: "cloudly.image.pushed",
    Event.TAG_MOVED: "cloudly.tag.moved",
    Event.TAG_DELETED: "cloudly.tag.deleted",
    Event.MANIFEST_DELETED: "cloudly.manifest.deleted",
    Event.IMAGE_DELETED: "cloudly.image.deleted",
    Event.TEST: "cloudly.webhook.test",
}
CONTENT_TYPES = {
    Format.CLOUD_EVENTS: "application/cloudevents+json; charset=utf-8",
    Format.TYPED_REQUEST: "application/json",
}
INFORM = "servezonestandard_InformAboutNewContainerVersion"


@dataclass(frozen=True)
class Message:
    """Something to tell."""

    event: Event
    repository: str
    subject: str
    time: datetime
    data: Mapping[str, str]

    def body(self, format: Format, id: str, source: str) -> str:
        """As it is sent; the same message for the same webhook has the same id."""
        return self._call(id) if format is Format.TYPED_REQUEST else self._cloud_event(id, source)

    def _call(self, id: str) -> str:
        """A TypedRequest envelope: of an IContainer `tag` is the repository and `version` the tag."""
        repository, tag = self.data["repository"], self.data["tag"]
        host = self.data["reference"].partition("/")[0]
        call = {
            "method": INFORM,
            "request": {"containerImageInfo": {"registryUrl": host, "tag": repository, "version": tag, "labels": []}},
            "response": None,
            "correlation": {"id": id, "phase": "request"},
        }
        return orjson.dumps(call).decode()

    def _cloud_event(self, id: str, source: str) -> str:
        event = {
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": TYPES[self.event],
            "subject": self.subject,
            "time": milliseconds(self.time),
            "datacontenttype": "application/json",
            "data": {name: value for name, value in self.data.items() if value},
        }
        return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()


def of_push(push: push_pb2.ImagePushed, registry_host: str, time: datetime) -> Iterator[Message]:
    """What a push tells."""
    subject = f"{push.repository}:{push.tag}"
    data = {
        "imageId": push.image_id,
        "repository": push.repository,
        "tag": push.tag,
        "digest": push.digest,
        "previousDigest": push.previous_digest,
        "mediaType": push.media_type,
        "reference": f"{registry_host}/{subject}@{push.digest}",
        "actor": push.pushed_by,
    }
    yield Message(Event.IMAGE_PUSHED, push.repository, subject, time, data)
    if push.previous_digest not in ("", push.digest):
        yield Message(Event.TAG_MOVED, push.repository, subject, time, data)


def of_deletion(deletion: deletion_pb2.ContentDeleted, time: datetime) -> Message:
    """What a deletion tells."""
    if deletion.tag:
        event, subject = Event.TAG_DELETED, f"{deletion.repository}:{deletion.tag}"
    elif deletion.digest:
        event, subject = Event.MANIFEST_DELETED, f"{deletion.repository}@{deletion.digest}"
    else:
        event, subject = Event.IMAGE_DELETED, deletion.repository
    data = {
        "imageId": deletion.image_id,
        "repository": deletion.repository,
        "tag": deletion.tag,
        "digest": deletion.digest,
        "reason": deletion.reason,
        "actor": deletion.deleted_by,
    }
    return Message(event, deletion.repository, subject, time, data)


def of_test(webhook: WebhookDocument, actor: str, time: datetime) -> Message:
    """What somebody sends to try a webhook out."""
    return Message(Event.TEST, "", webhook.name, time, {"webhookId": webhook.id, "actor": actor})


def concerns(webhook: WebhookDocument, message: Message) -> bool:
    """Whether a webhook wants to be told."""
    if message.event not in webhook.events:
        return False
    return not webhook.repositories or any(fnmatchcase(message.repository, p) for p in webhook.repositories)
