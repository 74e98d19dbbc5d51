"""
Where the tools of a cluster are: ``KUBEBUILDER_ASSETS``, PATH, the cache, or built with Go into the cache.

A build found on the way that does not fit (helm 3, a much older API server) is passed over.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hub.dev.build import build, find_go
from hub.dev.pins import CONTROL_PLANE, EVERYTHING, TOOLS, cache_folder, fits, parse_version, pinned_version
from hub.dev.progress import Progress
from hub.dev.resources import resource
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hub.dev.pins import Tool

_VERSION_TIMEOUT = 30.0  # seconds; a cold disk is slow
_QUIET_HOME = {"KUBECONFIG": os.devnull}  # asking for a version must not read anybody's kubeconfig


class BinariesMissing(HubError):
    """Tools are neither here nor can they be built; the message names the three ways out."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            "BinariesMissing",
            f"no {', '.join(names)} here, and no Go to build them. One of these helps:\n"
            "  1. install Go (https://go.dev/dl, 1.21 or newer): they are then built once, from pinned sources\n"
            "  2. install docker and kind, and pass --provider kind\n"
            "  3. put them on PATH, or in a folder that KUBEBUILDER_ASSETS names",
        )


class Toolbox:
    """
    Finds tools, or builds them.

    Args:
        progress: Told about builds.
        environ: Where KUBEBUILDER_ASSETS, PATH, HOME and XDG_CACHE_HOME are read.
        tools: The folder of pinned modules.
    """

    def __init__(
        self, progress: Progress | None = None, *, environ: Mapping[str, str] | None = None, tools: Path | None = None
    ) -> None:
        self._progress = progress or Progress()
        self._environ = os.environ if environ is None else environ
        self._tools = tools or resource("tools")

    def cached(self, name: str) -> Path:
        """Return where the cache keeps, or would keep, the pinned build of ``name``."""
        base = self._environ.get("XDG_CACHE_HOME") or Path(self._environ.get("HOME") or Path.home()) / ".cache"
        return Path(base) / "hubctl" / "bin" / cache_folder(TOOLS[name], self._tools) / name

    async def find(self, *names: str) -> dict[str, Path]:
        """Return those of ``names`` that are here and fit; builds nothing."""
        found = await asyncio.gather(*(self._find(TOOLS[name]) for name in names))
        located = {name: one for name, one in zip(names, found, strict=True) if one is not None}
        minors = {version[:2] for name, (_, version) in located.items() if name in CONTROL_PLANE}
        if len(minors) > 1:  # builds of different places do not go together: take ours, all three
            for name in CONTROL_PLANE:
                located.pop(name, None)
                if name in names and os.access(self.cached(name), os.X_OK):
                    located[name] = (self.cached(name), (0, 0, 0))
        return {name: path for name, (path, _) in located.items()}

    async def ensure(self, *names: str) -> dict[str, Path]:
        """
        Return the path of each of ``names`` (default: all), building what is missing.

        Raises:
            BinariesMissing: Something is missing and there is no Go.
            BuildFailed: Go could not build it.
        """
        names = names or EVERYTHING
        found = await self.find(*names)
        if any(name not in found for name in CONTROL_PLANE if name in names):
            found = await self._complete_control_plane(found)
        missing = [name for name in names if name not in found]
        if missing:
            go = find_go(self._environ.get("PATH", ""))
            if go is None:
                raise BinariesMissing(missing)
            for name in missing:  # one after the other: each build uses all cores
                target = self.cached(name)
                await build(TOOLS[name], go=go, tools=self._tools, target=target, progress=self._progress)
                found[name] = target
        return {name: found[name] for name in names}

    async def _complete_control_plane(self, found: dict[str, Path]) -> dict[str, Path]:
        """Drop parts whose minor version is not the pinned one: the rest is about to be built at that one."""
        kept = dict(found)
        for name in CONTROL_PLANE:
            if name in found and found[name] != self.cached(name):
                version = await self._version(TOOLS[name], found[name])
                pinned = parse_version(pinned_version(TOOLS[name], self._tools))
                if version is None or pinned is None or version[:2] != pinned[:2]:
                    del kept[name]
        return kept

    async def _find(self, tool: Tool) -> tuple[Path, tuple[int, int, int]] | None:
        pinned = pinned_version(tool, self._tools)
        for path in self._candidates(tool.name):
            version = await self._version(tool, path)
            if version is not None and fits(tool, version, pinned):
                return path, version
        cached = self.cached(tool.name)
        if os.access(cached, os.X_OK):
            return cached, parse_version(pinned) or (0, 0, 0)
        return None

    def _candidates(self, name: str) -> Iterator[Path]:
        folders = [self._environ.get("KUBEBUILDER_ASSETS", ""), *self._environ.get("PATH", "").split(os.pathsep)]
        for folder in dict.fromkeys(one for one in folders if one):
            path = Path(folder).absolute() / name
            if path.is_file() and os.access(path, os.X_OK):
                yield path

    async def _version(self, tool: Tool, path: Path) -> tuple[int, int, int] | None:
        try:
            process = await asyncio.create_subprocess_exec(
                path,
                *tool.version_args,
                env={**os.environ, **_QUIET_HOME},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError:  # built for another machine
            return None
        try:
            async with asyncio.timeout(_VERSION_TIMEOUT):
                output, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return parse_version(output.decode(errors="replace"))
