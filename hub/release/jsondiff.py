"""The operations that turn one JSON document into another (RFC 6902). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Operation(NamedTuple):
    """``add``, ``replace`` or ``remove`` at a JSON pointer."""

    op: str
    path: str
    value: Any = None

    def dump(self) -> dict[str, Any]:
        """Return the operation as a patch has it."""
        patch = {"op": self.op, "path": self.path}
        return patch if self.op == "remove" else patch | {"value": self.value}


def diff(old: Any, new: Any, ignored: Iterable[str] = ()) -> list[Operation]:
    """
    Return the operations from ``old`` to ``new``, leaving out what is at or below an ignored pointer.

    Lists are compared position by position; surplus elements are removed from the end, so that applying in order works.
    """
    skipped = tuple(ignored)
    return list(_walk(old, new, "", skipped))


def _walk(old: Any, new: Any, path: str, ignored: tuple[str, ...]) -> Iterator[Operation]:
    if old == new or _is_ignored(path, ignored):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _mappings(old, new, path, ignored)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path, ignored)
    else:
        yield Operation("replace", path, new)


def _mappings(old: dict[str, Any], new: dict[str, Any], path: str, ignored: tuple[str, ...]) -> Iterator[Operation]:
    for key, value in old.items():
        where = f"{path}/{_escape(key)}"
        if key in new:
            yield from _walk(value, new[key], where, ignored)
        elif not _is_ignored(where, ignored):
            yield Operation("remove", where)
    for key, value in new.items():
        where = f"{path}/{_escape(key)}"
        if key not in old and not _is_ignored(where, ignored):
            yield Operation("add", where, value)


def _lists(old: list[Any], new: list[Any], path: str, ignored: tuple[str, ...]) -> Iterator[Operation]:
    shared = min(len(old), len(new))
    for index in range(shared):
        yield from _walk(old[index], new[index], f"{path}/{index}", ignored)
    for index in range(len(old) - 1, shared - 1, -1):
        if not _is_ignored(f"{path}/{index}", ignored):
            yield Operation("remove", f"{path}/{index}")
    for index in range(shared, len(new)):
        if not _is_ignored(f"{path}/{index}", ignored):
            yield Operation("add", f"{path}/-", new[index])


def _is_ignored(path: str, ignored: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in ignored)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
