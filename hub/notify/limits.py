"""How often one Receiver can be called. Pure of I/O: the clock is an argument."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_REMEMBERED = 4096


class Allowance:
    """
    A bucket of calls for each key: it holds ``burst`` of them and fills again by ``rate`` a second.

    Args:
        clock: Returns seconds.
        burst: Calls that can come at once.
        rate: Calls per second in the long run.
    """

    def __init__(self, clock: Callable[[], float], *, burst: int, rate: float) -> None:
        self._clock = clock
        self._burst = burst
        self._rate = rate
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> bool:
        """Take one call from the bucket of a key; False when it is empty."""
        now = self._clock()
        left, since = self._left.pop(key, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        allowed = left >= 1.0
        self._left[key] = (left - 1.0 if allowed else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return allowed
