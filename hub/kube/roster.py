"""
Which objects exist, as far as events have told: turns what a watch delivers into a clean history. Pure.

Watches repeat themselves after every reconnect, deliver events of an object's former life late, and keep silent about
what was deleted while nobody listened. What leaves the roster is in order, without repetition and complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.api.meta import Api


class Name(NamedTuple):
    """Namespace and name."""

    namespace: str
    name: str


@dataclass(slots=True)
class _Known:
    uid: str
    version: str
    created: str
    heard: float


class News(NamedTuple):
    """``type`` is ADDED, MODIFIED or DELETED."""

    type: str
    object: dict[str, Any]


class Roster:
    """The objects of one kind."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[Name, _Known] = {}

    def take(self, type_: str | None, raw: dict[str, Any], now: float) -> Iterator[News]:
        """Yield what an event tells that was not known; ``type_`` None stands for an item of a list."""
        metadata = raw["metadata"]
        name = Name(metadata.get("namespace") or "", metadata["name"])
        known = self._known.get(name)
        if type_ == "DELETED":
            if known is not None and known.uid == metadata.get("uid"):
                del self._known[name]
                yield News("DELETED", raw)
            return
        new = _Known(metadata["uid"], metadata["resourceVersion"], metadata.get("creationTimestamp") or "", now)
        if known is None:
            self._known[name] = new
            yield News("ADDED", raw)
        elif known.uid == new.uid:
            known.heard = now
            if _later(new.version, known.version):
                known.version = new.version
                yield News("MODIFIED", raw)
        elif new.created > known.created or _later(new.version, known.version):
            yield self._gone(name)
            self._known[name] = new
            yield News("ADDED", raw)

    def unheard(self, since: float) -> bool:
        """Whether there are objects that nothing was heard of since then."""
        return any(known.heard < since for known in self._known.values())

    def vanished(self, uids: set[str], since: float) -> Iterator[News]:
        """Yield the end of every object that a list begun at ``since`` does not have."""
        for name, known in list(self._known.items()):
            if known.uid not in uids and known.heard < since:
                yield self._gone(name)

    def __len__(self) -> int:
        return len(self._known)

    def _gone(self, name: Name) -> News:
        known = self._known.pop(name)
        metadata = {"namespace": name.namespace, "name": name.name, "uid": known.uid}
        return News("DELETED", {"apiVersion": self._api.api_version, "kind": self._api.kind, "metadata": metadata})


def _later(one: str, other: str) -> bool:
    """Resource versions of one kind are comparable numbers."""
    try:
        return int(one) > int(other)
    except ValueError:
        return one != other
