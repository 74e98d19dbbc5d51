"""
Which requests are Helm's own bookkeeping, and where they go instead. Pure.

Helm keeps each revision of a release in a Secret of the namespace that the release itself is in; Flux lets users choose
another one. The command line has no word for it, so the gateway moves these requests. What is moved is told by what
makes it Helm's own, never by the namespace alone: a list by ``owner=helm``, a Secret by its fixed name, a new Secret by
its type.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.members.paths import ResourcePath

RELEASE_TYPE = "helm.sh/release.v1"

_NAME_PREFIX = "sh.helm.release.v1."
_PROTOBUF = b"k8s\x00"
_LENGTH_DELIMITED = 2


class SecretIdentity(NamedTuple):
    """What a Secret says it is."""

    type: str
    name: str


def is_helm_storage(method: str, path: ResourcePath, query: str, body: bytes) -> bool:
    """Whether a request reads or writes Helm's records."""
    if (path.group, path.resource, path.subresource) != ("", "secrets", ""):
        return False
    if method == "POST":
        return not path.name and identify(body).type == RELEASE_TYPE
    if path.name:
        return method in ("GET", "PUT", "DELETE") and path.name.startswith(_NAME_PREFIX)
    selectors = parse_qs(query).get("labelSelector", [""])[0].split(",")
    return method == "GET" and "owner=helm" in selectors


def redirect(raw_path: str, path: ResourcePath, namespace: str) -> str:
    """Return ``raw_path`` with its namespace exchanged."""
    return raw_path.replace(f"/namespaces/{path.namespace}/", f"/namespaces/{namespace}/", 1)


def identify(body: bytes) -> SecretIdentity:
    """Read a Secret as it travels, in protobuf or in JSON; what it does not tell is empty."""
    try:
        if not body.startswith(_PROTOBUF):
            secret = json.loads(body)
            return SecretIdentity(str(secret.get("type", "")), str((secret.get("metadata") or {}).get("name", "")))
        raw = _field(body[len(_PROTOBUF) :], 2)  # runtime.Unknown.raw
        return SecretIdentity(_field(raw, 3).decode(), _field(_field(raw, 1), 1).decode())  # type, metadata.name
    except (ValueError, AttributeError, IndexError):
        return SecretIdentity("", "")


def _field(message: bytes, wanted: int) -> bytes:
    return next((value for number, value in _fields(message) if number == wanted), b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the fields of a protobuf message that has none but length-delimited ones."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 != _LENGTH_DELIMITED:
            raise ValueError("not one of the messages that are read here")
        length, at = _varint(message, at)
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
