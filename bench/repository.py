"""A Git repository with the chart that ``helm create`` makes, one common values file and one for each member."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

from bench.manifests import CHART
from bench.process import BenchFailed, run
from hub.dev.gitserver import GitServer, commit_and_push, run_git

if TYPE_CHECKING:
    from pathlib import Path

_EMPTY = "podAnnotations: {}\n"
_numbers = itertools.count(1)


class Repository:
    """
    A checkout, and the bare repository that it is pushed to.

    Args:
        folder: Holds both.
        name: Of the repository.
        members: How many members get a values file.
    """

    def __init__(self, folder: Path, name: str, members: int) -> None:
        self.name = name
        self._served = folder / "git"
        self._work = folder / f"{name}-work"
        self._members = members
        self._common = ""

    async def create(self, helm: Path) -> None:
        """Make it, and push the first commit."""
        await GitServer(self._served).create(self.name)
        await run_git("clone", "--quiet", str(self._served / f"{self.name}.git"), str(self._work))
        await run(str(helm), "create", str(self._work / CHART))
        shutil.rmtree(self._work / CHART / "templates" / "tests")
        self._common = (self._work / CHART / "values.yaml").read_text()
        if _EMPTY not in self._common:
            raise BenchFailed(f"the chart of 'helm create' has no '{_EMPTY.strip()}' to stamp its Pods with")
        own = {f"{CHART}/member{one}-values.yaml": f"podLabels: {{tier: m{one}}}\n" for one in self._each()}
        await commit_and_push(self._work, {f"{CHART}/values.yaml": self._stamped("first"), **own})

    async def push_common(self) -> str:
        """Push a value that all members have in common; return the stamp that their Pods get."""
        stamp = f"s{next(_numbers)}"
        await commit_and_push(self._work, {f"{CHART}/values.yaml": self._stamped(stamp)})
        return stamp

    async def push_member(self, member: int) -> None:
        """Push a value of one member."""
        text = f"podLabels: {{tier: m{next(_numbers)}}}\n"
        await commit_and_push(self._work, {f"{CHART}/member{member}-values.yaml": text})

    async def chart_for(self, folder: Path) -> Path:
        """Copy the chart as it is now, for somebody who takes it from a folder."""
        shutil.copytree(self._work / CHART, folder)
        return folder

    def _stamped(self, stamp: str) -> str:
        return self._common.replace(_EMPTY, f"podAnnotations: {{stamp: {stamp}}}\n")

    def _each(self) -> range:
        return range(1, self._members + 1)
