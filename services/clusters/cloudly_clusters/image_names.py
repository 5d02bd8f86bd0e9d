"""References of images taken apart, as Docker reads them (distribution/reference)."""

from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_HUB_NAMES = (DOCKER_HUB, "index.docker.io")


@dataclass(frozen=True)
class ImageName:
    """A reference: `[server/]repository[:tag][@digest]`."""

    server: str
    """host[:port] of the registry; `docker.io` for Docker Hub."""
    repository: str
    """In full: `library/nginx` for `nginx`."""
    tag: str
    digest: str
    written: str
    """Server and repository as they were written."""

    @classmethod
    def of(cls, reference: str) -> "ImageName":
        """Take a reference apart that is known to be one (FORMAT_IMAGE_REFERENCE)."""
        name, _, digest = reference.partition("@")
        slash, colon = name.rfind("/"), name.rfind(":")
        written, tag = (name[:colon], name[colon + 1 :]) if colon > slash else (name, "")
        first, _, rest = written.partition("/")
        # `shop/web` is a repository of Docker Hub, `shop.example/web` is not.
        looks_like_host = "." in first or ":" in first or first == "localhost"
        server, repository = (first, rest) if rest and looks_like_host else (DOCKER_HUB, written)
        if server in _HUB_NAMES:
            server, repository = DOCKER_HUB, repository if "/" in repository else f"library/{repository}"
        return cls(server, repository, tag, digest, written)

    @property
    def place(self) -> tuple[str, str]:
        """Server and repository: equal where two references mean the same, however they are written."""
        return self.server, self.repository
