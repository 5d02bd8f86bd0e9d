"""The description of the API is valid, whole, and shown without anything from elsewhere."""

import re

from cloudly_gateway.openapi import document
from cloudly_gateway.rest.routes import RouteTable
from cloudly_kit import contract
from openapi_spec_validator import validate

TABLE = RouteTable(contract.methods().values())


def test_the_document_is_valid_openapi():
    validate(document("http://localhost:8080"))


def test_every_route_is_described_and_nothing_else():
    described = {
        (verb.upper(), operation["operationId"])
        for operations in document("http://x")["paths"].values()
        for verb, operation in operations.items()
    }
    assert described == {(binding.verb, binding.method.name) for binding in TABLE.bindings}


def test_rules_and_comments_of_the_contract_are_told():
    described = document("http://x")
    workload = described["components"]["schemas"]["Workload"]
    assert workload["required"] == ["name", "clusterId"]
    assert workload["properties"]["replicas"]["maximum"] == 1000
    assert workload["properties"]["id"]["readOnly"] is True
    assert "rolled out" in workload["properties"]["deployOnPush"]["description"]
    assert "required" not in described["components"]["schemas"]["WorkloadPatch"]
    login = described["paths"]["/api/v1/auth/login"]["post"]
    assert login["security"] == []
    delete = described["paths"]["/api/v1/workloads/{workloadId}"]["delete"]
    assert {parameter["name"] for parameter in delete["parameters"]} == {"workloadId", "etag", "If-Match"}
    only_one = described["paths"]["/api/v1/auth/factor-policy"]["patch"]
    assert {parameter["name"] for parameter in only_one["parameters"]} == {"updateMask", "If-Match"}
    assert delete["security"] == [{"bearer": []}]


async def test_the_document_is_served_and_cached(gateway):
    first = await gateway.client.get("/api/openapi.json")
    assert first.json()["openapi"] == "3.1.1"
    again = await gateway.client.get("/api/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


async def test_the_page_needs_nothing_from_elsewhere(gateway):
    page = await gateway.client.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        if address == "data:,":
            continue
        assert address.startswith("/")
        assert (await gateway.client.get(address)).status_code == 200
    # Inline scripts and styles would be stopped by our own Content-Security-Policy.
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|onclick=", page.text)
    assert (await gateway.client.get("/api/docs/other.js")).status_code == 404
