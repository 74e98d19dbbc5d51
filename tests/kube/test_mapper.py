"""The mapper, with a server that answers when the test lets it."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import MemberUnreachable, NotFound
from hub.kube.mapper import Mapper

CORE = {"resources": [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True}]}


class Server:
    def __init__(self, *answers):
        self.asked = []
        self.answers = list(answers)
        self.open = asyncio.Event()

    async def read(self, path):
        self.asked.append(path)
        await self.open.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_many_ask_at_once_and_all_get_the_one_answer():
    server = Server(CORE)
    mapper = Mapper(server.read)
    waiting = [asyncio.create_task(mapper.api("v1", "ConfigMap")) for _ in range(3)]
    await asyncio.sleep(0)
    server.open.set()
    assert {api.plural for api in await asyncio.gather(*waiting)} == {"configmaps"}
    assert server.asked == ["/api/v1"]


async def test_a_server_that_did_not_answer_is_asked_again():
    server = Server(MemberUnreachable("m", "gone"), CORE)
    server.open.set()
    mapper = Mapper(server.read)
    with pytest.raises(MemberUnreachable):
        await mapper.api("v1", "ConfigMap")
    assert (await mapper.api("v1", "ConfigMap")).plural == "configmaps"


async def test_an_unknown_kind_is_not_asked_for_at_once_again():
    server = Server(CORE)
    server.open.set()
    mapper = Mapper(server.read)
    for _ in range(2):
        with pytest.raises(NotFound, match='no matches for kind "Nope"'):
            await mapper.api("v1", "Nope")
    assert server.asked == ["/api/v1"]
