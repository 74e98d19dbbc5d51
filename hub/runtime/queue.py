"""
The work queue: keys that want to be looked at, each at most once at a time, the most pressing first. Pure of I/O.

- A key that is added again is still one entry; the earliest time and the better priority win.
- A key that is added while it is being worked on is handed out again after :meth:`Queue.done`, never beside it.
- A key that failed waits longer each time, up to a limit; an event does not wait for that.
- Whoever waits gets older: a routine look is passed by events for half a minute, not for ever.
- Keys of one lane (of one member, say) have a share of the work: a lane whose looks take for ever delays no other.

Times are seconds on the clock of the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections import Counter, deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

_NOBODY: Final = object()  # None may be the name of a lane


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


@dataclass(frozen=True, slots=True)
class Shares:
    """
    How many keys may be worked on at a time.

    Attributes:
        total: Over all lanes; what bounds memory.
        each: Of one lane.
        least: Of one lane, however busy the others are: so nobody is ever shut out.
    """

    total: int = 512
    each: int = 64
    least: int = 4


class Queue(Generic[K]):
    """
    Keys that want to be looked at; see the module for the rules.

    Args:
        backoff: Pauses after failures.
        chance: Dice, in [0, 1).
        shares: How much may be under way.
        lane: Who shares with whom; asked when a key is handed out. By default all do.
    """

    def __init__(
        self,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
        *,
        shares: Shares | None = None,
        lane: Callable[[K], Hashable] | None = None,
    ) -> None:
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._shares = shares or Shares()
        self._lane_of = lane or (lambda _: None)
        self._entries: dict[K, _Entry] = {}
        self._processing: dict[K, Hashable] = {}  # and its lane then
        self._busy: Counter[Hashable] = Counter()
        self._failures: dict[K, int] = {}
        # Heaps are never searched: an item that no longer matches its entry is skipped when it comes up.
        self._delayed: list[tuple[float, int, K]] = []
        self._ready: dict[Hashable, list[tuple[float, int, K]]] = {}
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
        if key in self._processing:
            lane = self._processing.pop(key)
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]
            if self._ready:
                self._wake()  # there is room again
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
            self._line_up(key, entry, next(self._serial))
            self._wake()
            return
        heapq.heappush(self._delayed, (entry.due, next(self._serial), key))
        if len(self._delayed) > 2 * len(self._entries) + 64:
            self._sweep()
        self._arm()

    def _sweep(self) -> None:
        """Throw out superseded items, or a busy key would leave one for each of its events until they come up."""
        self._delayed = list({item[2]: item for item in self._delayed if self._matches(item)}.values())
        heapq.heapify(self._delayed)

    def _promote(self) -> None:
        """Move what has become due among the ready ones."""
        now = self._now()
        while self._delayed and self._delayed[0][0] <= now:
            item = heapq.heappop(self._delayed)
            if self._matches(item):
                _, serial, key = item
                self._line_up(key, self._entries[key], serial)

    def _matches(self, item: tuple[float, int, K]) -> bool:
        """Whether a delayed item is still what its key waits for."""
        due, _, key = item
        entry = self._entries.get(key)
        return entry is not None and entry.due == due and key not in self._processing

    def _line_up(self, key: K, entry: _Entry, serial: int) -> None:
        heapq.heappush(self._ready.setdefault(self._lane_of(key), []), (entry.order, serial, key))

    def _take(self) -> K | None:
        lane = self._next_lane()
        if lane is _NOBODY:
            return None
        _, _, key = heapq.heappop(self._ready[lane])
        del self._entries[key]
        self._processing[key] = lane
        self._busy[lane] += 1
        return key

    def _next_lane(self) -> Hashable:
        """Return the lane whose head is most pressing; those that have less than the least come before all others."""
        chosen, best = _NOBODY, (True, math.inf)
        full = len(self._processing) >= self._shares.total
        for lane in list(self._ready):
            busy = self._busy.get(lane, 0)
            modest = busy < self._shares.least
            if busy >= self._shares.each or (full and not modest):
                continue
            order = self._head(lane)
            if order is not None and (not modest, order) < best:
                chosen, best = lane, (not modest, order)
        return chosen

    def _head(self, lane: Hashable) -> float | None:
        """Return the order of a lane's first key, without the items that no longer match."""
        heap = self._ready[lane]
        while heap:
            order, _, key = heap[0]
            entry = self._entries.get(key)
            if entry is not None and entry.order == order and key not in self._processing:
                return order
            heapq.heappop(heap)
        del self._ready[lane]
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
        for _ in range(sum(map(len, self._ready.values()))):
            self._wake()
        self._arm()
