"""
Health of one cluster, shared by all who use it: well, suspected, lost.

A request that is late or broke off says little by itself: a webhook may be slow, a proxy may have tired of it. So the
server is asked beside it whether it is there, once for all who wonder. A server that keeps us waiting for that answer
is *suspected*: its runs take no place from others. One that does not answer, or cannot be connected to, is *lost*:
whoever waits for it is told at once, nobody asks any more, and a vigil probes it until it answers again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hub.kube.client import Unreachable
from hub.members.breaker import Breaker
from hub.members.probe import TIMEOUT, probe
from hub.members.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.errors import MemberUnreachable
    from hub.kube.client import Client

_SUSPICION: Final = 0.5  # seconds a probe may take before the member is suspected; a busy server needs some hundredths
_PAUSES: Final = (0.5, 5.0)  # seconds between probes of a lost member: first, longest; so a return is noticed soon


class Vitals(StrEnum):
    """How a member is."""

    WELL = "well"
    SUSPECTED = "suspected"
    LOST = "lost"


class Health:
    """
    What all users of one cluster share, whoever they are there.

    Args:
        name: The member, as messages call it.
        rate: Requests per second that it gets from all of them together.
        changed: Told of each change: what it was before, and this object.
    """

    def __init__(self, name: str, rate: int, changed: Callable[[Vitals, Health], None] | None = None) -> None:
        first, longest = _PAUSES
        self.breaker = Breaker(name, base=first, cap=longest)
        self.throttle = Throttle(rate)
        self.state = Vitals.WELL
        self.answered_at = 0.0  # of the loop's clock
        self.returned_at: datetime | None = None  # when it was last lost and answered again
        self._changed = changed
        self._looking: asyncio.Task[Unreachable | None] | None = None
        self._vigil: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def answered(self) -> None:
        """Note that there was an answer, whatever it said."""
        self.answered_at = asyncio.get_running_loop().time()
        if self.state is not Vitals.WELL:
            self.breaker.answered()
            self._become(Vitals.WELL)
            self._wake.set()

    def lost(self, error: Unreachable, client: Callable[[], Client]) -> MemberUnreachable:
        """Note that there is no answer; ``client`` gives the one to probe with until there is."""
        self.breaker.lost(error.message, asyncio.get_running_loop().time(), datetime.now(UTC))
        if self.state is not Vitals.LOST:
            self._become(Vitals.LOST)
        if self._vigil is None or self._vigil.done():
            self._vigil = asyncio.create_task(self._keep_vigil(client), name=f"vigil {self.breaker.name}")
        return self.breaker.error()

    def renewed(self) -> None:
        """Probe anew: there are other credentials, perhaps another address, and what was found out is void."""
        self._looking = None
        self.breaker.retry_soon()
        self._wake.set()

    async def look(self, client: Callable[[], Client], timeout: float = TIMEOUT) -> None:
        """
        Ask the server whether it is there, once for all who want to know at the same time.

        Raises:
            Unreachable: It is not; it counts as lost.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(client, timeout), name=f"probe {self.breaker.name}")
        error = await asyncio.shield(self._looking)
        if error is not None:
            raise Unreachable(error.address, error.cause, error.message)

    async def aclose(self) -> None:
        """Look no more."""
        tasks = [task for task in (self._vigil, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, client: Callable[[], Client], timeout: float) -> Unreachable | None:
        suspicion = asyncio.get_running_loop().call_later(_SUSPICION, self._suspect)
        try:
            await probe(client(), timeout)
        except Unreachable as error:
            if self._looking is asyncio.current_task():  # else it was about credentials that are no longer used
                self.lost(error, client)
            return error
        finally:
            suspicion.cancel()
        self.answered()
        return None

    async def _keep_vigil(self, client: Callable[[], Client]) -> None:
        while self.state is Vitals.LOST:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self.breaker.retry_at):
                    await self._wake.wait()
            if self.state is Vitals.LOST:
                with suppress(Unreachable):
                    await self.look(client)

    def _suspect(self) -> None:
        if self.state is Vitals.WELL:
            self._become(Vitals.SUSPECTED)

    def _become(self, state: Vitals) -> None:
        before, self.state = self.state, state
        if before is Vitals.LOST:
            self.returned_at = datetime.now(UTC)
        if self._changed is not None:
            self._changed(before, self)
