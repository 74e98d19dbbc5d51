"""Commits and tags as git stores them, and the signatures they carry. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.content.refs import Head

_TAG_SIGNATURES = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN SSH SIGNATURE-----")


@dataclass(frozen=True, slots=True)
class Signed:
    """What somebody may have signed.

    Attributes:
        payload: The bytes that are signed.
        signature: As it stands in the object; empty when it is not signed.
    """

    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit in the cache.

    Attributes:
        message: All of it.
        time: Seconds since the epoch, as the committer's clock had it.
        signed: The commit's own signature.
        tag: That of the annotated tag it was found by, if any.
    """

    id: str
    message: str
    time: int
    signed: Signed = field(default_factory=lambda: Signed(b"", b""))
    tag: Signed | None = None


def parse_commit(out: bytes, head: Head) -> Commit:
    """
    Take the commit of a head, and its tag object, from what ``git cat-file --batch`` prints for them.

    Raises:
        ValueError: One of them is missing, or is something else.
    """
    raw, rest = _object(out, b"commit")
    tag = None
    if head.tag:
        tag = split_tag(_object(rest, b"tag")[0])
    header, _, message = raw.partition(b"\n\n")
    committer = next((line for line in header.split(b"\n") if line.startswith(b"committer ")), b"")
    when = committer.rpartition(b"> ")[2].split(b" ")[0]
    return Commit(
        head.commit,
        message.decode("utf-8", "replace").rstrip("\n"),
        int(when) if when.isdigit() else 0,
        split_commit(raw),
        tag,
    )


def split_commit(raw: bytes) -> Signed:
    """Split a commit object into what is signed and the signature in its ``gpgsig`` header."""
    header, separator, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    current = kept
    for line in header.split(b"\n"):
        if line.startswith(b"gpgsig "):
            current = signature
            signature.append(line.removeprefix(b"gpgsig "))
        elif line.startswith(b"gpgsig-sha256 "):
            current = []  # not for us, and not part of what is signed
        elif line.startswith(b" ") and current is not kept:
            current.append(line[1:])
        else:
            current = kept
            kept.append(line)
    return Signed(b"\n".join(kept) + separator + message, b"\n".join(signature))


def split_tag(raw: bytes) -> Signed:
    """Split a tag object at the signature that ends its message."""
    found = [at for mark in _TAG_SIGNATURES if (at := raw.rfind(b"\n" + mark)) >= 0]
    if not found:
        return Signed(raw, b"")
    at = max(found) + 1
    return Signed(raw[:at], raw[at:])


def _object(out: bytes, kind: bytes) -> tuple[bytes, bytes]:
    header, _, rest = out.partition(b"\n")
    fields = header.split()
    if len(fields) != 3 or fields[1] != kind:
        raise ValueError(f"no {kind.decode()} object: {header.decode(errors='replace')}")
    size = int(fields[2])
    if len(rest) < size:
        raise ValueError("cut short")
    return rest[:size], rest[size + 1 :]


def tag_names(payload: bytes) -> tuple[str, str]:
    """Return the commit that a tag object speaks of, and the tag's own name; empty texts unless it names a commit."""
    header = dict(line.split(b" ", 1) for line in payload.partition(b"\n\n")[0].split(b"\n") if b" " in line)
    if header.get(b"type") != b"commit":
        return "", ""
    return header.get(b"object", b"").decode("ascii", "replace"), header.get(b"tag", b"").decode("utf-8", "replace")
