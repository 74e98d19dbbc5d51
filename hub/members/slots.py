"""
Who may run next: a bounded number of runs over all members and on each, fairly between members.

A run that writes holds a slot. A run that only waits for objects to become ready is *parked*: its slot goes to somebody
else, and it counts against limits of its own that are larger, because waiting costs next to nothing. Members that have
runs waiting for a slot take turns, whatever the length of their queues. A member that does not answer is *suspended*:
the runs that are stuck on it do nothing, so they take no slots from others, and it gets no more of them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How many runs there may be at once.

    Attributes:
        writing: That write, over all members.
        writing_per_member: That write to one member.
        parked: That only wait, over all members.
        parked_per_member: That only wait for one member.
    """

    writing: int
    writing_per_member: int
    parked: int = 64
    parked_per_member: int = 32


class Turn:
    """The right to run on one member; made by :meth:`Slots.turn`."""

    def __init__(self, slots: Slots, member: str) -> None:
        self._slots = slots
        self.member = member
        self.parked = False

    def park(self) -> bool:
        """Give the slot back while only waiting; False when too many are parked already."""
        if self.parked:
            return True
        self.parked = self._slots._park(self.member)  # noqa: SLF001  # two halves of one thing
        return self.parked

    async def resume(self) -> None:
        """Take a slot again before writing; who was parked goes first on its member."""
        if not self.parked:
            return
        await self._slots._take(self.member, first=True)  # noqa: SLF001  # as above
        self.parked = False
        self._slots._unpark(self.member)  # noqa: SLF001  # as above


class Slots:
    """Gives out turns within :class:`Limits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._writing: defaultdict[str, int] = defaultdict(int)
        self._parked: defaultdict[str, int] = defaultdict(int)
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._suspended: set[str] = set()
        self._served: dict[str, int] = {}  # when each member last got a slot
        self._ticks = 0

    @property
    def writing(self) -> int:
        """Runs that hold a slot now."""
        return sum(self._writing.values())

    @property
    def parked(self) -> int:
        """Runs that gave theirs back and only wait."""
        return sum(self._parked.values())

    @property
    def queued(self) -> int:
        """Runs that want a slot."""
        return sum(not place.done() for queue in self._queues.values() for place in queue)

    def suspend(self, member: str) -> None:
        """Let a member's runs take no slots from others, and give it no more, until :meth:`readmit`."""
        self._suspended.add(member)
        self._hand_out()

    def turn_away(self, member: str, why: Callable[[], Exception]) -> None:
        """Let everybody who waits for a slot on a member fail."""
        for place in self._queues.pop(member, ()):
            if not place.done():
                place.set_exception(why())

    def readmit(self, member: str) -> None:
        """Undo :meth:`suspend`; for a moment there may be more runs than slots."""
        self._suspended.discard(member)
        self._hand_out()

    @asynccontextmanager
    async def turn(self, member: str) -> AsyncIterator[Turn]:
        """Wait for a slot on ``member`` and hold it for the body."""
        await self._take(member)
        turn = Turn(self, member)
        try:
            yield turn
        finally:
            if turn.parked:
                self._unpark(member)
            else:
                self._release(self._writing, member)
            self._hand_out()

    async def _take(self, member: str, *, first: bool = False) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(member, deque())
        (queue.appendleft if first else queue.append)(place)
        self._hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:  # ours already: pass it on
                self._release(self._writing, member)
            self._hand_out()  # drops a cancelled place when it comes to it
            raise

    def _hand_out(self) -> None:
        """Give free slots to the members that have not had one for longest, as far as their shares go."""
        while self._counted() < self._limits.writing:
            share = self._limits.writing_per_member
            candidates = [member for member in self._queues if member not in self._suspended]
            entitled = [member for member in candidates if self._writing.get(member, 0) < share]
            if not entitled:
                return
            member = min(entitled, key=lambda one: self._served.get(one, 0))
            place = self._queues[member].popleft()
            if not self._queues[member]:
                del self._queues[member]
            if not place.done():  # who waited there may have been cancelled
                self._writing[member] += 1
                self._ticks += 1
                self._served[member] = self._ticks
                place.set_result(None)

    def _counted(self) -> int:
        return sum(runs for member, runs in self._writing.items() if member not in self._suspended)

    def _park(self, member: str) -> bool:
        if self.parked >= self._limits.parked or self._parked[member] >= self._limits.parked_per_member:
            return False
        self._parked[member] += 1
        self._release(self._writing, member)
        self._hand_out()
        return True

    def _unpark(self, member: str) -> None:
        self._release(self._parked, member)

    @staticmethod
    def _release(counts: defaultdict[str, int], member: str) -> None:
        counts[member] -= 1
        if not counts[member]:
            del counts[member]
