"""Every folder with a ``then.yaml`` is a scenario. They run side by side; each test waits for its own."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from scenario_scene import run_folder

FOLDER = Path(__file__).parent
AT_ONCE = 10

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
async def running(world, request):
    """Start all that were selected; return their tasks by name."""
    gate = asyncio.Semaphore(AT_ONCE)
    seconds: dict[str, float] = {}

    async def play(name: str) -> None:
        async with gate:
            began = time.monotonic()
            try:
                await run_folder(world, FOLDER / name)
            finally:
                seconds[name] = time.monotonic() - began

    selected = [item for item in request.session.items if item.path == Path(__file__)]
    names = [item.callspec.params["name"] for item in selected]
    tasks = {name: asyncio.create_task(play(name), name=name) for name in names}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    if os.environ.get("SCENARIO_SECONDS"):
        print("".join(f"\n{took:6.1f} s {name}" for name, took in sorted(seconds.items(), key=lambda one: one[1])))


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FOLDER.glob("*/then.yaml")))
async def test_scenario(running, name):
    await running[name]
