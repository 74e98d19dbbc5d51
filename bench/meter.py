"""What a process and everything that it starts uses: CPU seconds and memory. Linux only: it reads ``/proc``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")
_HZ = os.sysconf("SC_CLK_TCK")
_EVERY = 0.2  # seconds between two looks at the memory
_COURSE = 10.0  # seconds between two points of its course
_TRAILING = 1.0  # seconds in which what is still written after the last release counts as CPU time


class Meter:
    """
    Measures what is done inside ``async with``.

    Attributes:
        began: On the monotonic clock.
        seconds: Until :meth:`lap`, or until the end of the block.
        cpu: CPU seconds of the process tree, children that have ended included; a moment after the end counts too.
        peak: Most memory at any look, in MiB: the PSS of the tree, so pages that are shared count once.
        course: Memory at the beginning and every ten seconds from then on.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_before = 0.0
        self._sampling: asyncio.Task[None] | None = None
        self.began = self.seconds = self.cpu = self.peak = 0.0
        self.course: list[float] = []

    async def __aenter__(self) -> Self:
        self._cpu_before = cpu_seconds(self._pid)
        self._sampling = asyncio.create_task(self._sample())
        self.began = time.monotonic()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self.seconds:
            self.lap()
        if kind is None:
            await asyncio.sleep(_TRAILING)
        self.cpu = cpu_seconds(self._pid) - self._cpu_before
        if self._sampling is not None:
            self._sampling.cancel()

    def lap(self) -> float:
        """Take the time: this is when the work was done."""
        self.seconds = time.monotonic() - self.began
        return self.seconds

    async def _sample(self) -> None:
        while True:
            now = memory_mib(self._pid)
            self.peak = max(self.peak, now)
            if time.monotonic() - self.began >= len(self.course) * _COURSE:
                self.course.append(now)
            await asyncio.sleep(_EVERY)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process tree has used, those of ended and reaped processes included."""
    return sum(sum(map(int, _stat(one)[11:15])) for one in _tree(pid)) / _HZ


def memory_mib(pid: int) -> float:
    """Return the memory of a process tree now."""
    return sum(_pss_kib(one) for one in _tree(pid)) / 1024


def _tree(pid: int) -> Iterator[int]:
    yield pid
    # Each thread lists the children that it started itself.
    for file in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in file.read_text().split():
                yield from _tree(int(child))


def _stat(pid: int) -> list[str]:
    """Return the fields after the command's name, which may contain anything; zeros for a process that is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 15


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
