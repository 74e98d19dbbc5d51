from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def _loop_of_sync_tests():
    """looptime asks for a loop around tests that have none, and leaves it open; this one is closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
