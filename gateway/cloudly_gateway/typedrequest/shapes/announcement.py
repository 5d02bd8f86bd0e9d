"""IContainer and IContainerVersionData: a version of an image, as references name it."""

from cloudly_gateway.typedrequest.fields import Fields


def from_container(container: Fields) -> str:
    """The reference of an IContainer: `registryUrl` is the registry's host, `tag` the repository, `version` the tag."""
    repository, version = container.required("tag"), container.required("version")
    return _reference(f"{container.text('registryUrl').rstrip('/')}/{repository}".lstrip("/"), version)


def from_version_data(data: Fields) -> str:
    """The reference of an IContainerVersionData."""
    return _reference(data.required("dockerImageUrl"), data.required("dockerImageVersion"))


def _reference(url: str, version: str) -> str:
    name = url.removeprefix("https://").removeprefix("http://")
    # Pipelines send what they have pushed, tag included; the version is then the project's and not always the tag.
    has_tag = ":" in name.rpartition("/")[2]
    return name if has_tag else f"{name}:{version}"
