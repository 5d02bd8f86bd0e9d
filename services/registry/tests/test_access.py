"""Who may do what: challenges, tokens, scopes, roles."""

import base64
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.identity import Identity
from cloudly_kit.scopes import Scope
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, running_registry
from cloudly_registry.tokens import AccessTokens, parse_scopes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


async def test_without_a_token_the_way_to_one_is_told(registry: Registry, name: str) -> None:
    for path, scope in (("/v2/", ""), (f"/v2/{name}/manifests/latest", f',scope="repository:{name}:pull"')):
        async with registry.http.get(registry.base + path) as answer:
            assert answer.status == 401
            expected = f'Bearer realm="{registry.base}/v2/token",service="{registry.settings.registry_host}"{scope}'
            assert answer.headers["WWW-Authenticate"] == expected
            assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
            assert (await answer.json())["errors"][0]["code"] == "UNAUTHORIZED"


async def test_with_a_token_the_registry_says_so(client: Client) -> None:
    assert (await client.call("GET", "/v2/", scope="repository:x:pull")).status == 200
    assert (await client.call("HEAD", "/v2", scope="repository:x:pull")).status == 200


@pytest.mark.parametrize(
    "login",
    [
        aiohttp.BasicAuth("admin", "wrong"),
        aiohttp.BasicAuth("stranger", "admin-password"),
        aiohttp.BasicAuth("", ""),
        aiohttp.BasicAuth("admin", "eyJhbGciOiJub25lIn0.e30."),
        None,
    ],
)
async def test_a_wrong_login_gets_no_token(registry: Registry, login: aiohttp.BasicAuth | None) -> None:
    async with registry.http.get(f"{registry.base}/v2/token", auth=login) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert (await answer.json())["errors"][0]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Digest x"])
async def test_a_malformed_login_gets_no_token(registry: Registry, header: str) -> None:
    async with registry.http.get(f"{registry.base}/v2/token", headers={"Authorization": header}) as answer:
        assert answer.status == 401


async def test_a_basic_login_may_come_with_the_request_itself(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    where = f"{registry.base}/v2/{name}/manifests/v1"

    async def asked(method: str, url: str, user: str, password: str, **options: Any) -> tuple[int, bytes, str]:
        login = aiohttp.BasicAuth(user, password)
        async with registry.http.request(method, url, auth=login, **options) as answer:
            return answer.status, await answer.read(), answer.headers.get("WWW-Authenticate", "")

    asked_auth = len(registry.auth.asked)
    for _ in range(3):
        assert await asked("GET", where, "viewer", "viewer-password") == (200, image.manifest, "")
    assert len(registry.auth.asked) == asked_auth + 1, "a login that was right holds for a while"
    assert (await asked("DELETE", where, "viewer", "viewer-password"))[0] == 403
    assert (await asked("GET", f"{registry.base}/v2/", "viewer", "viewer-password"))[0] == 200
    assert (await asked("GET", f"{registry.base}/v2/_catalog", "viewer", "viewer-password"))[0] == 200
    assert (await asked("GET", where, "nobody", "nobody-password"))[0] == 403
    status, _, challenge = await asked("GET", where, "viewer", "wrong")
    assert (status, challenge.partition(" ")[0]) == (401, "Bearer")
    assert (await asked("DELETE", where, "admin", "admin-password"))[0] == 202


async def test_a_token_is_got_by_form_too(registry: Registry, name: str) -> None:
    form = {"grant_type": "password", "username": "op", "password": "op-password", "scope": f"repository:{name}:push"}
    async with registry.http.post(f"{registry.base}/v2/token", data=form) as answer:
        assert answer.status == 200
        content = await answer.json()
        assert content["access_token"] == content["token"]
        assert content["expires_in"] == 300
    async with registry.http.post(f"{registry.base}/v2/token", data={**form, "grant_type": "x"}) as answer:
        assert answer.status == 400


async def test_a_viewer_pulls_and_does_not_push(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "latest")
    viewer = registry.client("viewer")
    assert (await viewer.call("GET", f"/v2/{name}/manifests/latest")).status == 200
    for method, path in (
        ("POST", f"/v2/{name}/blobs/uploads/"),
        ("PUT", f"/v2/{name}/manifests/latest"),
        ("DELETE", f"/v2/{name}/manifests/latest"),
        ("DELETE", f"/v2/{name}/blobs/{digest_of(image.config)}"),
    ):
        refused = await viewer.call(method, path, headers={"Content-Type": OCI_MANIFEST})
        assert (refused.status, refused.code) == (403, "DENIED"), path
    assert (await client.call("GET", f"/v2/{name}/manifests/latest")).body == image.manifest


async def test_who_has_no_role_does_not_even_pull(client: Client, registry: Registry, name: str) -> None:
    await client.push_blob(name, b"x")
    refused = await registry.client("nobody").call("GET", f"/v2/{name}/blobs/{digest_of(b'x')}")
    assert (refused.status, refused.code) == (403, "DENIED")


async def test_an_operator_pushes_anywhere(registry: Registry, name: str) -> None:
    pushed = await Image(b"one").push(registry.client("op"), name, "latest")
    assert pushed.status == 201


async def test_a_token_for_one_repository_opens_no_other(client: Client, name: str) -> None:
    await client.push_blob(f"{name}/other", b"x")
    refused = await client.call(
        "GET", f"/v2/{name}/other/blobs/{digest_of(b'x')}", scope=f"repository:{name}:pull,push"
    )
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert f'scope="repository:{name}/other:pull"' in refused.headers["WWW-Authenticate"]


async def test_a_token_of_a_cluster_pulls_and_nothing_else(client: Client, registry: Registry, name: str) -> None:
    await Image(b"one").push(client, name, "latest")
    password = registry.auth.issue("cluster", name="cluster-1", type="machine", audience="registry", cluster="c1")
    cluster = Client(registry.http, registry.base, "cluster-1", password)
    asked = len(registry.auth.asked)
    assert (await cluster.call("GET", f"/v2/{name}/manifests/latest")).status == 200
    assert len(registry.auth.asked) == asked, "pull tokens are verified here"
    refused = await cluster.call("POST", f"/v2/{name}/blobs/uploads/")
    assert (refused.status, refused.code) == (403, "DENIED")


async def test_a_token_for_the_api_is_no_pull_token(registry: Registry) -> None:
    for password in (registry.auth.issue("admin"), registry.auth.issue("admin", audience="registry", seconds=-60)):
        login = aiohttp.BasicAuth("admin", password)
        async with registry.http.get(f"{registry.base}/v2/token", auth=login) as answer:
            assert answer.status == 401


async def test_a_revoked_pull_token_is_refused(registry: Registry) -> None:
    import redis.asyncio
    from cloudly_kit.identity import REVOKED_KEY

    password = registry.auth.issue("cluster", type="machine", audience="registry", session="s-revoked")
    login = aiohttp.BasicAuth("c", password)
    async with registry.http.get(f"{registry.base}/v2/token", auth=login) as answer:
        assert answer.status == 200
    async with redis.asyncio.Redis.from_url(registry.settings.redis_url.get_secret_value()) as client:
        await client.set(f"{REVOKED_KEY}s-revoked", "1")
    async with registry.http.get(f"{registry.base}/v2/token", auth=login) as answer:
        assert answer.status == 401


async def test_forged_and_foreign_tokens_are_refused(client: Client, registry: Registry, name: str) -> None:
    good = await client.token(f"repository:{name}:pull")
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    for token in (
        jwt.encode(claims, "secret" * 8, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        f"{head}.{body}.{signature[::-1]}",
        registry.auth.issue("admin"),
        "x" * 40_000,
        "",
    ):
        headers = {"Authorization": f"Bearer {token}"}
        async with registry.http.get(f"{registry.base}/v2/", headers=headers) as answer:
            assert answer.status in (400, 401)


async def test_a_token_ends_after_five_minutes(client: Client, name: str) -> None:
    claims = jwt.decode(await client.token(f"repository:{name}:pull"), options={"verify_signature": False})
    assert claims["exp"] - time.time() <= 300
    assert claims["aud"] == "registry-access"


async def test_a_token_of_one_replica_opens_another(client: Client, registry: Registry, name: str) -> None:
    await client.push_blob(name, b"x")
    token = await client.token(f"repository:{name}:pull")
    async with registry.replica() as second:
        url = f"{second.base}/v2/{name}/blobs/{digest_of(b'x')}"
        async with registry.http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert (answer.status, await answer.read()) == (200, b"x")


async def test_the_proxy_tells_the_address_for_the_limit_on_attempts(registry: Registry) -> None:
    headers = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    login = aiohttp.BasicAuth("admin", "admin-password")
    async with registry.http.get(f"{registry.base}/v2/token", auth=login, headers=headers) as answer:
        assert answer.status == 200
    assert registry.auth.asked[-1] == "203.0.113.7"


@pytest.mark.parametrize(
    ("trusted", "found"), [("127.0.0.0/8,203.0.113.0/24", "198.51.100.9"), ("192.168.0.0/16", "127.0.0.1")]
)
async def test_only_proxies_that_are_trusted_tell_the_address(
    scratch: Path, mongo_url: str, redis_url: str, name: str, trusted: str, found: str
) -> None:
    async with running_registry(scratch / f"r{name[-7:]}", mongo_url, redis_url, trusted_proxies=trusted) as registry:
        headers = {"X-Forwarded-For": "6.6.6.6, 198.51.100.9, 203.0.113.7"}
        login = aiohttp.BasicAuth("admin", "admin-password")
        async with registry.http.get(f"{registry.base}/v2/token", auth=login, headers=headers) as answer:
            assert answer.status == 200
        assert registry.auth.asked[-1] == found


async def set_public(registry: Registry, name: str, public: bool) -> None:
    async with registry.harness.channel("registry", token=registry.auth.issue("admin")) as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        listed = (await images.ListImages(image_pb2.ListImagesRequest(page_size=200))).images
        wished = image_pb2.Image(id=next(i.id for i in listed if i.repository == name), public=public)
        request = image_pb2.UpdateImageRequest(image=wished)
        request.update_mask.paths.append("public")
        assert (await images.UpdateImage(request)).image.public == public


async def anonymous_token(registry: Registry, scope: str) -> str:
    async with registry.http.get(f"{registry.base}/v2/token", params={"scope": scope}) as answer:
        return str((await answer.json()).get("token", "")) if answer.status == 200 else ""


async def test_a_public_repository_is_pulled_by_anyone_and_pushed_to_by_nobody_else(
    client: Client, registry: Registry, name: str
) -> None:
    image, scope = Image(b"one"), f"repository:{name}:pull,push,delete repository:{name}/closed:pull"
    await image.push(client, name, "v1")
    await image.push(client, f"{name}/closed", "v1")
    assert not await anonymous_token(registry, scope)
    await set_public(registry, name, True)
    headers = {"Authorization": "Bearer " + await anonymous_token(registry, scope)}
    for method, path, status in (
        ("GET", f"{name}/manifests/v1", 200),
        ("GET", f"{name}/blobs/{digest_of(image.config)}", 200),
        ("GET", f"{name}/tags/list", 200),
        ("GET", f"{name}/referrers/{image.digest}", 200),
        ("POST", f"{name}/blobs/uploads/", 401),
        ("PUT", f"{name}/manifests/v2", 401),
        ("DELETE", f"{name}/manifests/v1", 401),
        ("GET", f"{name}/closed/manifests/v1", 401),
        ("GET", "_catalog", 401),
    ):
        async with registry.http.request(method, f"{registry.base}/v2/{path}", headers=headers) as answer:
            assert answer.status == status, (method, path)
    assert (await registry.client("nobody").call("GET", f"/v2/{name}/manifests/v1")).status == 200
    await set_public(registry, name, False)
    assert not await anonymous_token(registry, scope)


def test_an_api_token_opens_no_more_than_its_scope(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "registry.key").write_bytes(pem)
    tokens = AccessTokens(tmp_path / "registry.key", "http://localhost:8080")
    asked = parse_scopes(["repository:team/app:pull,push", "repository:team/other:pull", "registry:catalog:*"])

    def granted(scope: str | None) -> set[tuple[str, str, str]]:
        narrowed = None if scope is None else Scope.parse(scope)
        identity = Identity(id="u", name="ada", type="human", roles=("operator",), scope=narrowed)
        return set(tokens.verify(tokens.issue(identity, asked)).granted)

    pull, push = ("repository", "team/app", "pull"), ("repository", "team/app", "push")
    other, catalog = ("repository", "team/other", "pull"), ("registry", "catalog", "*")
    assert granted(None) == granted("*.*") == {pull, push, other, catalog}
    assert granted("registry.pull") == {pull, other}
    assert granted("*.* repository:team/app") == {pull, push}
    assert granted("registry.pull repository:team/app") == {pull}
    assert granted("*.* cluster:east") == set()
