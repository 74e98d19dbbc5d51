"""
What we know of our own kinds: typed objects by key, read once, always the newest version. Pure of I/O.

Fed by the watch and by the answers to our own writes, in any order: the newer resource version wins, and an object that
was dropped does not come back with a late answer. Objects are parsed in the version that the hub stores and watches.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hub.api.meta import Key, Kind, Resource
from hub.api.registry import kind_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    Subscriber = Callable[["Change", Resource | None, Resource | None], None]
    IndexFunction = Callable[[Any], Iterable[Hashable]]

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000  # dropped objects whose late answers are recognised


class Change(StrEnum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class _Index:
    """Keys by a value that a function finds in an object; an object may have many values."""

    def __init__(self, kind: Kind, function: IndexFunction) -> None:
        self.kind = kind
        self._function = function
        self._keys: defaultdict[Hashable, set[Key]] = defaultdict(set)
        self._values: dict[Key, frozenset[Hashable]] = {}

    def put(self, key: Key, resource: Resource | None) -> None:
        new = frozenset(self._function(resource)) if resource is not None else frozenset()
        old = self._values.pop(key, frozenset())
        for value in old - new:
            self._keys[value].discard(key)
            if not self._keys[value]:
                del self._keys[value]
        for value in new - old:
            self._keys[value].add(key)
        if new:
            self._values[key] = new

    def find(self, value: Hashable) -> set[Key]:
        return set(self._keys.get(value, ()))


class Cache:
    """Typed objects by key, with named indexes and subscribers.

    Attributes:
        broken: Objects that could not be read, with the reason; the last readable version of them stays.
    """

    def __init__(self) -> None:
        self.broken: dict[Key, str] = {}
        self._objects: defaultdict[str, dict[Key, Resource]] = defaultdict(dict)
        self._indexes: dict[str, _Index] = {}
        self._subscribers: list[Subscriber] = []
        self._dropped: OrderedDict[str, None] = OrderedDict()

    def put(self, raw: dict[str, Any]) -> Resource | None:
        """Take an object as the API server sent it; return it typed, or None when nothing new was learnt."""
        kind = kind_for(str(raw.get("apiVersion", "")), str(raw.get("kind", "")))
        if kind is None:
            return None
        metadata = raw.get("metadata") or {}
        key = Key(kind.name, str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        old = self._objects[kind.name].get(key)
        if metadata.get("uid") in self._dropped or (old is not None and not _is_newer(metadata, old)):
            return None
        try:
            new: Resource = kind.model.model_validate(raw)
        except (ValidationError, ValueError) as error:
            self._report(key, error)
            return None
        self.broken.pop(key, None)
        self._objects[kind.name][key] = new
        self._index(kind, key, new)
        self._tell(Change.ADDED if old is None else Change.MODIFIED, old, new)
        return new

    def drop(self, key: Key, uid: str | None = None) -> Resource | None:
        """Forget an object that is gone (only the one with ``uid`` when given); return what it was."""
        old = self._objects[key.kind].get(key)
        if uid is not None:
            self._remember(uid)
        if old is None or (uid is not None and old.metadata.uid != uid):
            return None
        self._remember(old.metadata.uid)
        del self._objects[key.kind][key]
        self.broken.pop(key, None)
        self._index(old.KIND, key, None)
        self._tell(Change.DELETED, old, None)
        return old

    def get(self, key: Key) -> Any:
        """Return the object, of its kind's model, or None."""
        return self._objects[key.kind].get(key)

    def all(self, kind: Kind) -> list[Any]:
        """Return every object of a kind."""
        return list(self._objects[kind.name].values())

    def keys(self) -> Iterator[Key]:
        """Yield the key of every object."""
        for objects in self._objects.values():
            yield from objects

    def __len__(self) -> int:
        return sum(len(objects) for objects in self._objects.values())

    def add_index(self, name: str, kind: Kind, function: IndexFunction) -> None:
        """Keep ``function(object) -> values`` searchable under ``name``; objects that are there already count too."""
        index = self._indexes[name] = _Index(kind, function)
        for key, resource in self._objects[kind.name].items():
            index.put(key, resource)

    def lookup(self, name: str, value: Hashable) -> set[Key]:
        """Return the keys of the objects that have ``value`` in an index."""
        return self._indexes[name].find(value)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have ``subscriber(change, old, new)`` called after every change, in the order of the changes."""
        self._subscribers.append(subscriber)

    def _index(self, kind: Kind, key: Key, resource: Resource | None) -> None:
        for name, index in self._indexes.items():
            if index.kind is not kind:
                continue
            try:
                index.put(key, resource)
            except Exception:  # noqa: BLE001  # one broken function must not stop the watch
                _log.exception("Index function broke", extra={"index": name, "key": str(key)})

    def _tell(self, change: Change, old: Resource | None, new: Resource | None) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(change, old, new)
            except Exception:  # noqa: BLE001  # one broken function must not stop the watch
                _log.exception("Subscriber broke", extra={"change": change.value})

    def _report(self, key: Key, error: ValueError) -> None:
        first = error.errors(include_input=False, include_url=False)[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}" if first else str(error)
        if self.broken.get(key) != why:
            _log.error("Object cannot be read; it is left alone", extra={"key": str(key), "why": why})
        self.broken[key] = why

    def _remember(self, uid: str) -> None:
        self._dropped[uid] = None
        if len(self._dropped) > _REMEMBERED:
            self._dropped.popitem(last=False)


def _is_newer(metadata: dict[str, Any], old: Resource) -> bool:
    if (
        metadata.get("uid") != old.metadata.uid
        and str(metadata.get("creationTimestamp")) > old.metadata.creation_timestamp
    ):
        return True  # made anew, maybe in a cluster that was restored from a backup and counts from the past
    try:
        return int(metadata.get("resourceVersion") or 0) > int(old.metadata.resource_version or 0)
    except ValueError:
        return bool(metadata.get("resourceVersion") != old.metadata.resource_version)
