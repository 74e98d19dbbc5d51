"""How a member is, found out once for all who use it. The server is a socket of our own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from hub.kube.client import Client, Unreachable
from hub.kube.config import ClusterConfig
from hub.members.health import Health, Vitals
from hub.members.slots import Limits, Slots


class Server:
    """Answers requests while ``well`` is set and lets them hang otherwise; counts them."""

    def __init__(self):
        self.well = asyncio.Event()
        self.well.set()
        self.asked = 0

    async def serve(self, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self.well.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def watched():
    """A server, the health of the member that it is, and the states that the health went through."""
    server, states = Server(), []
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    client = Client(ClusterConfig(server=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"))
    health = Health("ns/m", 100, lambda _before, health: states.append(health.state))
    try:
        yield server, health, states, lambda: client
    finally:
        server.well.set()
        await health.aclose()
        await client.aclose()
        listening.close()


async def test_many_who_wonder_ask_once():
    async with watched() as (server, health, states, client):
        await asyncio.gather(*(health.look(client) for _ in range(20)))
        assert (server.asked, states) == (1, [])


async def test_it_is_suspected_then_lost_then_well_again(eventually):
    async with watched() as (server, health, states, client):
        server.well.clear()
        results = await asyncio.gather(*(health.look(client, timeout=0.8) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in results] == [Unreachable] * 3
        assert states == [Vitals.SUSPECTED, Vitals.LOST]
        assert "ns/m' is unreachable since" in health.breaker.error().message
        server.well.set()
        await eventually(lambda: health.state is Vitals.WELL, 10)
        assert states == [Vitals.SUSPECTED, Vitals.LOST, Vitals.WELL]


async def test_one_that_was_only_slow_is_well_again():
    async with watched() as (server, health, states, client):
        server.well.clear()
        asyncio.get_running_loop().call_later(0.7, server.well.set)
        await health.look(client)
        assert states == [Vitals.SUSPECTED, Vitals.WELL]


async def test_new_credentials_are_tried_at_once(eventually):
    async with watched() as (server, health, _, client):
        server.well.clear()
        for _ in range(4):  # the pauses between probes have become long
            with pytest.raises(Unreachable):
                await health.look(client, timeout=0.05)
            health.breaker.retry_at = 0.0
        health.breaker.retry_at = asyncio.get_running_loop().time() + 3600
        server.well.set()
        health.renewed()
        await eventually(lambda: health.state is Vitals.WELL, 10)


async def test_what_an_old_client_found_out_is_void():
    async with watched() as (server, health, states, client):
        server.well.clear()
        asked = asyncio.create_task(health.look(client, timeout=0.2))
        await asyncio.sleep(0)
        health.renewed()
        with pytest.raises(Unreachable):
            await asked
        assert Vitals.LOST not in states


async def _running(slots, member, ended):
    async with slots.turn(member):
        await ended.wait()


async def test_runs_on_a_suspended_member_take_no_slots():
    slots, ended = Slots(Limits(writing=2, writing_per_member=2)), asyncio.Event()
    stuck = [asyncio.create_task(_running(slots, "a", ended)) for _ in range(3)]
    await asyncio.sleep(0)
    slots.suspend("a")
    async with asyncio.timeout(1), slots.turn("b"), slots.turn("b"):
        assert slots.queued == 1, "it gets no more of them"
    slots.turn_away("a", lambda: Unreachable("x:1", "timeout", "gone"))
    with pytest.raises(Unreachable, match="gone"):
        await stuck.pop()
    ended.set()
    await asyncio.gather(*stuck)
    slots.readmit("a")
    async with asyncio.timeout(1), slots.turn("a"):
        assert (slots.writing, slots.queued) == (1, 0)


async def test_who_is_turned_away_and_cancelled_gives_nothing_back():
    slots, ended = Slots(Limits(writing=1, writing_per_member=1)), asyncio.Event()
    first = asyncio.create_task(_running(slots, "a", ended))
    second = asyncio.create_task(_running(slots, "a", ended))
    await asyncio.sleep(0)
    slots.turn_away("a", lambda: Unreachable("x:1", "timeout", "gone"))
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert slots.writing == 1
    ended.set()
    await first
    assert slots.writing == 0
