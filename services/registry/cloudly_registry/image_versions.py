"""Versions of images as people look at them, tag and delete them: manifests by digest, taken apart."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from cloudly_kit.store import Page, PageRequest
from cloudly_kit.store.filtering import add_condition
from cloudly_kit.store.paging import Position, fingerprint, from_token, page_size, to_token

from cloudly_registry.blobs import Blobs
from cloudly_registry.collector_store import CollectorStore
from cloudly_registry.documents import ImageDocument, ManifestRow, Version
from cloudly_registry.errors import Denied, DigestInvalid, ManifestInvalid, ManifestUnknown, NameUnknown
from cloudly_registry.image_config import ImageConfig, image_config
from cloudly_registry.manifest_format import DOCKER_LIST, IMAGE_CONFIGS, OCI_INDEX, Descriptor, Manifest, parse
from cloudly_registry.manifests import Manifests
from cloudly_registry.references import checked_reference, is_digest
from cloudly_registry.referrer_kinds import (
    BUILDKIT_SUBJECT,
    ReferrerKind,
    fallback_tags,
    is_fallback_tag,
    kind_of,
    kind_of_tag,
)
from cloudly_registry.retention import Outdated, RetentionRule
from cloudly_registry.store import RegistryStore
from cloudly_registry.version_store import FILTERS, Usage, VersionStore

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
_BATCH = 100
_BATCHES = 10
_MOST_TAGGED = 500
"""So many digests are asked for by name; where a pattern means more, the versions are looked through."""
"""How many rows a page looks through; what is left out may be most of them."""
_PARTS_SHOWN = 50
_REFERRERS_SHOWN = 100
_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class ImageVersion:
    """A manifest with all that points to it."""

    row: ManifestRow
    tags: Sequence[Version]
    """The one that was moved last first."""
    pinned_by: Sequence[str]
    """Ids of clusters that need it, or an index with it."""

    @property
    def is_index(self) -> bool:
        """Whether it is several images under one digest."""
        return self.row.media_type in INDEXES

    @property
    def is_image(self) -> bool:
        """Whether an engine can run it."""
        return not self.is_index and self.row.artifact_type in IMAGE_CONFIGS


@dataclass(frozen=True)
class Part:
    """An image manifest or artifact, taken apart; of what is not here only what the index says is known."""

    descriptor: Descriptor
    artifact_type: str
    platform: str
    size: int
    annotations: dict[str, str]
    layers: Sequence[Descriptor] = ()
    config: ImageConfig | None = None
    present: bool = True

    @property
    def attests(self) -> str:
        """The digest that a BuildKit attestation is about."""
        return self.descriptor.annotations.get(BUILDKIT_SUBJECT, "")


@dataclass(frozen=True)
class Referrer:
    """A signature, an SBOM, an attestation or something else about a version."""

    row: ManifestRow
    kind: ReferrerKind
    tag: str = ""


@dataclass(frozen=True)
class Details:
    """Everything about a version."""

    version: ImageVersion
    parts: Sequence[Part]
    part_count: int
    referrers: Sequence[Referrer]
    part_of: Sequence[str]


class ImageVersions:
    """Versions of all images."""

    def __init__(self, store: RegistryStore, blobs: Blobs, manifests: Manifests) -> None:
        self._store = store
        self._rows = VersionStore(store)
        self._blobs = blobs
        self._manifests = manifests

    async def page(
        self, image_id: str, request: PageRequest, *, tag: str = "", every: bool = False
    ) -> Page[ImageVersion]:
        """Versions, newest push first: those with a tag that matches the pattern `tag`, if there is one.

        Parts of indexes and what refers to other versions are left out unless they have tags of their own, or `every`.

        Raises:
            InvalidArgument, InvalidPageToken: as lists of the store.
        """
        size = page_size(request)
        mark = fingerprint([image_id], request, [("tag", tag), ("every", str(every))])
        position = from_token(request.page_token, mark, 1)
        filtered = FILTERS.query(request.filter)
        tagged = await self._rows.tagged(image_id, tag, _MOST_TAGGED) if tag else None
        if tagged is not None:
            add_condition(filtered, "digest", {"$in": sorted(tagged)})
        found: list[ImageVersion] = []
        for _ in range(_BATCHES):
            rows = await self._rows.after(image_id, filtered, position, _BATCH)
            for version in await self._shown(image_id, rows, tag, every):
                if len(found) == size:
                    return Page(found, to_token(_position(found[-1].row), mark))
                found.append(version)
            if len(rows) < _BATCH:
                return Page(found)
            position = _position(rows[-1])
        return Page(found, to_token(position, mark) if position else "")

    async def get(self, image_id: str, reference: str, *, with_config: bool) -> Details:
        """A version by tag or digest, with configurations only if those may be told.

        Raises:
            NotFound, InvalidArgument: there is none; the reference is none.
        """
        digest = await self._digest(image_id, reference)
        rows = await self._rows.manifests(image_id, [digest])
        bodies = await self._rows.contents([digest])
        if not rows or not bodies:
            raise NotFound("image version", reference)
        row, manifest = rows[digest], parse(rows[digest].media_type, bodies[digest])
        parts_of = await self._rows.indexes_of(image_id, [digest])
        (version,) = await self._versions(image_id, [row], parts_of)
        itself = Descriptor(row.media_type, digest, row.size)
        wanted = manifest.children[:_PARTS_SHOWN] if version.is_index else [itself]
        return Details(
            version=version,
            parts=await self._parts(image_id, wanted, with_config),
            part_count=len(manifest.children) if version.is_index else 1,
            referrers=await self._referrers(image_id, digest),
            part_of=sorted(parts_of.get(digest, [])),
        )

    async def delete(self, image_id: str, reference: str, by: str) -> None:
        """Delete a version with its tags.

        Raises:
            NotFound, InvalidArgument: there is none; the reference is none.
            FailedPrecondition: a cluster needs it, an index refers to it, or it was named by one of several tags.
        """
        digest = await self._digest(image_id, reference)
        if not is_digest(reference):
            tags = (await self._rows.tags_of(image_id, [digest])).get(digest, [])
            others = [version.tag for version in tags if version.tag != reference]
            if others:
                shown = ", ".join(others[:5]) + (" and more" if len(others) > 5 else "")
                raise FailedPrecondition(
                    f"{shown} would go too: take the tag {reference} away, or delete the version by its digest {digest}"
                )
        with _domain_errors(reference):
            await self._manifests.delete(image_id, digest, by, spare_parts=True)

    async def tag(self, image_id: str, reference: str, tag: str, by: str) -> ImageVersion:
        """Point a tag to a version, as a push would.

        Raises:
            NotFound, InvalidArgument: there is none; the reference is none.
            FailedPrecondition: the tag is immutable and points elsewhere.
        """
        digest = await self._digest(image_id, reference)
        with _domain_errors(reference):
            await self._manifests.tag(image_id, digest, tag, by)
        rows = await self._rows.manifests(image_id, [digest])
        if not rows:
            raise NotFound("image version", reference)
        return (await self._versions(image_id, [rows[digest]], await self._rows.indexes_of(image_id, [digest])))[0]

    async def untag(self, image_id: str, tag: str, digest: str, by: str) -> None:
        """Take a tag away, if it points to `digest` (when that is told).

        Raises:
            NotFound: there is no such tag.
            StaleEtag: it points to something else by now.
        """
        with _domain_errors(tag):
            await self._manifests.untag(image_id, tag, digest, by)

    async def outdated(self, image: ImageDocument, rules: Sequence[RetentionRule] | None) -> tuple[list[Outdated], int]:
        """The tags that rules of retention (None: the image's own) would let go now, and how many would stay."""
        rows = CollectorStore(self._store)
        pinned: AbstractSet[str] = await rows.pinned()
        gone = await rows.outdated(image.id, image.retention if rules is None else rules, pinned)
        return gone, max(0, image.version_count - len(gone))

    async def usage(self) -> Usage:
        """What the registry holds."""
        return await self._rows.usage()

    async def _digest(self, image_id: str, reference: str) -> str:
        try:
            checked_reference(reference)
        except (DigestInvalid, ManifestInvalid):
            raise InvalidArgument.of(("reference", "must be a tag or a digest such as sha256:…")) from None
        if is_digest(reference):
            return reference
        tag = await self._store.tag(image_id, reference)
        if tag is None:
            raise NotFound("image version", reference)
        return tag.version.digest

    async def _shown(
        self, image_id: str, rows: Sequence[ManifestRow], pattern: str, every: bool
    ) -> Iterator[ImageVersion]:
        parts = await self._rows.indexes_of(image_id, [row.digest for row in rows])
        versions = await self._versions(image_id, rows, parts)

        def shown(version: ImageVersion) -> bool:
            tags = [each.tag for each in version.tags]
            if pattern and not any(fnmatchcase(tag, pattern) for tag in tags):
                return False
            own = any(not is_fallback_tag(tag) for tag in tags)
            return every or own or not (tags or version.row.subject or version.row.digest in parts)

        return filter(shown, versions)

    async def _versions(
        self, image_id: str, rows: Sequence[ManifestRow], parts: dict[str, list[str]]
    ) -> list[ImageVersion]:
        digests = [row.digest for row in rows]
        tags = await self._rows.tags_of(image_id, digests)
        pins = await self._rows.pinned_by({*digests, *(above for indexes in parts.values() for above in indexes)})
        return [
            ImageVersion(
                row,
                tags.get(row.digest, []),
                sorted({id for digest in (row.digest, *parts.get(row.digest, ())) for id in pins.get(digest, ())}),
            )
            for row in rows
        ]

    async def _parts(self, image_id: str, wanted: Sequence[Descriptor], with_config: bool) -> list[Part]:
        rows = await self._rows.manifests(image_id, (each.digest for each in wanted))
        bodies = await self._rows.contents(rows)
        return [
            await self._part(each, rows[each.digest], bodies[each.digest], with_config)
            if each.digest in rows and each.digest in bodies
            else Part(each, each.artifact_type, each.platform, each.size, dict(each.annotations), present=False)
            for each in wanted
        ]

    async def _part(self, told: Descriptor, row: ManifestRow, body: bytes, with_config: bool) -> Part:
        manifest = parse(row.media_type, body)
        return Part(
            descriptor=told,
            artifact_type=row.artifact_type,
            platform=told.platform or ", ".join(row.platforms),
            size=row.total_bytes,
            annotations={**manifest.annotations, **told.annotations},
            layers=manifest.layers,
            config=await self._config(row.image_id, manifest) if with_config else None,
        )

    async def _config(self, image_id: str, manifest: Manifest) -> ImageConfig | None:
        if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
            return None
        try:
            body = await self._blobs.read(image_id, manifest.config.digest, _CONFIG_BYTES)
        except NotFound:
            return None  # its bytes are lost; everything else can still be told
        return image_config(body, manifest.layers)

    async def _referrers(self, image_id: str, digest: str) -> list[Referrer]:
        rows = await self._store.referrers(image_id, digest, "", _REFERRERS_SHOWN)
        bodies = await self._rows.contents(row.digest for row in rows)
        found = [Referrer(row, _kind(row, bodies.get(row.digest))) for row in rows]
        tagged = await self._rows.tags(image_id, fallback_tags(digest))
        by_tag = await self._rows.manifests(image_id, (version.digest for version in tagged))
        known = {row.digest for row in rows}
        found += [
            Referrer(by_tag[version.digest], kind_of_tag(version.tag), version.tag)
            for version in tagged
            if version.digest in by_tag and version.digest not in known
        ]
        return found


def _kind(row: ManifestRow, body: bytes | None) -> ReferrerKind:
    layers = parse(row.media_type, body).layers if body is not None else ()
    annotations = dict(row.annotations)
    for layer in layers:
        annotations.update(layer.annotations)
    return kind_of([row.artifact_type, *(layer.media_type for layer in layers)], annotations)


def _position(row: ManifestRow) -> Position:
    return Position(0, row.push_time, row.id)


@contextmanager
def _domain_errors(reference: str) -> Iterator[None]:
    """What clients of /v2 are told, as callers of the API are told it."""
    try:
        yield
    except (ManifestUnknown, NameUnknown):
        raise NotFound("image version", reference) from None
    except Denied as error:
        raise FailedPrecondition(error.message) from error
