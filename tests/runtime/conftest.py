"""What the tests of this package share: a client of the hub cluster and a way to wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig


@pytest.fixture(scope="session")
def config(clusters):
    return load_kubeconfig(clusters.hub.kubeconfig)


@pytest.fixture
async def client(config):
    client = Client(config)
    yield client
    await client.aclose()


async def eventually(condition, seconds=15.0, tell=lambda: ""):
    """Wait until ``condition()`` is true and return its value."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (value := condition()):
        if loop.time() > deadline:
            pytest.fail(f"not within {seconds} s: {tell()}")
        await asyncio.sleep(0.005)
    return value


@pytest.fixture(name="eventually")
def eventually_fixture():
    return eventually


class Link:
    """A TCP connection to an API server that can be cut and mended."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._tasks = set()
        self._up = True
        self.port = 0

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self):
        self._up = False
        for task in self._tasks:
            task.cancel()

    def mend(self):
        self._up = True

    async def stop(self):
        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            if self._up:
                there, back = await asyncio.open_connection(*self._target)
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._copy(reader, back))
                        group.create_task(self._copy(there, writer))
                finally:
                    back.transport.abort()
        except* (asyncio.CancelledError, OSError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _copy(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@pytest.fixture
async def link(config):
    """A link to the hub cluster."""
    link = Link(config.hostname, int(config.address.rpartition(":")[2]))
    await link.start()
    yield link
    await link.stop()


@pytest.fixture
def linked(config, link):
    """The hub cluster as seen through the link."""
    return replace(config, server=f"https://127.0.0.1:{link.port}")
