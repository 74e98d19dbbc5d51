"""
The artifact store: blobs named by their digest, and Flux-shaped paths that are hard links to them.

::

    <root>/blobs/<hex>                               every content once
    <root>/artifacts/<kind>/<namespace>/<name>/<file>  what URLs name; <kind> in lower case
    <root>/built/<hex of an input key>               results remembered by what they were made of
    <root>/tmp/                                      work in progress; emptied at start

A file appears under its final name by rename or link only, after its bytes are on disk, so ``kill -9`` at any instant
leaves either nothing or the whole. The number of hard links of a blob says who needs it; one that nobody names any more
is kept for ``BLOB_GRACE`` seconds after its last use, because a helm run may still be about to read it.
One process owns a root.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.content import digest as digests
from hub.content.disk import StoreFailed, flush
from hub.content.threads import in_thread

__all__ = ["BLOB_GRACE", "Retention", "Store", "StoreFailed", "Stored", "artifact_path"]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

BLOB_GRACE = 900.0
"""Seconds that a blob without a name is kept after its last use."""
_SHORT_GRACE = 60.0  # seconds, when the budget is used up
_SWEEP_EVERY = 60.0
_VERIFIED = 20_000


@dataclass(frozen=True, slots=True)
class Retention:
    """
    How much is kept; the defaults are Flux's.

    Attributes:
        ttl: Seconds after which an artifact beyond the newest ``records`` of its object is removed.
        records: Artifacts of an object that stay.
        budget: Bytes of all blobs together; None is as many as the disk has room for.
    """

    ttl: float = 60.0
    records: int = 2
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The fields of ``status.artifact``.

    Attributes:
        last_update_time: RFC 3339, seconds, UTC.
        path: Relative to the root of all artifacts, as in the URL.
        size: Bytes.
    """

    digest: str
    last_update_time: str
    path: str
    revision: str
    size: int
    url: str
    metadata: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as Flux spells them; empty metadata is left out."""
        fields: dict[str, Any] = {
            "digest": self.digest,
            "lastUpdateTime": self.last_update_time,
            "path": self.path,
            "revision": self.revision,
            "size": self.size,
            "url": self.url,
        }
        return fields | ({"metadata": dict(self.metadata)} if self.metadata else {})


class Store:
    """Content-addressed storage below one folder.

    Args:
        root: Folder on one file system; made when missing.
        base_url: What artifact URLs begin with, e.g. ``http://127.0.0.1:9790``; may be set later.
        retention: How much is kept.
        clock: Seconds since the epoch; files are aged by it.
    """

    def __init__(
        self,
        root: Path,
        base_url: str,
        *,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self.base_url = base_url
        self._retention = retention or Retention()
        self._clock = clock
        self._blobs = root / "blobs"
        self._artifacts = root / "artifacts"
        self._built = root / "built"
        self._tmp = root / "tmp"
        # Links are counted and removed under one lock: a blob must not be swept between "it exists" and "link it".
        self._lock = threading.Lock()
        self._verified: dict[tuple[int, int, int, int], str] = {}
        self._swept = clock()
        self._claimed: int | None = None

    async def prepare(self) -> None:
        """
        Make the folders and remove what a killed process left behind.

        Raises:
            StoreFailed: The folder cannot be made or written.
        """
        await asyncio.to_thread(self._prepare)

    @contextlib.asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """
        Give a fresh folder on the file system of the store; it is removed at the end.

        Raises:
            StoreFailed: It could not be made.
        """
        path = await asyncio.to_thread(self._make_workspace)
        try:
            yield path
        finally:
            # Not awaited by a cancelled task's caller: removing a folder is short, and must happen.
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))

    async def put(  # noqa: PLR0917 - the order is that of the path
        self,
        kind: str,
        namespace: str,
        name: str,
        filename: str,
        revision: str,
        source: Path,
        metadata: Mapping[str, str] | None = None,
    ) -> Stored:
        """
        Store a file under an object's name and return the fields of ``status.artifact``.

        The caller must not change ``source`` afterwards: when it lies in a workspace it is linked, not copied.

        Raises:
            StoreFailed: Disk full, folder not writable, source gone.
            ValueError: A name that would leave the store.
        """
        path = artifact_path(kind, namespace, name, filename)
        try:
            digest, size = await in_thread(self._put, self.file(path), source)
        except OSError as error:
            raise StoreFailed(
                "ArchiveOperationFailed", "unable to save artifact to storage", error, self.root
            ) from error
        return Stored(
            digest=digest,
            last_update_time=datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            path=path,
            revision=revision,
            size=size,
            url=self.url_of(path),
            metadata=dict(metadata or {}),
        )

    async def adopt(self, source: Path, digest: str | None = None) -> Path:
        """
        Keep a file as a nameless blob and return its path.

        Raises:
            ValueError: The content has another digest than ``digest``.
            StoreFailed: It could not be written.
        """
        try:
            found, _ = await in_thread(self._put, None, source, digest)
        except OSError as error:
            raise StoreFailed(
                "ArchiveOperationFailed", "unable to save artifact to storage", error, self.root
            ) from error
        return self._blob(found)

    async def remember(self, key: str, source: Path) -> Path:
        """
        Keep a file as the result for an input key (a digest), and return where it now is.

        Raises:
            StoreFailed: It could not be written.
        """
        path = self._built / digests.hex_of(key)
        try:
            await in_thread(self._put, path, source)
        except OSError as error:
            raise StoreFailed(
                "ArchiveOperationFailed", "unable to save artifact to storage", error, self.root
            ) from error
        return path

    def recall(self, key: str) -> Path | None:
        """Return the remembered result for an input key, fresh for another ``BLOB_GRACE`` seconds."""
        path = self._built / digests.hex_of(key)
        return path if self._touch(path) else None

    def locate(self, digest: str) -> Path | None:
        """Return the path of a blob, fresh for another ``BLOB_GRACE`` seconds, or None when it is not here."""
        try:
            path = self._blob(digest)
        except ValueError:
            return None
        return path if self._touch(path) else None

    def exists(self, path: str, digest: str) -> bool:
        """Say whether an artifact path names the blob of this digest. One or two stat calls, no reading."""
        try:
            return self.file(path).samefile(self._blob(digest))
        except (OSError, ValueError):
            return False

    async def read(self, digest: str) -> Path | None:
        """Return the path of a blob as :meth:`locate` does, when its bytes are still those of the digest."""
        path = self.locate(digest)
        if path is None:
            return None
        try:
            return path if await in_thread(self._is_intact, path, digest) else None
        except OSError:
            return None

    async def verify(self, path: str, digest: str) -> bool:
        """Say whether the file at an artifact path has this digest; read again only when the file changed."""
        try:
            return await in_thread(self._digest_of, self.file(path)) == digest
        except (OSError, ValueError):
            return False

    def file(self, path: str) -> Path:
        """
        Return where an artifact path lies on disk; it need not exist.

        Raises:
            ValueError: The path would leave the store.
        """
        parts = path.split("/")
        if len(parts) != 4 or not all(_is_plain(part) for part in parts):
            raise ValueError(f"not an artifact path: {path!r}")
        return self._artifacts.joinpath(*parts)

    def url_of(self, path: str) -> str:
        """Return the URL of an artifact path at the address this process serves."""
        return f"{self.base_url.rstrip('/')}/{path}"

    async def collect(self, kind: str, namespace: str, name: str, current: str | None) -> int:
        """
        Remove old artifacts of an object, never ``current``, and return how many there were.

        An artifact goes when it is older than the retention's ``ttl`` and not among its newest ``records``.

        Raises:
            StoreFailed: A file could not be removed.
        """
        return await self._remove(self._folder(kind, namespace, name), current, everything=False)

    async def remove(self, kind: str, namespace: str, name: str) -> int:
        """
        Remove every artifact of an object and return how many there were.

        Raises:
            StoreFailed: A file could not be removed.
        """
        return await self._remove(self._folder(kind, namespace, name), None, everything=True)

    async def sweep(self) -> None:
        """Remove blobs and remembered results that nobody names any more."""
        await in_thread(self._sweep)

    # What follows blocks, and runs in threads.

    def _prepare(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._claim()
            shutil.rmtree(self._tmp, ignore_errors=True)
            for folder in (self._blobs, self._artifacts, self._built, self._tmp):
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._tmp) as probe:
                probe.write(b"x")
        except OSError as error:
            raise StoreFailed("DirectoryCreationFailed", "cannot use the storage folder", error, self.root) from error
        self._sweep()

    def _claim(self) -> None:
        """Keep other processes out: what we work on would be leftovers to them. The kernel frees it, even on a kill."""
        claim = os.open(self.root / "claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(claim, 20, 0).decode(errors="replace")
            os.close(claim)
            if owner == str(os.getpid()):
                return
            busy = OSError(errno.EBUSY, f"another hub (process {owner or 'unknown'}) uses the folder")
            raise StoreFailed("DirectoryCreationFailed", "cannot use the storage folder", busy, self.root) from error
        os.truncate(claim, 0)
        os.pwrite(claim, str(os.getpid()).encode(), 0)
        self._claimed = claim

    def close(self) -> None:
        """Let another process use the folder."""
        if self._claimed is not None:
            os.close(self._claimed)
            self._claimed = None

    def _make_workspace(self) -> Path:
        try:
            self._tmp.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self._tmp))
        except OSError as error:
            what = "failed to create temporary working directory"
            raise StoreFailed("DirectoryCreationFailed", what, error, self._tmp) from error

    def _put(self, name: Path | None, source: Path, expected: str | None = None) -> tuple[str, int]:
        digest = digests.of_file(source)
        if expected is not None and digest != expected:
            raise ValueError(f"digest mismatch: {expected} was expected, the content has {digest}")
        blob = self._blob(digest)
        if not self._is_intact(blob, digest):
            blob.unlink(missing_ok=True)
            self._make_room(source.stat().st_size)
            self._add_blob(source, blob)
        with self._lock:
            if not blob.exists():  # swept in between: rare, and the source is still there
                self._add_blob(source, blob)
            if name is not None:
                self._name(blob, name)
            blob.chmod(0o644)  # sets ctime: the blob was used just now
            return digest, blob.stat().st_size

    def _make_room(self, size: int) -> None:
        """Drop what is kept only in case it is needed once more; raise OSError when that is not enough."""
        budget = self._retention.budget
        if budget is None or self._used() + size <= budget:
            return
        self._sweep(_SHORT_GRACE)
        if (used := self._used()) + size > budget:
            raise OSError(
                errno.EDQUOT, f"the budget of {budget} bytes is used up ({used} bytes are, {size} are wanted)"
            )

    def _used(self) -> int:
        return sum(entry.stat().st_size for entry in _scan(self._blobs))

    def _add_blob(self, source: Path, blob: Path) -> None:
        blob.parent.mkdir(parents=True, exist_ok=True)
        if self._tmp in source.parents and not source.is_symlink():
            flush(source)
            with contextlib.suppress(FileExistsError):
                os.link(source, blob)
        else:
            self._tmp.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._tmp, delete=False) as copy:
                try:
                    with source.open("rb") as original:
                        shutil.copyfileobj(original, copy, 1 << 20)
                    copy.flush()
                    os.fsync(copy.fileno())
                    Path(copy.name).replace(blob)
                except BaseException:
                    Path(copy.name).unlink(missing_ok=True)
                    raise
        flush(blob.parent)

    def _name(self, blob: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.samefile(blob):
            return
        # link() refuses to replace: give the blob a second name beside, then rename that over the old one.
        beside = Path(tempfile.mkdtemp(dir=self._tmp)) / "link"
        try:
            os.link(blob, beside)
            beside.replace(path)
        finally:
            shutil.rmtree(beside.parent, ignore_errors=True)

    def _is_intact(self, path: Path, digest: str) -> bool:
        return path.exists() and self._digest_of(path) == digest

    def _digest_of(self, path: Path) -> str:
        stat = path.stat()
        seen = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen not in self._verified:
            self._verified[seen] = digests.of_file(path)
        return self._verified[seen]

    async def _remove(self, folder: Path, current: str | None, *, everything: bool) -> int:
        try:
            removed = await in_thread(self._unlink_old, folder, current, everything=everything)
        except OSError as error:
            raise StoreFailed("GarbageCollectionFailed", "garbage collection failed", error, folder) from error
        if self._clock() - self._swept > _SWEEP_EVERY:
            await self.sweep()
        return removed

    def _unlink_old(self, folder: Path, current: str | None, *, everything: bool) -> int:
        with self._lock:
            aged = sorted(((entry.stat().st_ctime, entry.name) for entry in _scan(folder)), reverse=True)
            keep = 0 if everything else self._retention.records
            ttl = float("-inf") if everything else self._retention.ttl
            kept_name = current.rsplit("/", 1)[-1] if current else None
            old = [name for born, name in aged[keep:] if name != kept_name and self._clock() - born > ttl]
            for name in old:
                (folder / name).unlink(missing_ok=True)
            if everything:
                for empty in (folder, folder.parent):
                    with contextlib.suppress(OSError):
                        empty.rmdir()
            return len(old)

    def _sweep(self, grace: float = BLOB_GRACE) -> None:
        self._swept = now = self._clock()
        with self._lock:
            # A remembered result is one name of its blob: with only those two left nobody else needs it.
            for folder, links in ((self._built, 2), (self._blobs, 1)):
                for entry in _scan(folder):
                    stat = entry.stat()
                    if stat.st_nlink <= links and now - stat.st_ctime > grace:
                        Path(entry.path).unlink(missing_ok=True)
        if len(self._verified) > _VERIFIED:
            self._verified.clear()

    def _touch(self, path: Path) -> bool:
        try:
            path.chmod(0o644)  # sets ctime alone: mtime says whether the content must be verified again
        except OSError:
            return False
        return True

    def _blob(self, digest: str) -> Path:
        return self._blobs / digests.hex_of(digest)

    def _folder(self, kind: str, namespace: str, name: str) -> Path:
        return self.file(artifact_path(kind, namespace, name, "x")).parent


def artifact_path(kind: str, namespace: str, name: str, filename: str) -> str:
    """
    Return ``<kind in lower case>/<namespace>/<name>/<file>``.

    Raises:
        ValueError: A part that would leave the folder.
    """
    parts = (kind.lower(), namespace, name, filename)
    if not all(_is_plain(part) for part in parts):
        raise ValueError(f"not a name for an artifact: {'/'.join(parts)!r}")
    return "/".join(parts)


def _is_plain(part: str) -> bool:
    return part not in {"", ".", ".."} and "/" not in part and "\0" not in part


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from entries
