"""
Whether it is worth asking a member: closed, open, half-open. Pure; the clock and the dice are arguments.

Connection failures open it, answers of any status close it. While it is open nobody waits for a connection that will
not come; when the pause is over, one cheap probe decides. The first loss is remembered until the member answers again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from hub.errors import MemberUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable


class State(StrEnum):
    """What a caller should do: just ask, not ask, or probe first."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True)
class Breaker:
    """
    Health of one member.

    Attributes:
        name: The member, as messages call it.
        base: Seconds of the first pause; every failed probe doubles it.
        cap: Seconds of the longest pause.
        jitter: Share of a pause that is added at random, so that what was lost together is not probed together.
        retry_at: When the next probe is due (seconds, monotonic).
        since: When the member was lost (UTC); None while it answers.
        cause: What was wrong then. It stays for the outage, so that what people are told does not flicker with every
            probe, unless there are new credentials, with which everything may be different.
    """

    name: str
    base: float = 1.0
    cap: float = 60.0
    jitter: float = 0.2
    dice: Callable[[], float] = field(default=random.random, repr=False)
    since: datetime | None = None
    cause: str = ""
    retry_at: float = 0.0
    _pause: float = 0.0
    _renewed: bool = False

    def state(self, now: float) -> State:
        """Return the state at ``now`` (seconds, monotonic)."""
        if self.since is None:
            return State.CLOSED
        return State.HALF_OPEN if now >= self.retry_at else State.OPEN

    def lost(self, cause: str, now: float, wall: datetime) -> None:
        """Note that there was no answer; only the first of the requests that were under way counts."""
        if self.state(now) is State.OPEN:
            return
        if self.since is None or self._renewed:
            self.cause, self._renewed = cause, False
        if self.since is None:
            self.since, self._pause = wall, self.base
        else:
            self._pause = min(self.cap, self._pause * 2)
        self.retry_at = now + self._pause * (1 + self.jitter * self.dice())

    def answered(self) -> None:
        """Note that there was an answer, whatever it said."""
        self.since, self.cause, self._renewed = None, "", False

    def retry_soon(self) -> None:
        """Let the next caller probe: something changed, e.g. the credentials."""
        self.retry_at = 0.0
        self._pause = self.base / 2
        self._renewed = True

    def error(self) -> MemberUnreachable:
        """Return the error that tells of the loss; only while there is one."""
        since = (self.since or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return MemberUnreachable(self.name, f"member '{self.name}' is unreachable since {since}: {self.cause}")
