"""What can be wrong with a disk, in words for those who can help, and making sure that bytes are on it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hub.errors import Transient

if TYPE_CHECKING:
    from pathlib import Path


class StoreFailed(Transient):
    """The storage folder could not be read or written; the message says what to do about it."""

    def __init__(self, reason: str, what: str, error: OSError, path: Path | str) -> None:
        super().__init__(reason, f"{what}: {explain(error, path)}")


def flush(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError, path: Path | str) -> str:
    """Say what an operator can do about an error of the file system."""
    said = error.strerror or str(error)
    if error.errno == errno.EDQUOT and "budget" in said:
        return f"{said}: give the hub a larger --storage-budget, or fewer sources"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"{said} at '{path}': free some space, or give the hub a larger --storage-path"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{said} at '{path}': the hub's user must be able to write there, or give it another --storage-path"
    if error.errno == errno.EBUSY:
        return f"{said}: give each its own --storage-path"
    return f"{said} at '{error.filename or path}'"
