"""Which digest a tag leads to, here or at another registry."""

from cloudly_kit.errors import FailedPrecondition, NotFound

from cloudly_registry.errors import DigestInvalid
from cloudly_registry.external_registries import ExternalRegistries
from cloudly_registry.external_registry_store import ExternalRegistryStore
from cloudly_registry.manifest_format import ACCEPTED
from cloudly_registry.references import checked_digest
from cloudly_registry.store import RegistryStore
from cloudly_registry.upstream import Login, Upstream, UpstreamDenied, UpstreamError


class Resolving:
    """Asks our own tables, or the other registry with the login that is known for it."""

    def __init__(
        self,
        store: RegistryStore,
        external_store: ExternalRegistryStore,
        external: ExternalRegistries,
        upstream: Upstream,
        registry_host: str,
    ) -> None:
        self._store = store
        self._external_store = external_store
        self._external = external
        self._upstream = upstream
        self._registry_host = registry_host

    async def digest(self, server: str, repository: str, tag: str) -> str:
        """The digest.

        Raises:
            NotFound: there is no such tag.
            FailedPrecondition: the other registry could not be asked.
        """
        name = f"{server}/{repository}:{tag}"
        if server == self._registry_host:
            image = await self._store.image_of(repository)
            row = await self._store.tag(image.id, tag) if image else None
            if row is None:
                raise NotFound("image version", name)
            return row.version.digest
        login = await self._login(server)
        path, scope = f"/v2/{repository}/manifests/{tag}", f"repository:{repository}:pull"
        try:
            async with self._upstream.request(login, "HEAD", path, scope, {"Accept": ACCEPTED}) as answer:
                status, told = answer.status, answer.headers.get("Docker-Content-Digest", "")
        except UpstreamDenied as error:
            advice = "" if login.username else "; add an external registry with a login for it"
            raise FailedPrecondition(f"{name} cannot be looked up: {error}{advice}") from error
        except UpstreamError as error:
            raise FailedPrecondition(f"{name} cannot be looked up: {error}") from error
        if status == 404:
            raise NotFound("image version", name)
        if status != 200:
            raise FailedPrecondition(f"{name} cannot be looked up: {server} answers {status}")
        try:
            return checked_digest(told)
        except DigestInvalid as error:
            raise FailedPrecondition(f"{name} cannot be looked up: {server} tells no digest") from error

    async def _login(self, server: str) -> Login:
        known = await self._external_store.of_server(server)
        if known:
            return self._external.login(known[0])
        return Login(f"https://{server}")
