"""Sprig's functions over lists and dictionaries. Pure, but that ``set`` and its like change what they get."""

from __future__ import annotations

import copy
from typing import Any

from hub.content.gotemplate.data import ordered, show, truth, type_name
from hub.content.gotemplate.errors import FunctionError
from hub.content.gotemplate.function import Function


def _items(value: Any, what: str) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    raise FunctionError(f"Cannot {what} on type {type_name(value)}")


def _strings(value: Any) -> list[str]:
    """Return a list's items as text; anything else stands for a list of itself."""
    items = value if isinstance(value, list | tuple) else [value]
    return [show(item) for item in items if item is not None]


def _first(value: Any) -> Any:
    items = _items(value, "find first")
    return items[0] if items else None


def _last(value: Any) -> Any:
    items = _items(value, "find last")
    return items[-1] if items else None


def _unique(value: Any) -> list[Any]:
    out: list[Any] = []
    for item in _items(value, "find uniq"):
        if item not in out:
            out.append(item)
    return out


def _has(needle: Any, value: Any) -> bool:
    return value is not None and needle in _items(value, "find has")


def _slice(value: Any, *bounds: Any) -> list[Any]:
    items = _items(value, "slice")
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(items)
    if not 0 <= start <= end <= len(items):
        raise FunctionError(f"slice bounds out of range [{start}:{end}] with length {len(items)}")
    return items[start:end]


def _concat(*lists: Any) -> list[Any]:
    return [item for value in lists for item in _items(value, "concat")]


def _chunk(size: int, value: Any) -> list[list[Any]]:
    items = _items(value, "chunk")
    return [items[start : start + max(size, 1)] for start in range(0, len(items), max(size, 1))]


def _split(separator: str, text: str, count: int = -1) -> dict[str, str]:
    parts = _split_list(separator, text, count)
    return {f"_{number}": part for number, part in enumerate(parts)}


def _split_list(separator: str, text: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        return list(text)
    return text.split(separator, count - 1 if count > 0 else -1)


def _dict(*pairs: Any) -> dict[str, Any]:
    padded = [*pairs, ""] if len(pairs) % 2 else pairs
    return {show(key): value for key, value in zip(padded[::2], padded[1::2], strict=True)}


def _set(mapping: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    mapping[key] = value
    return mapping


def _unset(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    mapping.pop(key, None)
    return mapping


def _keys(*mappings: dict[str, Any]) -> list[str]:
    return [key for mapping in mappings for key in ordered(mapping)]


def _merge(*mappings: dict[str, Any], overwrite: bool = False) -> dict[str, Any]:
    """Merge into the first: it wins over the others unless they shall overwrite."""
    target, *others = mappings
    for other in others:
        for key, value in other.items():
            mine = target.get(key)
            if isinstance(mine, dict) and isinstance(value, dict):
                _merge(mine, value, overwrite=overwrite)
            elif not truth(mine) or (overwrite and truth(value)):
                target[key] = value
    return target


def _dig(*words: Any) -> Any:
    *path, default, mapping = words
    found = mapping
    for step in path:
        if not isinstance(found, dict):
            raise FunctionError(f"interface conversion: {type_name(found)} is not map[string]interface {{}}")
        if step not in found:
            return default
        found = found[step]
    return found


def _pluck(key: str, *mappings: dict[str, Any]) -> list[Any]:
    return [mapping[key] for mapping in mappings if key in mapping]


_LISTS: dict[str, Function] = {
    "append": Function(lambda value, item: [*_items(value, "push"), item], (object, object)),
    "chunk": Function(_chunk, (int, object)),
    "compact": Function(lambda value: [item for item in _items(value, "compact") if truth(item)], (object,)),
    "deepCopy": Function(copy.deepcopy, (object,)),
    "first": Function(_first, (object,)),
    "has": Function(_has, (object, object)),
    "initial": Function(lambda value: _items(value, "find initial")[:-1], (object,)),
    "last": Function(_last, (object,)),
    "prepend": Function(lambda value, item: [item, *_items(value, "prepend")], (object, object)),
    "push": Function(lambda value, item: [*_items(value, "push"), item], (object, object)),
    "rest": Function(lambda value: _items(value, "find rest")[1:], (object,)),
    "reverse": Function(lambda value: _items(value, "find reverse")[::-1], (object,)),
    "slice": Function(_slice, (object,), int),
    "uniq": Function(_unique, (object,)),
    "without": Function(
        lambda value, *omit: [item for item in _items(value, "find without") if item not in omit], (object,), object
    ),
}

COLLECTIONS: dict[str, Function] = {
    "concat": Function(_concat, (), object),
    "dict": Function(_dict, (), object),
    "dig": Function(_dig, (object, object, object), object),
    "get": Function(lambda mapping, key: mapping.get(key, ""), (dict, str)),
    "hasKey": Function(lambda mapping, key: key in mapping, (dict, str)),
    "join": Function(lambda separator, value: separator.join(_strings(value)), (str, object)),
    "keys": Function(_keys, (), dict),
    "list": Function(lambda *items: list(items), (), object),
    "merge": Function(_merge, (dict,), dict),
    "mergeOverwrite": Function(lambda *mappings: _merge(*mappings, overwrite=True), (dict,), dict),
    "omit": Function(lambda mapping, *keys: {k: v for k, v in mapping.items() if k not in keys}, (dict,), str),
    "pick": Function(lambda mapping, *keys: {k: mapping[k] for k in keys if k in mapping}, (dict,), str),
    "pluck": Function(_pluck, (str,), dict),
    "set": Function(_set, (dict, str, object)),
    "sortAlpha": Function(lambda value: sorted(_strings(value)), (object,)),
    "split": Function(_split, (str, str)),
    "splitList": Function(_split_list, (str, str)),
    "splitn": Function(lambda separator, count, text: _split(separator, text, count), (str, int, str)),
    "toStrings": Function(_strings, (object,)),
    "tuple": Function(lambda *items: list(items), (), object),
    "unset": Function(_unset, (dict, str)),
    "values": Function(lambda mapping: [mapping[key] for key in ordered(mapping)], (dict,)),
}
COLLECTIONS |= _LISTS | {f"must{name[0].upper()}{name[1:]}": one for name, one in _LISTS.items()}
