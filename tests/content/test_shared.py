from __future__ import annotations

import asyncio

import pytest

from hub.content.shared import Shared


class Work:
    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"


async def start(shared, work, count):
    tasks = [asyncio.create_task(shared.run("key", work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_callers_at_once_share_and_later_ones_do_not():
    shared, work = Shared(), Work()
    tasks = await start(shared, work, 3)
    work.go.set()
    assert await asyncio.gather(*tasks) == ["done"] * 3
    assert work.started == 1
    assert await shared.run("key", work) == "done"
    assert work.started == 2
    assert not shared._tasks
    assert not shared._waiting


async def test_the_last_one_to_leave_stops_the_work():
    shared, work = Shared(), Work()
    first, second = await start(shared, work, 2)
    first.cancel()
    await asyncio.sleep(0)
    assert work.cancelled == 0
    second.cancel()
    await asyncio.wait([first, second])
    assert work.cancelled == 1
    assert not shared._tasks
    assert not shared._waiting


async def test_errors_reach_every_caller():
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("no")

    shared = Shared()
    results = await asyncio.gather(shared.run(1, fail), shared.run(1, fail), return_exceptions=True)
    assert [str(one) for one in results] == ["no", "no"]
    with pytest.raises(ValueError):
        await shared.run(1, fail)
