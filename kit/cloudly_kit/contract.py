"""The contract as data: each method with its options, each field with its rules, off the generated descriptors."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cloudly
from cloudly.options.v1 import options_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import EnumDescriptor, MethodDescriptor
from google.protobuf.message import Message

_OWNERS = {"coreflow": "clusters", "executions": "tasks", "sealed": "kit"}
"""Packages that are not named after the service that answers for them at the gateway; the kit's are for services only."""


FieldDescriptor = Any
"""The runtime has two classes of descriptors (pure Python and upb) without a common base to name."""


@dataclass(frozen=True)
class Method:
    """One RPC."""

    descriptor: MethodDescriptor
    rules: options_pb2.MethodRules
    owner: str
    """The service that answers: auth, registry, clusters, backups, baseos or tasks."""

    @property
    def name(self) -> str:
        """Such as `CreateCluster`."""
        return self.descriptor.name

    @property
    def service(self) -> str:
        """Such as `cloudly.clusters.v1.ClusterService`."""
        return self.descriptor.containing_service.full_name

    @property
    def path(self) -> str:
        """Such as `/cloudly.clusters.v1.ClusterService/CreateCluster`."""
        return f"/{self.service}/{self.name}"

    @property
    def request_class(self) -> type[Message]:
        """The generated class of requests."""
        return message_factory.GetMessageClass(self.descriptor.input_type)

    @property
    def response_class(self) -> type[Message]:
        """The generated class of answers."""
        return message_factory.GetMessageClass(self.descriptor.output_type)

    @property
    def server_streaming(self) -> bool:
        """Whether answers come as a stream."""
        return bool(self.descriptor.server_streaming)

    @property
    def endless(self) -> bool:
        """Whether answers come until somebody ends it, as those of a watch; those of an export come to an end."""
        return self.server_streaming and self.name.startswith("Watch")

    @property
    def client_streaming(self) -> bool:
        """Whether requests come as a stream."""
        return bool(self.descriptor.client_streaming)

    @property
    def deadline_seconds(self) -> float:
        """The server's own bound on handling one call."""
        return float(self.rules.deadline_seconds or 30)


@cache
def methods() -> Mapping[str, Method]:
    """All methods of the contract by their path."""
    found: dict[str, Method] = {}
    for module_name in _generated_modules():
        module = importlib.import_module(module_name)
        package = module.DESCRIPTOR.package.split(".")[1]
        for service in module.DESCRIPTOR.services_by_name.values():
            for descriptor in service.methods:
                rules = descriptor.GetOptions().Extensions[options_pb2.method]
                method = Method(descriptor, rules, _OWNERS.get(package, package))
                found[method.path] = method
    return found


def _generated_modules() -> list[str]:
    # `cloudly` is a namespace without __init__ files (PEP 420), which pkgutil does not walk into.
    names = set()
    for root in map(Path, cloudly.__path__):
        for path in root.glob("*/v*/*_pb2.py"):
            names.add(".".join(("cloudly", *path.relative_to(root).with_suffix("").parts)))
    return sorted(names)


@cache
def field_rules(field: FieldDescriptor) -> options_pb2.FieldRules:
    """The rules of a field; empty where it has none."""
    rules: options_pb2.FieldRules = field.GetOptions().Extensions[options_pb2.field]
    return rules


def enum_prefix(enum: EnumDescriptor) -> str:
    """The prefix that all values of an enum share by buf's rule: `AgentState` -> `AGENT_STATE_`."""
    name = enum.name
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(name)).upper() + "_"
