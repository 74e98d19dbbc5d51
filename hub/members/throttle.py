"""The only door to asyncio-throttle: how many requests one member gets in a second, from all runs together."""

from __future__ import annotations

from asyncio_throttle.throttler import Throttler

DEFAULT_RATE = 100  # requests per second: an API server's share for one user under its default fairness rules


class Throttle:
    """At most ``rate`` requests in any ``period`` seconds; who comes too early waits."""

    def __init__(self, rate: int = DEFAULT_RATE, period: float = 1.0) -> None:
        self._throttler = Throttler(rate_limit=rate, period=period)

    @property
    def rate(self) -> int:
        """Requests per period."""
        return self._throttler.rate_limit

    @rate.setter
    def rate(self, rate: int) -> None:
        self._throttler.rate_limit = rate

    async def acquire(self) -> None:
        """Wait until one more request is allowed."""
        await self._throttler.acquire()  # type: ignore[no-untyped-call]  # untyped upstream
