"""Signatures in a real browser: demanded, waited for, given, and shown."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import dialog, heading, serious
from tests.e2e.pushing import Repository, SigningKey

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def test_a_workload_demands_signatures_and_rolls_out_what_is_signed(visit, suite, api, cluster):
    key, other = SigningKey(), SigningKey()
    page = visit.logged_in(suite, f"/workloads/new?cluster={cluster}")
    heading(page, "New workload")
    page.get_by_label("Name", exact=False).first.fill("vault")
    page.get_by_label("Signatures").select_option("Roll out only what is signed")
    keys = page.get_by_role("textbox", name="Keys that are trusted")
    keys.fill(f"{key.public}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    page.get_by_role("button", name="Create workload").click()
    expect(keys).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text(re.compile("^Key 2: "))).to_be_visible()
    assert serious(page) == []
    keys.fill(key.public)
    page.get_by_role("button", name="Create workload").click()
    heading(page, "vault")
    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_text("demanded, by one of 1 key")).to_be_visible()

    (workload,) = api.get("/api/v1/workloads", params={"clusterId": cluster})["workloads"]
    repository = Repository(suite, workload["registryTarget"].partition("/")[2])
    image = repository.image("one", "v1")
    held = page.get_by_role("region", name="Waits for a signature")
    expect(held).to_contain_text("It is not signed.")
    expect(held).to_contain_text(f"cosign sign --key cosign.key {workload['registryTarget']}@{image['digest']}")
    expect(page.get_by_text("Signature awaited", exact=True).first).to_be_visible()
    assert serious(page) == []
    repository.cosign(image, other)
    expect(held).to_contain_text("It is signed, but by none of these keys.")
    held.get_by_role("link").click()
    heading(page, "v1")
    signature = page.get_by_role("region", name="Signature", exact=True)
    expect(signature).to_contain_text("Not verified")
    expect(signature).to_contain_text("demanded by the workload vault: it is signed, but by none of these keys")
    signature.get_by_text("Verify with another key").click()
    signature.get_by_label("Public keys").fill("no key")
    signature.get_by_role("button", name="Verify").click()
    expect(signature.get_by_text(re.compile("^Key 1: "))).to_be_visible()
    signature.get_by_label("Public keys").fill(other.public)
    signature.get_by_role("button", name="Verify").click()
    expect(signature).to_contain_text("with these keys")
    expect(signature.get_by_text("Verified", exact=True)).to_be_visible()
    assert serious(page) == []

    repository.cosign(image, other, key)
    expect(signature.get_by_text("Not verified")).to_have_count(0)
    page.goto(f"{suite.url}/workloads/{workload['id']}")
    heading(page, "vault")
    expect(page.get_by_role("region", name="Facts")).to_contain_text("v1")
    expect(held).to_have_count(0)


def test_a_cluster_demands_signatures_of_all_its_workloads(visit, suite, api, cluster):
    key = SigningKey()
    workload = api.post("/api/v1/workloads", {"name": "lock", "clusterId": cluster})
    page = visit.logged_in(suite, f"/clusters/{cluster}")
    heading(page, "harbour")
    page.get_by_role("button", name="Signatures").click()
    editing = dialog(page, "Signatures in harbour")
    editing.get_by_label("Signatures", exact=True).select_option("Demanded of all workloads")
    editing.get_by_role("button", name="Save").click()
    keys = editing.get_by_role("textbox", name="Keys that are trusted")
    expect(keys).to_have_attribute("aria-invalid", "true")
    keys.fill(key.public)
    editing.get_by_role("button", name="Add pattern").click()
    pattern = editing.get_by_role("group", name="pattern 1").get_by_label("Image pattern")
    pattern.fill("docker.io/library/nginx:1.29")
    editing.get_by_role("button", name="Save").click()
    # It is told at the field, and nowhere else.
    expect(pattern).to_have_attribute("aria-invalid", "true")
    expect(editing.get_by_text("must be a pattern of server/repository without a tag")).to_be_visible()
    expect(editing.get_by_role("alert")).to_have_count(0)
    assert serious(page) == []
    pattern.fill("docker.io/library/*")
    editing.get_by_role("button", name="Save").click()
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("demanded, by one of 1 key")
    expect(facts).to_contain_text("but not of docker.io/library/*")
    assert serious(page) == []
    repository = Repository(suite, workload["registryTarget"].partition("/")[2])
    image = repository.image("one", "v1")
    page.goto(f"{suite.url}/workloads/{workload['id']}")
    held = page.get_by_role("region", name="Waits for a signature")
    expect(held).to_contain_text("The cluster demands a signature: it is not signed.")
    repository.cosign(image, key)
    expect(held).to_have_count(0)
    held_no_more = api.get(f"/api/v1/workloads/{workload['id']}")
    assert held_no_more["imageDigest"] == image["digest"]
