"""Whether it lives, whether all parts answer, and who may read the figures."""

import pytest
from cloudly_kit.addresses import client_address, networks
from grpc_health.v1 import health_pb2


async def test_it_lives(gateway):
    assert (await gateway.client.get("/healthz")).text == "ok\n"


async def test_all_parts_are_named(gateway):
    response = await gateway.client.get("/readyz")
    assert response.status_code == 200
    parts = {"auth", "registry", "clusters", "backups", "baseos", "tasks", "redis"}
    assert response.json() == {"ready": True, "parts": dict.fromkeys(parts, "ok")}


async def test_a_part_that_does_not_serve_is_named(gateway):
    await gateway.services.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    response = await gateway.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["clusters"] == "does not answer (NotServing)"
    assert response.json()["parts"]["redis"] == "ok"


async def test_a_part_that_is_away_is_named_and_the_rest_is_not_hidden_by_it(gateway):
    await gateway.services.stop()
    response = await gateway.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["auth"] == "auth does not answer"


async def test_figures_are_for_the_machine_room_and_for_those_who_may_read(gateway):
    await gateway.client.get("/api/v1/clusters", headers=gateway.admin)
    direct = await gateway.client.get("/metrics")
    assert 'cloudly_gateway_http_seconds_count{method="GET",route="/api/v1/clusters",status="200"}' in direct.text
    from_outside = {"x-forwarded-for": "203.0.113.9"}
    assert (await gateway.client.get("/metrics", headers=from_outside)).status_code == 401
    viewer = await gateway.client.get("/metrics", headers={**from_outside, **gateway.login("viewer")})
    assert viewer.status_code == 200
    pipeline = await gateway.client.get("/metrics", headers={**from_outside, **gateway.login("api")})
    assert pipeline.status_code == 403


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("127.0.0.1", "not an address", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer, forwarded, found):
    trusted = networks("127.0.0.0/8, ::1/128, 10.0.0.0/8")
    assert client_address(peer, [forwarded] if forwarded else [], trusted) == found
