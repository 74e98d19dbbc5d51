"""How often a member is asked."""

from __future__ import annotations

import time

from hub.members.throttle import Throttle


async def test_what_is_allowed_passes_at_once_and_more_waits():
    throttle = Throttle(rate=5, period=1.0)  # the limiter reads the system's clock
    began = time.monotonic()
    for _ in range(5):
        await throttle.acquire()
    assert time.monotonic() - began < 1.0
    await throttle.acquire()
    assert time.monotonic() - began >= 1.0
