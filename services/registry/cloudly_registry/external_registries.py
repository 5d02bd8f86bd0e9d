"""External registries: records with sealed passwords, and whether they work."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import InvalidArgument, NotFound
from cloudly_kit.hints import Hints
from cloudly_kit.store import RequestKey, Session
from cloudly_kit.store.documents import now

from cloudly_registry.external_registry_store import PASSWORD, ExternalRegistryDocument, ExternalRegistryStore
from cloudly_registry.store import RegistryStore
from cloudly_registry.upstream import Login, Upstream, UpstreamDenied, UpstreamError, server_of

log = structlog.get_logger()

HINT = "registry.external_registry"
"""The hint that one was changed; the payload is its server."""

_PREFIX = "external_registry.cache_prefix"
_RESERVED = ("images", "workloads")
"""First parts of the repositories that are made here."""
_NOTED_SECONDS = 60.0
UNKNOWN = "EXTERNAL_REGISTRY_STATUS_UNKNOWN"
_NPM = "EXTERNAL_REGISTRY_TYPE_NPM"
Change = Callable[[ExternalRegistryDocument], ExternalRegistryDocument]


class ExternalRegistries:
    """The rules of external registries."""

    def __init__(
        self,
        store: ExternalRegistryStore,
        images: RegistryStore,
        envelope: Envelope,
        upstream: Upstream,
        hints: Hints,
    ) -> None:
        self._store = store
        self._images = images
        self._envelope = envelope
        self._upstream = upstream
        self._hints = hints
        self._noted: dict[str, tuple[str, float]] = {}

    async def create(
        self, wished: ExternalRegistryDocument, password: str, request: RequestKey | None
    ) -> ExternalRegistryDocument:
        """Make one.

        Raises:
            AlreadyExists: the name is taken.
            InvalidArgument: the URL holds a login, or the login is half.
        """
        document = self._sealed(_checked(wished, has_password=bool(password)), password)

        async def write(session: Session) -> ExternalRegistryDocument:
            made, _ = await self._store.insert(document, request=request, session=session)
            await self._only_default(made, session)
            await self._only_prefix(made, session)
            return made

        made = await self._store.database.transaction(write)
        await self._hints.publish(HINT, made.server)
        log.info("external_registry.created", id=made.id, server=made.server)
        return made

    async def update(self, id: str, etag: str, change: Change, password: str | None) -> ExternalRegistryDocument:
        """Change one; `password` is the new one, "" takes it away, None leaves it.

        Raises:
            NotFound, StaleEtag, AlreadyExists, InvalidArgument: as above.
        """
        before: list[ExternalRegistryDocument] = []

        def mutate(found: ExternalRegistryDocument) -> ExternalRegistryDocument:
            before[:] = [found]
            has_password = bool(password) if password is not None else found.password is not None
            changed = _checked(change(found.model_copy(deep=True)), has_password=has_password)
            if password is not None:
                changed = self._sealed(changed, password)
            known, new = (_reach(found), _reach(changed))
            if known != new:
                changed = changed.model_copy(update={"status": UNKNOWN, "last_error": "", "check_time": None})
            return changed

        async def write(session: Session) -> ExternalRegistryDocument:
            changed = await self._store.change(id, mutate, etag=etag, session=session)
            await self._only_default(changed, session)
            if changed.cache_prefix != before[0].cache_prefix:
                await self._only_prefix(changed, session)
            return changed

        changed = await self._store.database.transaction(write)
        for server in {changed.server, *(old.server for old in before)}:
            await self._hints.publish(HINT, server)
        return changed

    async def delete(self, id: str, etag: str) -> None:
        """Delete one. Raises NotFound, StaleEtag."""
        gone = await self._store.delete(id, etag=etag)
        await self._hints.publish(HINT, gone.server)
        log.info("external_registry.deleted", id=id, server=gone.server)

    async def check(self, id: str) -> ExternalRegistryDocument:
        """Log in there and write down what came of it.

        Raises:
            NotFound: there is none with this id.
        """
        found = await self._store.get(id)
        login = self.login(found)
        failure: UpstreamError | None = None
        try:
            await (self._upstream.check_npm(login) if found.type == _NPM else self._upstream.check(login))
        except UpstreamError as error:
            failure = error
        seen = _seen(failure)

        def note(present: ExternalRegistryDocument) -> ExternalRegistryDocument | None:
            # What was changed meanwhile was not checked.
            return present.model_copy(update=seen) if _reach(present) == _reach(found) else None

        log.info("external_registry.checked", id=id, server=found.server, status=seen["status"])
        return await self._store.change(id, note)

    async def pulled(self, id: str, login: Login, failure: UpstreamError | None = None) -> None:
        """Write down whether a pull through it got an answer, where that is news; the failure says why it got none."""
        seen = _seen(failure)
        noted, when = self._noted.get(id, ("", 0.0))
        if noted == seen["status"] and time.monotonic() - when < _NOTED_SECONDS:
            return

        told = seen["status"], seen["last_error"]

        def note(present: ExternalRegistryDocument) -> ExternalRegistryDocument | None:
            if present.url != login.url or (present.status, present.last_error) == told:
                return None
            return present.model_copy(update=seen)

        try:
            await self._store.change(id, note)
        except NotFound:
            log.info("external_registry.deleted_meanwhile", id=id)
        self._noted[id] = (seen["status"], time.monotonic())

    async def pull_logins(self, servers: Sequence[str]) -> list[tuple[str, Login]]:
        """The logins for those of these servers that we have one for."""
        found = []
        for server in dict.fromkeys(servers):
            known = [one for one in await self._store.of_server(server) if one.username]
            if known:
                found.append((server, self.login(known[0])))
        return found

    def login(self, document: ExternalRegistryDocument) -> Login:
        """With the password in the clear: never to be logged."""
        sealed = document.password
        password = self._envelope.open(sealed, PASSWORD.context(id=document.id)).decode() if sealed is not None else ""
        return Login(document.url, document.username, password)

    def _sealed(self, document: ExternalRegistryDocument, password: str) -> ExternalRegistryDocument:
        sealed = self._envelope.seal(password.encode(), PASSWORD.context(id=document.id)) if password else None
        return document.model_copy(update={"password": sealed})

    async def _only_prefix(self, document: ExternalRegistryDocument, session: Session) -> None:
        """Refuse a prefix under which there is something else. Raises InvalidArgument."""
        prefix = document.cache_prefix
        if not prefix:
            return
        others = await self._store.find_all(scope="-", cache_prefix=prefix, session=session)
        if any(other.id != document.id for other in others):
            raise InvalidArgument.of((_PREFIX, "another external registry has it"))
        if prefix in _RESERVED or await self._has_repositories(prefix):
            raise InvalidArgument.of((_PREFIX, f"there are images of your own under {prefix}/"))

    async def _has_repositories(self, prefix: str) -> bool:
        found = await self._images.repositories_after(f"{prefix}/", 1)
        if not found or not found[0].startswith(f"{prefix}/"):
            return False
        image = await self._images.image_of(found[0])
        return image is not None and not image.external_registry_id

    async def _only_default(self, document: ExternalRegistryDocument, session: Session) -> None:
        if not document.is_default:
            return
        for other in await self._store.find_all(scope="-", server=document.server, session=session):
            if other.is_default and other.id != document.id:
                await self._store.replace(other.model_copy(update={"is_default": False}), session=session)


def _seen(failure: UpstreamError | None) -> dict[str, Any]:
    """What is written down of a registry that has just been asked."""
    status = "WORKING"
    if failure is not None:
        status = "DENIED" if isinstance(failure, UpstreamDenied) else "UNREACHABLE"
    error = "" if failure is None else str(failure)[:500]
    return {"status": f"EXTERNAL_REGISTRY_STATUS_{status}", "last_error": error, "check_time": now()}


def _reach(document: ExternalRegistryDocument) -> tuple[object, ...]:
    """All that decides whether it works."""
    # A password that is only wrapped by another master key is the same.
    return document.type, document.url, document.username, document.password and document.password.ciphertext


def _checked(document: ExternalRegistryDocument, *, has_password: bool) -> ExternalRegistryDocument:
    wrong = []
    if "@" in urlsplit(document.url).netloc:
        wrong.append(("external_registry.url", "must not hold a login: use username and password"))
    if bool(document.username) != has_password:
        wrong.append(("external_registry.username", "user name and password go together: give both or neither"))
    if document.cache_prefix and document.type == _NPM:
        wrong.append((_PREFIX, "only registries of container images can be pulled through"))
    if wrong:
        raise InvalidArgument.of(*wrong)
    return document.model_copy(update={"server": server_of(document.url)})
