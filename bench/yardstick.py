"""The yardstick: the same upgrades of the same chart on the same members, by the bare helm command line."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.manifests import member_of
from bench.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_AT_ONCE = 4
_FLAGS = ("--server-side=true", "--force-conflicts", "--disable-openapi-validation", "--wait=hookOnly")
"""What makes helm fastest, and what the hub asks of it too."""


@dataclass(frozen=True, slots=True)
class Used:
    """Wall seconds, and CPU seconds of all helm processes."""

    seconds: float
    cpu: float


class Yardstick:
    """
    A number of releases that helm alone takes care of.

    Args:
        helm: The binary.
        chart: Folder of the chart.
        kubeconfigs: Of the members.
        namespace: Where the releases go.
        count: How many.
    """

    def __init__(self, helm: Path, chart: Path, kubeconfigs: Sequence[Path], namespace: str, count: int) -> None:
        self._helm = helm
        self._chart = chart
        self._kubeconfigs = kubeconfigs
        self._namespace = namespace
        self._count = count
        self._rounds = itertools.count(1)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
        home = chart.parent / "yardstick-home"
        self._environ = plain | {"HOME": str(home), "KUBECACHEDIR": str(home / "cache")}

    async def measure(self) -> Used:
        """Install or upgrade every release, four at a time, with another value than before."""
        before, began = _children_cpu(), time.monotonic()
        stamp, numbers = f"y{next(self._rounds)}", iter(range(self._count))
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work(numbers, stamp))
        return Used(time.monotonic() - began, _children_cpu() - before)

    async def _work(self, numbers: Iterator[int], stamp: str) -> None:
        for number in numbers:
            await self._upgrade(number, stamp)

    async def _upgrade(self, number: int, stamp: str) -> None:
        member = member_of(number, len(self._kubeconfigs))
        await run(
            str(self._helm), "upgrade", "--install", f"yard-{number}", str(self._chart),
            f"--kubeconfig={self._kubeconfigs[member - 1]}", f"--namespace={self._namespace}", "--create-namespace",
            f"--values={self._chart / f'member{member}-values.yaml'}", f"--set=podAnnotations.stamp={stamp}", *_FLAGS,
            environ=self._environ,
        )  # fmt: skip


def _children_cpu() -> float:
    """Return the CPU seconds of our children that have ended; no others run at the same time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
