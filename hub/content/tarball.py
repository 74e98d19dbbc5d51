"""
Archives: written so that equal content gives equal bytes, and unpacked so that nothing leaves the target folder.

Only regular files and folders travel. Times, owners and names of users are zeroed; the executable bit is kept.
All functions block: run them in threads.
"""

from __future__ import annotations

import gzip
import posixpath
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMPRESSION = 6
_BLOCK = 1 << 20
_MAX_HEADER = 1 << 20  # bytes; people's longest names have some thousand
_HEADERS = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip
_SPARSE = frozenset({tarfile.GNUTYPE_SPARSE})


class BadTarballError(ValueError):
    """An archive that is damaged, too large, or wants to write outside of its folder."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        size: Bytes of all files together.
        files: How many entries.
    """

    size: int = 1 << 30
    files: int = 200_000


class _Entry(tarfile.TarInfo):
    """
    An entry whose headers take little memory.

    Long names and attributes come as entries of their own, of whatever size the archive says; sparse files have lists.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _SPARSE:
            raise tarfile.ReadError("it holds a sparse file")
        if self.type in _HEADERS and self.size > _MAX_HEADER:
            raise tarfile.ReadError(f"it has a header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]  # made to be overridden, says tarfile
        return found

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise tarfile.ReadError("it holds a sparse file")


@contextmanager
def reading(file: Path) -> Iterator[tarfile.TarFile]:
    """Give a ``.tar.gz`` to read, entry by entry. Raises ``BadTarballError``."""
    try:
        with gzip.open(file) as zipped, tarfile.open(fileobj=zipped, mode="r|", tarinfo=_Entry) as tar:
            yield tar
    # Headers upon headers are read by recursion.
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, RecursionError) as error:
        raise BadTarballError(f"not a readable .tar.gz: {error}") from error


class Writer:
    """Adds files to an archive in the order they are given; callers sort them."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, content: bytes | IO[bytes], size: int | None = None, *, executable: bool = False) -> None:
        """Add one file; ``size`` bytes are read from a stream."""
        entry = tarfile.TarInfo(name)
        entry.mode = 0o755 if executable else 0o644
        if isinstance(content, bytes):
            entry.size = len(content)
            self._tar.addfile(entry, BytesIO(content))
        else:
            entry.size = size or 0
            self._tar.addfile(entry, content)


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """Give a writer for a new ``.tar.gz`` at ``target``."""
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield Writer(tar)


def unpack(tarball: Path, target: Path, limits: Limits | None = None, *, skip_links: bool = False) -> None:
    """
    Unpack a ``.tar.gz`` into a folder that exists.

    Args:
        tarball: The archive.
        target: The folder.
        limits: What it may unpack to.
        skip_links: Leave out links that stay in the folder; others are refused, as all are without it.

    Raises:
        BadTarballError: See there; what was unpacked so far stays, for the caller to throw away.
        OSError: The disk is full, and the like.
    """
    limits = limits or Limits()
    size = count = 0
    with reading(tarball) as tar:
        for entry in tar:
            size, count = size + entry.size, count + 1
            if size > limits.size or count > limits.files:
                raise BadTarballError(f"the archive unpacks to more than {limits.size} bytes or {limits.files} files")
            if skip_links and (entry.issym() or entry.islnk()):
                _check_link(entry)
                continue
            _unpack_entry(tar, entry, target)


def _unpack_entry(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    path = target.joinpath(*_safe_parts(entry.name))
    if entry.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    if not entry.isreg():
        raise BadTarballError(f"the archive holds '{entry.name}', which is neither a file nor a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    if content is None:
        raise BadTarballError(f"the archive holds '{entry.name}' without its content")
    # "x": the second of two entries of one name would be written through whatever the first one made.
    try:
        with path.open("xb") as file:
            while block := content.read(_BLOCK):
                file.write(block)
    except FileExistsError as error:
        raise BadTarballError(f"the archive holds '{entry.name}' twice") from error
    path.chmod(0o755 if entry.mode & 0o100 else 0o644)


def _check_link(entry: tarfile.TarInfo) -> None:
    """Refuse a link that leaves the folder; a symbolic one begins at its own place, a hard one at the root."""
    folder = posixpath.dirname(entry.name) if entry.issym() else ""
    leads_to = posixpath.normpath(posixpath.join(folder, entry.linkname))
    if leads_to.startswith(("/", "../")) or leads_to == "..":
        raise BadTarballError(
            f"the archive holds '{entry.name}', a link that leaves its folder (to '{entry.linkname}')"
        )


def _safe_parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadTarballError(f"the archive wants to write outside of its folder: '{name}'")
    return parts
