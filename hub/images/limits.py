"""How often one registry is asked, by all ImageRepositories together, and how long it wants to be left alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hub.errors import Waiting
from hub.members.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RATE = 10  # scans that one registry gets in a second
_AT_ONCE = 4


class RegistryLimits:
    """
    Keeps registries from being overrun: so many scans a second, so few at once, none while one asked for peace.

    Args:
        rate: Scans that begin in one second, for each registry.
    """

    def __init__(self, rate: int = _RATE) -> None:
        self._rate = rate
        self._throttles: dict[str, Throttle] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._until: dict[str, float] = {}

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask a registry for a while: it answered 429."""
        self._until[host] = max(self._until.get(host, 0.0), asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """
        Wait until a registry may be asked, and ask it in the body.

        Raises:
            Waiting: It wants to be left alone for longer.
        """
        async with self._slots.setdefault(host, asyncio.Semaphore(_AT_ONCE)):
            await self._throttles.setdefault(host, Throttle(self._rate)).acquire()
            left = self._until.get(host, 0.0) - asyncio.get_running_loop().time()
            if left > 0:
                message = f"scan failed: {host} answered 429 (too many requests) and is left alone for {left:.0f}s"
                raise Waiting("ReadOperationFailed", message, left, quiet=True)
            yield
