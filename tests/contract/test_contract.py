"""The contract proves its own completeness: what every method must say is said, what it names exists, and every
method has somebody who answers.
"""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from cloudly.options.v1 import options_pb2
from cloudly_cli import contract as cli_contract
from cloudly_gateway.rest.routes import RouteTable
from cloudly_gateway.typedrequest.adapters import ADAPTERS
from cloudly_kit import access, contract
from cloudly_kit.config import SERVICES
from cloudly_kit.errors import DomainError, catalogue
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc import code_pb2

METHODS = sorted(contract.methods().values(), key=lambda method: method.path)
ROUTED = [method for method in METHODS if method.rules.HasField("http")]
VERBS = [method for method in METHODS if method.rules.HasField("cli")]
GRPC_SERVICES = sorted({method.service for method in METHODS})


def name_of(method: contract.Method) -> str:
    return method.path.removeprefix("/cloudly.")


def field_at(descriptor: Descriptor, path: str) -> FieldDescriptor:
    """The field at a dotted path, by JSON or proto names; fails where there is none."""
    field = None
    for part in path.split("."):
        assert descriptor is not None, f"{path}: nothing is inside of {field.name if field else ''}"
        found = [f for f in descriptor.fields if part in (f.name, f.json_name)]
        assert found, f"{descriptor.full_name} has no field {part}"
        field, descriptor = found[0], found[0].message_type
    assert field is not None
    return field


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_every_method_says_who_may_call_it(method):
    kind = method.rules.access.WhichOneof("kind")
    assert kind is not None
    if kind == "permission":
        assert re.fullmatch(r"[a-z-]+\.[a-z-]+", method.rules.access.permission)
        granting = [role for role in access.ROLES if access.allows(Roles(role), method.rules.access.permission)]
        assert granting, "no role grants it"
    if kind == "services":
        assert set(method.rules.access.services.names) <= {*SERVICES, "gateway"}


class Roles:
    def __init__(self, *roles: str) -> None:
        self.roles = roles
        self.scope = None


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_every_method_has_a_route_and_a_verb_or_says_why_not(method):
    assert method.rules.HasField("http") != bool(method.rules.not_routed)
    assert method.rules.HasField("cli") != bool(method.rules.not_a_verb)
    if method.rules.HasField("cli"):
        assert method.rules.HasField("http"), "the CLI calls REST"
    if method.client_streaming:
        assert method.rules.http.octets or not method.rules.HasField("http"), "HTTP has no streams of messages"


def test_routes_are_unique():
    RouteTable(METHODS)
    shapes = Counter((b.verb, re.sub(r"\{[^}]*\}", "{}", b.template)) for b in RouteTable(METHODS).bindings)
    assert [shape for shape, count in shapes.items() if count > 1] == []


def test_verbs_and_legacy_names_are_unique():
    verbs = Counter(method.rules.cli.verb for method in VERBS)
    legacy = Counter(name for method in METHODS for name in method.rules.typed_request)
    assert [name for name, count in (verbs + legacy).items() if count > 1] == []
    nouns = {method.rules.cli.verb.split(" ")[0] for method in VERBS}
    aliases = {alias for method in VERBS for alias in method.rules.cli.noun_aliases}
    assert not nouns & aliases


def test_every_legacy_name_has_an_adapter():
    assert {name for method in METHODS for name in method.rules.typed_request} == set(ADAPTERS)


@pytest.mark.parametrize("method", ROUTED, ids=name_of)
def test_routes_name_fields_that_exist(method):
    rules, request, response = method.rules.http, method.descriptor.input_type, method.descriptor.output_type
    verb = rules.WhichOneof("pattern")
    template = getattr(rules, verb)
    assert template.startswith(("/api/v1/", "/baseos/v1/", "/.well-known/"))
    for path in re.findall(r"\{([^}]*)\}", template):
        field = field_at(request, path)
        assert field.cpp_type == FieldDescriptor.CPPTYPE_STRING
    if rules.body.strip("*"):
        assert verb in {"post", "put", "patch"}
        assert field_at(request, rules.body).message_type is not None
    if rules.octets:
        assert method.client_streaming != method.server_streaming
        assert verb == ("post" if method.client_streaming else "get")
        assert not rules.body
        assert (
            field_at(request if method.client_streaming else response, rules.octets).type == FieldDescriptor.TYPE_BYTES
        )
    if rules.response_body and method.server_streaming:
        answered = field_at(response, rules.response_body)
        assert answered.is_repeated
        assert answered.cpp_type == FieldDescriptor.CPPTYPE_STRING
    elif rules.response_body:
        assert field_at(response, rules.response_body).message_type is not None
    if method.server_streaming:
        assert verb == "get"
    if verb == "patch":
        assert "update_mask" in request.fields_by_name
        assert rules.body, "the mask is made from the keys of the body"


@pytest.mark.parametrize("method", VERBS, ids=name_of)
def test_verbs_name_arguments_and_columns_that_exist(method):
    rules = method.rules.cli
    assert re.fullmatch(r"[a-z-]+ [a-z-]+", rules.verb)
    in_path = set(re.findall(r"\{([^}]*)\}", getattr(method.rules.http, method.rules.http.WhichOneof("pattern"))))
    assert in_path <= set(rules.arguments), "what is in the path has to be given"
    for argument in rules.arguments:
        field_at(method.descriptor.input_type, argument)
    noun, name = rules.verb.split(" ")
    verb = cli_contract.load().verbs[noun][name]
    record = next(d for d in descriptors(method.descriptor.output_type) if d.full_name == verb.record)
    for column in (*rules.columns, *rules.notes, *filter(None, [rules.verdict])):
        field_at(record, column)


def descriptors(descriptor: Descriptor, seen: set[str] | None = None) -> Iterator[Descriptor]:
    seen = set() if seen is None else seen
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    yield descriptor
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from descriptors(field.message_type, seen)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_lists_have_pages_and_creates_can_be_repeated(method):
    fields = method.descriptor.input_type.fields_by_name
    if method.name.startswith("List") and fields:
        assert {"page_size", "page_token"} <= set(fields)
        assert "next_page_token" in method.descriptor.output_type.fields_by_name
    if method.name.startswith("Create") and method.rules.HasField("http"):
        assert "request_id" in fields
        assert method.rules.audit
    if method.name.startswith(("Update", "Delete")):
        assert method.rules.audit
    if method.name.startswith(("Get", "List")):
        assert method.rules.idempotent


NOT_AUDITED = {
    "auth.v1.AuthService/RefreshSession": "every ten minutes for everybody; logins and reused tokens are in the log",
    "auth.v1.InvitationService/LookUpInvitation": "reads; it is a POST because the secret stands in its body",
    "baseos.v1.BaseosNodeService/Heartbeat": "every few seconds from every node",
    "coreflow.v1.CoreflowService/Connect": "an agent's stream, opened again after every hiccup; its token's is in the log",
}
"""Methods that change something and are not in the audit log, each with the reason."""


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_what_writes_is_audited_or_says_why_not(method):
    reads = method.rules.idempotent or method.name.startswith("Watch")
    assert method.rules.audit or reads or name_of(method) in NOT_AUDITED, (
        "add `audit: true`, or list it with the reason"
    )
    assert not (method.rules.audit and name_of(method) in NOT_AUDITED)


@pytest.mark.parametrize("service", GRPC_SERVICES)
def test_every_method_is_implemented_by_the_service_that_owns_it(service):
    methods = [method for method in METHODS if method.service == service]
    owner = methods[0].owner
    modules_of(f"cloudly_{owner}")
    short = service.rpartition(".")[2]
    file = methods[0].descriptor.containing_service.file.name
    generated = importlib.import_module(file.removesuffix(".proto").replace("/", ".") + "_pb2_grpc")
    base = getattr(generated, f"{short}Servicer")
    found = [cls for cls in subclasses(base) if cls.__module__.split(".")[0] == f"cloudly_{owner}"]
    assert found, f"{owner} has no servicer of {short}"
    missing = [
        method.name
        for method in methods
        if not any(
            inspect.getattr_static(cls, method.name) is not inspect.getattr_static(base, method.name) for cls in found
        )
    ]
    assert missing == []


def modules_of(package: str) -> None:
    """Import all modules of a package: a servicer may stand in any of them."""
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        importlib.import_module(info.name)


def subclasses(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_reason_is_told_whole_and_has_its_error():
    canonical = {"OK", *code_pb2.Code.keys()}
    for info in catalogue().values():
        assert code_pb2.Code.Name(info.grpc_code) in canonical - {"OK"}
        assert 400 <= info.http_status < 600
        assert info.meaning.endswith(".")
        assert info.action.endswith((".", "seconds."))
    assert {cls.reason for cls in DomainError.__subclasses__()} == set(catalogue())


def test_enums_follow_the_prefix_that_short_names_are_made_by():
    for method in METHODS:
        for side in (method.descriptor.input_type, method.descriptor.output_type):
            for descriptor in descriptors(side):
                for field in descriptor.fields:
                    if field.enum_type is None or field.enum_type.full_name.startswith("google."):
                        continue
                    prefix = contract.enum_prefix(field.enum_type)
                    assert field.enum_type.values_by_number[0].name == f"{prefix}UNSPECIFIED"
                    assert all(value.name.startswith(prefix) for value in field.enum_type.values)


def test_secrets_are_marked():
    wrong = [
        f"{descriptor.full_name}.{field.name}"
        for method in METHODS
        for side in (method.descriptor.input_type, method.descriptor.output_type)
        for descriptor in descriptors(side)
        for field in descriptor.fields
        if re.fullmatch(r"password|secret|jump_code|assertion|(access|refresh|node|join)_token|token", field.name)
        and not contract.field_rules(field).sensitive
        and field.cpp_type == FieldDescriptor.CPPTYPE_STRING
    ]
    assert sorted(set(wrong)) == []


def test_the_contract_written_as_json_is_the_contract():
    from cloudly_gateway.openapi.document import contract as written

    assert {method["path"] for method in written()["methods"]} == set(contract.methods())
    for described in written()["methods"]:
        rules = contract.methods()[described["path"]].rules
        assert ("http" in described) == rules.HasField("http")
        assert ("cli" in described) == rules.HasField("cli")
    assert options_pb2.DESCRIPTOR.package == "cloudly.options.v1"
