"""Unpacked source artifacts, shared: a thousand charts from one repository unpack its tarball once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
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
        self._serial = itertools.count()

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
            path = self._unpacked.get(name)
            if path is None or not path.is_dir():
                path = await self._unpacking.run(name, lambda: self._unpack(file, name))
            self._unpacked.move_to_end(name)
            yield path
        finally:
            self._readers[name] -= 1
            if not self._readers[name]:
                del self._readers[name]
            await self._trim()

    async def _unpack(self, file: Path, name: str) -> Path:
        # A folder that was handed out is never written again: each unpacking has its own.
        path = self._root / f"{name}.{next(self._serial)}"
        try:
            await in_thread(_unpack_into, file, path)
        except BaseException as error:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreFailed("ArchiveOperationFailed", "unable to unpack artifact", error, self._root) from error
            raise
        # Here, not at the caller's: whoever asks between the end of this task and the caller's turn must find it.
        self._unpacked[name] = path
        return path

    async def _trim(self) -> None:
        idle = [name for name in self._unpacked if name not in self._readers]
        for name in idle[: max(0, len(self._unpacked) - KEPT)]:
            await asyncio.to_thread(shutil.rmtree, self._unpacked.pop(name), ignore_errors=True)


def _unpack_into(file: Path, path: Path) -> None:
    path.mkdir(parents=True)
    tarball.unpack(file, path)
