"""A server that hangs is not waited for; one that is slow is. The server is a socket of our own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from hub.kube.client import Client, Unreachable
from hub.kube.config import ClusterConfig
from hub.members.probe import probe, watchdog


@asynccontextmanager
async def server(reply):
    """Listen; answer each request with ``reply`` after as many seconds as it says, never when it says None."""

    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                seconds, status = reply
                if seconds is None:
                    await asyncio.sleep(3600)
                await asyncio.sleep(seconds)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode())
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = Client(ClusterConfig(server=f"http://127.0.0.1:{port}"))
    try:
        yield client
    finally:
        await client.aclose()
        listening.close()


@pytest.mark.parametrize("status", ["200 OK", "500 Not Ready", "403 Forbidden", "401 Unauthorized"])
async def test_any_answer_will_do(status):
    async with server((0, status)) as client:
        await probe(client)


async def test_no_answer_will_not():
    async with server((None, "")) as client:
        with pytest.raises(Unreachable, match=r"did not answer within 0\.1 s"):
            await probe(client, timeout=0.1)


async def test_what_is_slow_is_waited_for():
    async with server((0, "200 OK")) as client, watchdog(lambda: probe(client, 1.0), patience=0.05):
        await asyncio.sleep(0.3)


async def test_what_hangs_is_given_up():
    began = asyncio.get_running_loop().time()
    async with server((None, "")) as client:
        with pytest.raises(Unreachable, match="did not answer"):
            async with watchdog(lambda: probe(client, 0.1), patience=0.05):
                await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() - began < 2


async def test_errors_of_the_body_pass():
    async with server((0, "200 OK")) as client:
        with pytest.raises(TimeoutError, match="mine"):
            async with watchdog(lambda: probe(client)):
                raise TimeoutError("mine")
