"""Digests as artifacts write them: ``sha256:<64 hex>``. Pure, but for reading the file it is given."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ALGORITHM = "sha256"
_HEX_LENGTH = 64


def of_bytes(data: bytes) -> str:
    """Return the digest of bytes in memory."""
    return f"{ALGORITHM}:{hashlib.sha256(data).hexdigest()}"


def of_file(path: Path) -> str:
    """Return the digest of a file, read in blocks. Blocks: run it in a thread."""
    with path.open("rb") as file:
        return f"{ALGORITHM}:{hashlib.file_digest(file, ALGORITHM).hexdigest()}"


def of_parts(*parts: str | bytes) -> str:
    """Return one digest for several parts; moving a byte from one part to the next changes it."""
    whole = hashlib.sha256()
    for part in parts:
        # Names of files need not be UTF-8.
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return f"{ALGORITHM}:{whole.hexdigest()}"


def hex_of(digest: str) -> str:
    """
    Return the 64 hex digits of a digest, for use as a file name.

    Raises:
        ValueError: Another algorithm, or not a digest at all.
    """
    algorithm, _, value = digest.partition(":")
    if algorithm != ALGORITHM or len(value) != _HEX_LENGTH or not set(value) <= set("0123456789abcdef"):
        raise ValueError(f"unsupported digest {digest!r}: {ALGORITHM}:<64 hex> is expected")
    return value
