"""References of images, as Docker reads them. Pure."""

DOCKER_HUB = "docker.io"


def server_of(image: str) -> str:
    """The registry that a reference names, as Docker reads it: the first part is a host if it looks like one."""
    first, slash, _ = image.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost"
    return first if slash and looks_like_host else DOCKER_HUB
