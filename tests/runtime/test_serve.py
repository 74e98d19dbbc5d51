"""What the hub serves over HTTP, asked over HTTP."""

from __future__ import annotations

import hashlib
import os

import aiohttp
import pytest
from yarl import URL

from hub.runtime.serve import Server

CONTENT = os.urandom(300_000)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "artifacts"
    folder = root / "helmchart" / "ns" / "name"
    folder.mkdir(parents=True)
    (folder / "hello-1.0.0.tgz").write_bytes(CONTENT)
    (folder / ".tmp-upload").write_bytes(b"half")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (root / "out").symlink_to(tmp_path)
    (folder / "latest.tgz").symlink_to("hello-1.0.0.tgz")
    return root


@pytest.fixture
def why():
    return [""]


@pytest.fixture
async def ask(root, why):
    server = Server("127.0.0.1:0", root, lambda: why[0])
    await server.start()
    assert not server.address.endswith(":0")
    async with aiohttp.ClientSession() as session:

        async def ask(path, method="GET", **headers):
            url = URL(f"http://{server.address}{path}", encoded=True)
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            async with session.request(method, url, headers=names) as response:
                return response.status, await response.read(), response.headers

        yield ask
    await server.stop()


ARTIFACT = "/helmchart/ns/name/hello-1.0.0.tgz"


async def test_an_artifact_comes_byte_for_byte(ask):
    status, body, headers = await ask(ARTIFACT)
    assert (status, hashlib.sha256(body).hexdigest()) == (200, hashlib.sha256(CONTENT).hexdigest())
    assert "Content-Encoding" not in headers
    assert headers["Content-Length"] == str(len(CONTENT))
    assert (await ask("/helmchart/ns/name/latest.tgz"))[1] == CONTENT


async def test_a_part_and_what_is_known_already(ask):
    status, body, headers = await ask(ARTIFACT, Range="bytes=10-19")
    assert (status, body) == (206, CONTENT[10:20])
    status, body, _ = await ask(ARTIFACT, If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")
    status, body, headers = await ask(ARTIFACT, "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="the root"),
        pytest.param("/helmchart/ns/name", id="a folder"),
        pytest.param("/helmchart/ns/name/", id="a folder with a slash"),
        pytest.param("/helmchart/none", id="nothing"),
        pytest.param("/../secret", id="outside"),
        pytest.param("/%2e%2e/secret", id="outside, encoded"),
        pytest.param("/helmchart/..%2f..%2fsecret", id="outside, slash encoded"),
        pytest.param("//etc/passwd", id="absolute"),
        pytest.param("/%2fetc/passwd", id="absolute, encoded"),
        pytest.param("/helmchart/ns/name/link", id="a link that leads out"),
        pytest.param("/out/secret", id="a folder that leads out"),
        pytest.param("/helmchart/ns/name/.tmp-upload", id="a file being written"),
        pytest.param("/helmchart/%00", id="a zero byte"),
    ],
)
async def test_nothing_else_is_served(ask, path):
    status, body, _ = await ask(path)
    assert status == 404
    assert b"secret" not in body.replace(path.encode(), b"")


async def test_nothing_can_be_written(ask):
    for method in ("POST", "PUT", "DELETE"):
        assert (await ask(ARTIFACT, method))[0] == 405


async def test_health_and_readiness(ask, why):
    assert (await ask("/healthz"))[:2] == (200, b"ok\n")
    assert (await ask("/readyz"))[:2] == (200, b"ok\n")
    why[0] = "not synced yet"
    assert (await ask("/readyz"))[:2] == (503, b"not synced yet\n")


async def test_an_address_that_is_taken_or_none(root):
    first = Server("127.0.0.1:0", root, str)
    await first.start()
    try:
        second = Server(first.address, root, str)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.stop()
    finally:
        await first.stop()
    with pytest.raises(ValueError, match="'here' is not an address to listen on"):
        Server("here", root, str)


async def test_an_artifact_of_another_replica_is_passed_on(root, tmp_path):
    has = Server("127.0.0.1:0", root, str)
    await has.start()
    addresses = ["127.0.0.1:9", has.address]  # the first of them has gone
    has_not = Server("127.0.0.1:0", tmp_path / "empty", str, lambda: addresses)
    await has_not.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{has_not.address}{ARTIFACT}") as response:
            assert (response.status, await response.read()) == (200, CONTENT)
        addresses.append(has_not.address)  # which must not ask itself for ever
        async with session.get(f"http://{has_not.address}/helmchart/ns/name/none.tgz") as response:
            assert response.status == 404
    await has.stop()
    await has_not.stop()


async def test_metrics_are_served(ask):
    status, body, headers = await ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b"python_info" in body
