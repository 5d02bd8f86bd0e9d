"""Write the reference pages that can be read off the code: docs/configuration.md and docs/errors.md (`make docs`)."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from cloudly_kit.errors import catalogue
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

HERE = Path(__file__).parent
SETTINGS = {
    "All services": "cloudly_kit.config:ServiceSettings",
    "auth": "cloudly_auth.config:Settings",
    "registry": "cloudly_registry.config:Settings",
    "clusters": "cloudly_clusters.config:Settings",
    "backups": "cloudly_backups.config:Settings",
    "baseos": "cloudly_baseos.config:Settings",
    "tasks": "cloudly_tasks.config:Settings",
    "gateway": "cloudly_gateway.config:Settings",
    "coreflow (the agent)": "cloudly_coreflow.config:Settings",
    "make up": "cloudly_local.config:LocalSettings",
}


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {"configuration.md": configuration(), "errors.md": errors()}


def configuration() -> str:
    """Every environment variable, with its meaning and default."""
    lines = [
        "# Configuration",
        "",
        "Made by `make docs` from the settings classes. All of it comes from the environment.",
        "",
    ]
    for title, where in SETTINGS.items():
        shared = set() if title == "All services" else set(_rows(SETTINGS["All services"]))
        rows = [row for row in _rows(where) if row not in shared]
        if rows:
            lines += [f"## {title}", "", "| variable | meaning | default |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def errors() -> str:
    """The catalogue of errors."""
    lines = [
        "# Errors",
        "",
        "Made by `make docs` from proto/cloudly/errors/v1/reason.proto. `reason` is the same in gRPC, HTTP and the CLI.",
        "",
        "| reason | HTTP | gRPC | meaning | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {e.name} | {e.http_status} | {e.grpc_code} | {e.meaning} | {e.action} |" for e in catalogue().values()
    ]
    return "\n".join([*lines, ""])


def variables() -> Iterator[str]:
    """The names of all environment variables."""
    for where in SETTINGS.values():
        for name, field in _class(where).model_fields.items():
            yield _variable(name, field)


def _class(where: str) -> type[BaseSettings]:
    module, _, name = where.partition(":")
    found: type[BaseSettings] = getattr(importlib.import_module(module), name)
    return found


def _rows(where: str) -> list[str]:
    rows = []
    for name, field in _class(where).model_fields.items():
        default = field.get_default(call_default_factory=True) if not field.is_required() else "(required)"
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = f"`{default}`" if default not in ("", None) else "(none)"
        rows.append(f"| `{_variable(name, field)}` | {field.description or ''} | {shown} |")
    return rows


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, str):
        return alias
    choices = getattr(alias, "choices", None)
    return str(choices[0]) if choices else name.upper()


def main() -> int:
    """Write the pages, or with --check say which are stale."""
    stale = [name for name, text in pages().items() if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if "--check" in sys.argv:
        return len(stale)
    for name, text in pages().items():
        (HERE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
