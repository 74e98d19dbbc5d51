"""What the path of a request to an API server names. Pure."""

from __future__ import annotations

from typing import NamedTuple

_OF_NAMESPACE = frozenset({"status", "finalize"})  # subresources of Namespace itself, not resources within one
_DISCOVERY = ("/version", "/api", "/apis", "/openapi")


class ResourcePath(NamedTuple):
    """A collection (no ``name``), an object, or a part of one (``subresource``). Cluster-wide without ``namespace``."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        """``resource/namespace/name``, or ``resource/name`` for what is cluster-wide."""
        return "/".join(part for part in (self.resource, self.namespace, self.name) if part)


def parse(path: str) -> ResourcePath | None:
    """Return what ``path`` (without query) names; None when it is none of the resources."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACE:
        namespace, rest = rest[1], rest[2:]
    resource, name, *more = [*rest, "", ""][: max(len(rest), 2)]
    return ResourcePath(group, version, resource, namespace, name, "/".join(more))


def is_discovery(path: str) -> bool:
    """Whether ``path`` tells what the server offers, which is the same for everybody and seldom changes."""
    return path.startswith(_DISCOVERY) and parse(path) is None
