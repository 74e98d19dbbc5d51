"""
Waits until nobody has anything more to add: many changes that come together are one.

Times are seconds on the clock of the event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")


@dataclass(slots=True)
class _Burst:
    ends: float
    limit: float


class Debounce(Generic[K]):
    """
    Passes a key on once it has been quiet.

    Args:
        then: Called with the key.
        quiet: Pause after which a burst is over.
        limit: Longest time that a burst can hold its key back.
    """

    def __init__(self, then: Callable[[K], None], quiet: float = 0.3, limit: float = 2.0) -> None:
        self._then = then
        self._quiet = quiet
        self._limit = limit
        self._bursts: dict[K, _Burst] = {}

    def touch(self, key: K) -> None:
        """Something happened that concerns ``key``."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        burst = self._bursts.get(key)
        if burst is not None:
            burst.ends = min(now + self._quiet, burst.limit)
            return
        burst = self._bursts[key] = _Burst(now + self._quiet, now + self._limit)
        loop.call_at(burst.ends, self._look, key, burst.ends)

    def _look(self, key: K, at: float) -> None:
        """One timer per burst: when the end has moved meanwhile, it is set again."""
        ends = self._bursts[key].ends
        if ends > at:
            asyncio.get_running_loop().call_at(ends, self._look, key, ends)
            return
        del self._bursts[key]
        self._then(key)
