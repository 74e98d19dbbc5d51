from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from hub.content import digest as digests
from hub.content import fetch
from hub.content.fetch import ArtifactReader
from hub.content.store import Store
from hub.errors import Transient, Waiting

DATA = b"artifact bytes"


class Origin:
    """A real HTTP server that fails as often as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.statuses: list[int] = []
        self.cut = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.statuses:
            status = self.statuses.pop(0)
            return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})
        if self.cut:
            self.cut -= 1
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"half")
            request.transport.close()
            return response
        return web.Response(body=DATA)


@pytest.fixture
async def origin(monkeypatch):
    monkeypatch.setattr(fetch, "_FIRST_DELAY", 0.001)
    handler = Origin()
    server = web.ServerRunner(web.Server(handler))
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    handler.url = f"http://127.0.0.1:{server.addresses[0][1]}/a.tar.gz"
    yield handler
    await server.cleanup()


@pytest.fixture
async def reader(tmp_path):
    store = Store(tmp_path, "http://here")
    await store.prepare()
    async with aiohttp.ClientSession() as session:
        made = ArtifactReader(store, lambda: session)
        made.store = store
        yield made


def artifact(origin, data: bytes = DATA) -> SimpleNamespace:
    return SimpleNamespace(digest=digests.of_bytes(data), url=origin.url)


async def test_a_local_artifact_costs_no_request(reader, origin):
    async with reader.store.workspace() as folder:
        (folder / "x").write_bytes(DATA)
        await reader.store.put("GitRepository", "ns", "n", "f", "r", folder / "x")
    assert (await reader.open(artifact(origin))).read_bytes() == DATA
    assert origin.asked == 0


async def test_many_callers_share_one_download_and_it_is_kept(reader, origin):
    paths = await asyncio.gather(*(reader.open(artifact(origin)) for _ in range(20)))
    assert {path.read_bytes() for path in paths} == {DATA}
    await reader.open(artifact(origin))
    assert origin.asked == 1


@pytest.mark.parametrize(
    ("statuses", "cut", "asked"),
    [
        pytest.param([503, 502, 429], 0, 4, id="a server in trouble is asked again"),
        pytest.param([], 2, 3, id="a torn download is started again"),
        pytest.param([503] * 4, 0, 5, id="four retries"),
    ],
)
async def test_retries(reader, origin, statuses, cut, asked):
    origin.statuses, origin.cut = statuses, cut
    assert (await reader.open(artifact(origin))).read_bytes() == DATA
    assert origin.asked == asked


async def test_what_is_stored_meanwhile_ends_the_retries(reader, origin):
    origin.statuses = [503] * 100
    reader._retries = 12
    opening = asyncio.create_task(reader.open(artifact(origin)))
    while not origin.asked:  # noqa: ASYNC110 - the server has no event to wait for
        await asyncio.sleep(0.001)
    async with reader.store.workspace() as folder:
        (folder / "x").write_bytes(DATA)
        await reader.store.adopt(folder / "x")
    assert (await asyncio.wait_for(opening, 10)).read_bytes() == DATA


@pytest.mark.parametrize(
    ("statuses", "data", "error", "message"),
    [
        pytest.param([404], DATA, Waiting, "artifact not found", id="gone waits for its source"),
        pytest.param([503] * 10, DATA, Transient, "HTTP|answered 503", id="retries used up"),
        pytest.param([403], DATA, Transient, "HTTP status 403", id="refused"),
        pytest.param([302], DATA, Transient, "HTTP status 302", id="redirects are not followed"),
        pytest.param([], b"other", Transient, "digest mismatch", id="another digest"),
    ],
)
async def test_failures(*, reader, origin, statuses, data, error, message):
    origin.statuses = statuses
    with pytest.raises(error, match=message) as caught:
        await reader.open(artifact(origin, data))
    assert caught.value.reason == "ArtifactFailed"
    assert not list((reader.store.root / "tmp").iterdir())


async def test_a_large_artifact_is_refused_before_it_fills_the_disk(reader, origin):
    reader._max_size = 3
    with pytest.raises(Transient, match="larger than 3 bytes"):
        await reader.open(artifact(origin))


async def test_a_cancelled_caller_does_not_cancel_the_others(reader, origin):
    first = asyncio.create_task(reader.open(artifact(origin)))
    second = asyncio.create_task(reader.open(artifact(origin)))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).read_bytes() == DATA


async def test_an_unknown_digest_algorithm_is_refused(reader, origin):
    with pytest.raises(Transient, match="unsupported digest"):
        await reader.open(SimpleNamespace(digest="sha512:ab", url=origin.url))
