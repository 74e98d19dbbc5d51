"""
The work queue: keys that want to be looked at, each at most once at a time, the most pressing first. Pure of I/O.

- A key that is added again is still one entry; the earliest time and the better priority win.
- A key that is added while it is being worked on is handed out again after :meth:`Queue.done`, never beside it.
- A key that failed waits longer each time, up to a limit; an event does not wait for that.
- Whoever waits gets older: a routine look is passed by events for half a minute, not for ever.

Times are seconds on the clock of the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")


class Priority(IntEnum):
    """How pressing a look is. The value is a handicap in seconds against whoever else is due."""

    REQUEST = -60
    EVENT = 0
    ROUTINE = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Pauses after failures, doubling from ``first`` to ``limit`` seconds as in Flux.

    Attributes:
        first: Pause after the first failure.
        limit: Longest pause.
        jitter: Share of a pause that chance may take away, so that those who failed together do not return together.
    """

    first: float = 0.75
    limit: float = 900.0
    jitter: float = 0.1

    def pause(self, failures: int, chance: float) -> float:
        """Return the pause after so many failures in a row; ``chance`` is in [0, 1)."""
        doubled = self.first * 2.0 ** min(failures - 1, 62)
        return float(min(self.limit, doubled) * (1 - self.jitter * chance))


@dataclass(slots=True)
class _Entry:
    due: float
    priority: Priority

    @property
    def order(self) -> float:
        return self.due + self.priority


class Queue(Generic[K]):
    """Keys that want to be looked at; see the module for the rules."""

    def __init__(self, backoff: Backoff | None = None, chance: Callable[[], float] = random.random) -> None:
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._entries: dict[K, _Entry] = {}
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        # Heaps are never searched: an item that no longer matches its entry is skipped when it comes up.
        self._delayed: list[tuple[float, int, K]] = []
        self._ready: list[tuple[float, int, K]] = []
        self._serial = itertools.count()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Number of keys that are due or scheduled; those being worked on count only when they were added again."""
        return len(self._entries)

    @property
    def processing(self) -> frozenset[K]:
        """Keys that were handed out and are not done."""
        return frozenset(self._processing)

    def add(self, key: K, after: float = 0.0, *, priority: Priority | None = None) -> None:
        """Ask for a look at ``key`` in ``after`` seconds. What comes at once is an event, what waits is routine."""
        if priority is None:
            priority = Priority.ROUTINE if after > 0 else Priority.EVENT
        due = self._now() + max(0.0, after)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(due, priority)
        elif due < entry.due:
            entry.due, entry.priority = due, min(priority, entry.priority)
        elif priority < entry.priority and due <= self._now():
            entry.priority = priority  # due already, and now more pressing
        else:
            return
        if key not in self._processing:
            self._push(key, entry)

    async def get(self) -> K:
        """Wait for the most pressing key that is due and hand it out; call :meth:`done` afterwards."""
        while True:
            self._promote()
            key = self._take()
            if key is not None:
                return key
            await self._wait()

    def done(self, key: K) -> None:
        """The work on ``key`` ended; whatever was asked for meanwhile counts from now on."""
        self._processing.discard(key)
        entry = self._entries.get(key)
        if entry is not None:
            self._push(key, entry)

    def retry(self, key: K) -> float:
        """Count a failure and schedule the next attempt; return the pause before it."""
        self._failures[key] = self._failures.get(key, 0) + 1
        pause = self._backoff.pause(self._failures[key], self._chance())
        self.add(key, pause)
        return pause

    def failures(self, key: K) -> int:
        """Return how often ``key`` failed in a row."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Start counting failures anew."""
        self._failures.pop(key, None)

    def discard(self, key: K) -> None:
        """Drop what is scheduled for ``key`` and its failures: the object is gone."""
        self._entries.pop(key, None)
        self.forget(key)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _push(self, key: K, entry: _Entry) -> None:
        if entry.due <= self._now():
            heapq.heappush(self._ready, (entry.order, next(self._serial), key))
            self._wake()
            return
        heapq.heappush(self._delayed, (entry.due, next(self._serial), key))
        if len(self._delayed) > 2 * len(self._entries) + 64:
            self._sweep()
        self._arm()

    def _sweep(self) -> None:
        """Throw out superseded items, or a busy key would leave one for each of its events until they come up."""
        now = self._now()
        self._delayed = [
            (entry.due, next(self._serial), key)
            for key, entry in self._entries.items()
            if entry.due > now and key not in self._processing
        ]
        heapq.heapify(self._delayed)

    def _promote(self) -> None:
        """Move what has become due among the ready ones."""
        now = self._now()
        while self._delayed and self._delayed[0][0] <= now:
            due, serial, key = heapq.heappop(self._delayed)
            entry = self._entries.get(key)
            if entry is not None and entry.due == due and key not in self._processing:
                heapq.heappush(self._ready, (entry.order, serial, key))

    def _take(self) -> K | None:
        while self._ready:
            order, _, key = heapq.heappop(self._ready)
            entry = self._entries.get(key)
            if entry is not None and entry.order == order and key not in self._processing:
                del self._entries[key]
                self._processing.add(key)
                return key
        return None

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._arm()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self._wake()  # it was woken and left: somebody else has to look
            raise

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _arm(self) -> None:
        """Have somebody woken when the next delayed key becomes due."""
        if not self._delayed or not self._waiters:
            return
        due = self._delayed[0][0]
        if self._timer is not None:
            if not self._timer.cancelled() and self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._promote()
        for _ in range(len(self._ready)):
            self._wake()
        self._arm()
