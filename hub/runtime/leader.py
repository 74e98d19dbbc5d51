"""
Who works: this replica holds Leases, or it waits for one.

Every call is bounded by the time that is left to renew in, and an error of any kind counts as not renewed. Losing a
Lease first stops the work (``owns`` says no at once, the gateway lets nothing more through to members, helm is ended)
and only then does anybody else's count as free. Who does not work yet is warm: it watches, its caches are full, and it
starts at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from hub.errors import HubError
from hub.runtime.shard import next_move, shard_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.runtime.lease import Leases

_log = logging.getLogger(__name__)
_RESIGN = 3.0  # seconds for giving Leases back at the end
_HAND_OVER = 60.0  # seconds that what runs has to end by itself when a replica with less asked for its shard


class Leadership:
    """
    What this replica works on.

    Args:
        leases: None stands for a hub that is alone: it owns everything.
    """

    def __init__(self, leases: Leases | None) -> None:
        self._leases = leases
        self._gained: Callable[[int], None]
        self._lost: Callable[[int, float], Awaitable[None]]
        self._held: dict[str, float] = {}  # Lease -> when the write was sent by which we hold it
        self._ending: dict[str, asyncio.Task[None]] = {}  # what runs of these is being ended
        self._told = ""

    @property
    def leading(self) -> bool:
        """Whether anything is ours."""
        return self._leases is None or any(self._valid(name) for name in self._held)

    def shard(self, word: str) -> int:
        """Return the shard of a word, e.g. of a member's name."""
        return shard_of(word, self._leases.count) if self._leases else 0

    def owns(self, word: str) -> bool:
        """Whether something that belongs to a word may be begun here, at this instant."""
        return self.holds(word) and (self._leases is None or self._leases.names[self.shard(word)] not in self._ending)

    def holds(self, word: str) -> bool:
        """Whether what was begun may go on; nobody else has begun anything."""
        return self._leases is None or self._valid(self._leases.names[self.shard(word)])

    def others(self) -> list[str]:
        """Return the addresses of those who work elsewhere."""
        if self._leases is None:
            return []
        now, me = self._leases.clock(), self._leases.me
        found = {one.address for one in self._leases.records.values() if one.held(now) and one.holder != me}
        return sorted(found - {""})

    async def run(self, gained: Callable[[int], None], lost: Callable[[int, float], Awaitable[None]]) -> None:
        """
        Hold what can be held, until cancelled.

        Args:
            gained: Called with a shard that is ours now.
            lost: Called with a shard that is not ours any more, and the seconds that what runs may take to end by
                itself; returns when nothing of it runs here.
        """
        self._gained, self._lost = gained, lost
        if self._leases is None:
            await asyncio.Event().wait()
            return
        while True:
            await self._bounded_round(self._leases)
            pause = self._leases.timing.retry * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load
            await asyncio.sleep(max(0.0, min(pause, self._time_left(self._leases))))

    async def resign(self) -> None:
        """Give back what is held, so that nobody has to wait. Call it when nothing runs any more; stop run() before."""
        if self._leases is None:
            return
        held = list(self._held)
        self._held.clear()
        try:
            async with asyncio.timeout(_RESIGN):
                for name in held:
                    await self._leases.give_back(name)
        except (HubError, TimeoutError) as error:
            _log.warning("Could not give the Lease back; others wait for it", extra={"why": str(error)})

    async def _bounded_round(self, leases: Leases) -> None:
        try:
            async with asyncio.timeout(max(0.05, self._time_left(leases))):
                await self._round(leases)
            self._told = ""
        except (HubError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            if why != self._told:
                _log.warning("Cannot renew or take Leases", extra={"why": why})
            self._told = why
        for name in [name for name in self._held if not self._valid(name)]:
            self._lose(leases, name, "it could not be renewed in time")

    async def _round(self, leases: Leases) -> None:
        await leases.look()
        for name in list(self._held):
            record = leases.records.get(name)
            if record is None or record.holder != leases.me:
                self._lose(leases, name, f"{record.holder or 'nobody'} holds it" if record else "it was deleted")
        mine = frozenset([*self._held, *self._ending])
        move = next_move(leases.names, leases.records, leases.me, mine, leases.clock())
        for name in move.give_back:
            if name in self._held and name not in self._ending:
                self._end(leases, name, _HAND_OVER)
        for name in list(self._held):
            await self._renew(leases, name)
        for name in move.take:
            await self._take(leases, name)
        if move.ask_for:
            await leases.ask_for(move.ask_for)

    async def _renew(self, leases: Leases, name: str) -> None:
        began = leases.clock()
        if await leases.hold(name, still_wanted=name in self._ending) and name in self._held:
            self._held[name] = began

    async def _take(self, leases: Leases, name: str) -> None:
        """Take a Lease; then look whether somebody did so at the same time who cuts the work in other pieces."""
        began = leases.clock()
        if not await leases.hold(name):
            return
        await leases.look()
        now = leases.clock()
        if any(
            one.held(now) and one.holder != leases.me for one in leases.records.values() if one.name not in leases.names
        ):
            await leases.give_back(name)
            return
        self._held[name] = began
        _log.info("Leading", extra={"lease": name, "identity": leases.me})
        self._gained(leases.names.index(name))

    def _lose(self, leases: Leases, name: str, why: str) -> None:
        """From this instant on nothing of it is ours; what still runs is ended."""
        del self._held[name]
        _log.warning("Not leading any more", extra={"lease": name, "why": why})
        if (handing_over := self._ending.pop(name, None)) is not None:
            handing_over.cancel()
        self._end(leases, name, 0.0)

    def _end(self, leases: Leases, name: str, grace: float) -> None:
        """Begin nothing more of a shard; when the rest has ended, and it is still ours, let others have it."""

        async def end() -> None:
            await self._lost(leases.names.index(name), grace)
            if self._held.pop(name, None) is None:
                return
            _log.info("Gave a shard to a replica with less", extra={"lease": name})
            try:
                await leases.give_back(name)
            except HubError as error:
                _log.warning("Could not give the Lease back; others wait for it", extra={"why": error.message})

        task = self._ending[name] = asyncio.create_task(end(), name=f"end {name}")
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._ending.get(name) is task:
            del self._ending[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("The end of a shard broke", exc_info=error)

    def _valid(self, name: str) -> bool:
        sent = self._held.get(name)
        leases = self._leases
        return sent is not None and leases is not None and leases.clock() < sent + leases.timing.renew_deadline

    def _time_left(self, leases: Leases) -> float:
        """Seconds until the first Lease has to be given up; the whole time when none is held."""
        oldest = min(self._held.values(), default=leases.clock())
        return oldest + leases.timing.renew_deadline - leases.clock()
