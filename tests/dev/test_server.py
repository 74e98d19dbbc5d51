from __future__ import annotations

import asyncio

import aiohttp
import pytest

from hub.dev.registry import LocalRegistry
from hub.errors import ToolFailed


async def answers(registry):
    async with aiohttp.ClientSession() as session, session.get(f"http://{registry.address}/v2/") as response:
        return response.status


async def test_a_server_runs_as_long_as_it_is_used_and_comes_back_at_its_port(tmp_path):
    registry = LocalRegistry(tmp_path)
    async with registry:
        port = registry.port
        assert await answers(registry) == 200
        process = registry._process
    assert process.returncode is not None
    async with registry:
        assert registry.port == port


async def test_many_start_at_once(tmp_path):
    registries = [LocalRegistry(tmp_path / str(number)) for number in range(3)]
    try:
        await asyncio.gather(*(one.start() for one in registries))
        assert len({one.port for one in registries}) == 3
    finally:
        await asyncio.gather(*(one.stop() for one in registries))


async def test_a_server_that_does_not_start_says_why(tmp_path):
    class Broken(LocalRegistry):
        def arguments(self):
            return ["serve", str(self.root / "nowhere.yaml")]

    with pytest.raises(ToolFailed, match=r"registry did not start: [\s\S]*nowhere\.yaml"):
        await Broken(tmp_path).start()
