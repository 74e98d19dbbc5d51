"""When the server is asked what it offers (the clock is virtual)."""

from __future__ import annotations

import asyncio

import pytest

from hub.members.discovery import DiscoveryCache
from hub.members.exchange import Answer, Asked
from hub.members.paths import ResourcePath

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]

CRD = ResourcePath("apiextensions.k8s.io", "v1", "customresourcedefinitions", "", "things.example.com")


class Server:
    """Answers discovery after a second, with an entity tag that changes when ``groups`` do."""

    def __init__(self):
        self.groups = "a"
        self.status = 200
        self.asked = []

    async def fetch(self, asked):
        self.asked.append((asked.target, asked.headers.get("If-None-Match")))
        await asyncio.sleep(1)
        if asked.headers.get("If-None-Match") == self.groups:
            return Answer(304, {}, b"")
        return Answer(self.status, {"ETag": self.groups}, self.groups.encode())


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def get(server):
    cache = DiscoveryCache()

    async def get(target="/apis", accept="json", *, again=False):
        answer = await cache.get(Asked.of("GET", target, {"Accept": accept}, b""), server.fetch, again=again)
        return answer.body.decode()

    get.cache = cache
    return get


async def test_it_is_asked_once(server, get):
    assert [await get() for _ in range(3)] == ["a", "a", "a"]
    assert server.asked == [("/apis", None)]


async def test_many_at_once_are_one(server, get):
    assert await asyncio.gather(*(get() for _ in range(5))) == ["a"] * 5
    assert len(server.asked) == 1


async def test_another_form_is_another_question(server, get):
    await get()
    await get(accept="protobuf")
    await get("/api")
    assert len(server.asked) == 3


async def test_after_a_while_it_is_asked_whether_it_is_still_so(server, get):
    await get()
    await asyncio.sleep(31)
    assert await get() == "a"
    assert server.asked[1] == ("/apis", "a")
    assert await get() == "a"
    assert len(server.asked) == 2


async def test_what_changed_is_seen_then(server, get):
    await get()
    server.groups = "b"
    assert await get() == "a"
    await asyncio.sleep(31)
    assert await get() == "b"


async def test_who_is_not_content_gets_a_new_answer(server, get):
    await get()
    server.groups = "b"
    assert await get(again=True) == "b"


async def test_definitions_that_are_written_are_waited_for(server, get):
    await get()
    get.cache.note_write(CRD)
    assert await get() == "a"  # the server has not noticed yet
    server.groups = "b"
    assert await get() == "b"
    await asyncio.sleep(10)
    await get()
    await get()
    assert len(server.asked) == 4


async def test_other_writes_change_nothing(server, get):
    await get()
    get.cache.note_write(ResourcePath("apps", "v1", "deployments", "ns", "web"))
    await get()
    assert len(server.asked) == 1


async def test_errors_are_not_kept(server, get):
    server.status = 503
    await get()
    server.status = 200
    await get()
    assert len(server.asked) == 2
