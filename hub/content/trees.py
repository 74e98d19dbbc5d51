"""Unpacked source artifacts, shared: a thousand charts from one repository unpack its tarball once."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from hub.content import digest as digests
from hub.content import tarball
from hub.content.shared import Shared
from hub.content.store import StoreFailed
from hub.content.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEPT = 8
"""Trees that stay unpacked although nobody reads them."""


class Trees:
    """Folders with the content of tarballs, named by the tarballs' digests; read only.

    Args:
        root: Folder of its own, on any file system; emptied by :meth:`prepare`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unpacking: Shared[Path] = Shared()
        self._readers: Counter[str] = Counter()
        self._unpacked: OrderedDict[str, Path] = OrderedDict()

    async def prepare(self) -> None:
        """Throw away what a former process unpacked: it cannot be known to be whole."""
        await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def open(self, file: Path, digest: str) -> AsyncIterator[Path]:
        """
        Give the unpacked content of a tarball; it stays at least until the end of the block.

        Raises:
            BadTarballError: It cannot be unpacked.
            StoreFailed: The disk is full, and the like.
        """
        name = digests.hex_of(digest)
        self._readers[name] += 1
        try:
            if name not in self._unpacked or not self._unpacked[name].is_dir():
                self._unpacked[name] = await self._unpacking.run(name, lambda: self._unpack(file, name))
            self._unpacked.move_to_end(name)
            yield self._unpacked[name]
        finally:
            self._readers[name] -= 1
            if not self._readers[name]:
                del self._readers[name]
            await self._trim()

    async def _unpack(self, file: Path, name: str) -> Path:
        path = self._root / name
        try:
            await in_thread(_unpack_afresh, file, path)
        except OSError as error:
            raise StoreFailed("ArchiveOperationFailed", "unable to unpack artifact", error, self._root) from error
        return path

    async def _trim(self) -> None:
        idle = [name for name in self._unpacked if name not in self._readers]
        for name in idle[: max(0, len(self._unpacked) - KEPT)]:
            path = self._unpacked.pop(name)
            # Renamed first, at once: somebody may ask for the same tree while this one is being removed.
            doomed = path.with_name(f"{name}.old")
            with contextlib.suppress(FileNotFoundError):
                path.rename(doomed)
            await asyncio.to_thread(shutil.rmtree, doomed, ignore_errors=True)


def _unpack_afresh(file: Path, path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    tarball.unpack(file, path)
