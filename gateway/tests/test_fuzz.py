"""Schemathesis reads the description and sends what it says, and what it does not: nothing may break, and every answer
is as described.
"""

import asyncio

import pytest
import schemathesis
from cloudly.options.v1 import options_pb2
from cloudly_gateway.openapi import document
from cloudly_kit import contract
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

DESCRIBED = document("http://localhost")
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


SAMPLES = {
    options_pb2.FORMAT_ID: "a" * 20,
    options_pb2.FORMAT_CRON: "0 3 * * *",
    options_pb2.FORMAT_URL: "https://example.com",
}


def sample(message):
    """A message as a service would answer it: what the contract requires is there."""
    for field in message.DESCRIPTOR.fields:
        rules = contract.field_rules(field)
        if (
            field.message_type is not None
            and not field.is_repeated
            and not field.message_type.full_name.startswith("google.")
        ):
            target = getattr(message, field.name)
            target.SetInParent()
            sample(target)
        elif options_pb2.BEHAVIOR_REQUIRED in rules.behavior and field.cpp_type == field.CPPTYPE_STRING:
            text = SAMPLES.get(rules.format, "sample")
            if field.is_repeated:
                getattr(message, field.name).append(text)
            else:
                setattr(message, field.name, text)
    return message


@pytest.fixture
def running(gateway):
    """A gateway before services that answer whole records."""
    for method in contract.methods().values():
        if not method.server_streaming:
            gateway.services.answers.setdefault(method.name, sample(method.response_class()))
    return gateway


@SCHEMA.exclude(operation_id_regex="^Watch").parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
async def test_whatever_is_sent_is_answered_as_described(case, running):
    case.headers = {**(case.headers or {}), **running.admin}
    response = await asyncio.to_thread(case.call, base_url=running.url)
    await asyncio.to_thread(case.validate_response, response, checks=CHECKS)
