"""The dashboard's files."""

import os


async def build(gateway, **files):
    (gateway.web / "assets").mkdir(exist_ok=True)
    for name, content in files.items():
        (gateway.web / name.replace("__", "/").replace("_", ".")).write_text(content)


async def test_without_a_build_the_page_says_what_to_do(gateway):
    response = await gateway.client.get("/clusters")
    assert response.status_code == 503
    assert "make web" in response.text


async def test_every_page_is_the_index_and_is_asked_for_anew(gateway):
    await build(gateway, index_html="<title>Cloudly</title>")
    for path in ("/", "/clusters", "/clusters/abc/settings", "/images/abc/versions/v2.1", "/index.html"):
        response = await gateway.client.get(path)
        assert (response.status_code, response.text) == (200, "<title>Cloudly</title>")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_hashed_assets_are_kept_for_ever_and_compressed(gateway):
    await build(gateway, assets__main_js="let a = 1;\n" * 500, index_html="x")
    response = await gateway.client.get("/assets/main.js")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.text == "let a = 1;\n" * 500
    again = await gateway.client.get("/assets/main.js", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304


async def test_a_new_build_is_seen_at_once(gateway):
    await build(gateway, index_html="old")
    assert (await gateway.client.get("/")).text == "old"
    await build(gateway, index_html="newer")
    assert (await gateway.client.get("/")).text == "newer"


async def test_an_asset_of_an_old_build_is_no_page(gateway):
    await build(gateway, index_html="x")
    for path in ("/assets/gone", "/assets/gone.js", "/icons/gone.svg", "/favicon.ico"):
        response = await gateway.client.get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_nothing_outside_the_directory_is_served(gateway):
    await build(gateway, index_html="x")
    secret = gateway.web.parent / "secret.txt"
    secret.write_text("secret")
    os.symlink(secret, gateway.web / "link.txt")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/link.txt", "//etc/passwd", "/a%00b"):
        response = await gateway.client.get(path)
        assert "secret" not in response.text or response.status_code == 404
        assert "root:" not in response.text


async def test_pages_are_only_read(gateway):
    await build(gateway, index_html="x")
    response = await gateway.client.post("/clusters")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_unknown_paths_of_the_api_are_never_a_page(gateway):
    await build(gateway, index_html="x")
    for path in ("/api", "/api/v2/x", "/v2/", "/objects/x", "/baseos/v1/x", "/problems/nothing", "/.well-known/x"):
        assert (await gateway.client.get(path)).status_code == 404
