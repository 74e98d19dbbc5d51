from __future__ import annotations

import asyncio

import pytest

from hub.runtime.debounce import Debounce

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]


def now():
    return round(asyncio.get_running_loop().time(), 3)


@pytest.mark.parametrize(
    ("touches", "passed"),
    [
        pytest.param([0], [0.3], id="one change waits for the quiet"),
        pytest.param([0, 0, 0.1, 0.3], [0.6], id="a burst is one"),
        pytest.param([0, 0.4], [0.3, 0.7], id="two bursts are two"),
        pytest.param([i / 5 for i in range(16)], [2.0, 3.3], id="who never stops does not hold it back for ever"),
    ],
)
async def test_when_a_key_is_passed_on(touches, passed):
    came = []
    debounce = Debounce(lambda _key: came.append(now()), quiet=0.3, limit=2.0)
    loop = asyncio.get_running_loop()
    for at in touches:
        loop.call_at(at, debounce.touch, "a")
    await asyncio.sleep(10)
    assert came == passed


async def test_keys_do_not_wait_for_each_other():
    came = []
    debounce = Debounce(lambda key: came.append((key, now())))
    debounce.touch("a")
    await asyncio.sleep(0.2)
    debounce.touch("b")
    await asyncio.sleep(1)
    assert came == [("a", 0.3), ("b", 0.5)]
