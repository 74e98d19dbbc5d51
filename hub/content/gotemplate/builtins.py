"""The functions that Go's templates have of their own. Pure."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import quote

from hub.content.gotemplate.data import NO_VALUE, Struct, kind_name, show, truth, type_name
from hub.content.gotemplate.errors import FunctionError
from hub.content.gotemplate.function import Function
from hub.content.gotemplate.printf import sprintf

_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
    "\n": "\\u000A", "\r": "\\u000D", "\t": "\\u0009",
}  # fmt: skip


def _sprint(*values: Any) -> str:
    """Join as ``fmt.Sprint`` does: a space between two that are no strings."""
    out = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            out += " "
        out += show(value)
    return out


def _sprintln(*values: Any) -> str:
    return " ".join(show(value) for value in values) + "\n"


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | tuple | dict):
        return len(value)
    if value is None:
        raise FunctionError("len of nil pointer")
    raise FunctionError(f"len of type {type_name(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _indexed(value, key)
    return value


def _indexed(value: Any, key: Any) -> Any:
    if value is None or value is NO_VALUE:
        raise FunctionError("index of untyped nil")
    if isinstance(value, dict):
        if not isinstance(key, str | Struct):
            raise FunctionError(f"value has type {type_name(key)}; should be string")
        return value.get(key, NO_VALUE)
    if not isinstance(value, list | tuple | str):
        raise FunctionError(f"can't index item of type {type_name(value)}")
    items = value.encode() if isinstance(value, str) else value
    _check_number(key)
    if not 0 <= key < len(items):
        raise FunctionError(f"index out of range: {key}")
    return items[key]


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, list | tuple | str):
        raise FunctionError(f"can't slice item of type {type_name(value)}")
    if len(bounds) > (2 if isinstance(value, str) else 3):
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    items = value.encode() if isinstance(value, str) else value
    for bound in bounds:
        _check_number(bound)
        if not 0 <= bound <= len(items):
            raise FunctionError(f"index out of range: {bound}")
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(items)
    if start > end:
        raise FunctionError(f"invalid slice index: {start} > {end}")
    cut = items[start:end]
    return cut.decode("utf-8", "replace") if isinstance(cut, bytes) else cut


def _check_number(key: Any) -> None:
    if key is None or key is NO_VALUE:
        raise FunctionError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise FunctionError(f"cannot index slice/array with type {type_name(key)}")


def _basic(value: Any) -> str:
    """Name the kind by which values can be compared; kinds that cannot be are an error."""
    kind = kind_name(value)
    if kind in {"slice", "map", "func"}:
        raise FunctionError(f"non-comparable type {show(value)}: {type_name(value)}")
    return kind


def _equal(first: Any, *others: Any) -> bool:
    kind = _basic(first)
    if not others:
        raise FunctionError("missing argument for comparison")
    for other in others:
        found = _basic(other)
        if found != kind and "invalid" not in {found, kind}:
            raise FunctionError("incompatible types for comparison")
    return any(kind == _basic(other) and first == other for other in others)


def _less(first: Any, second: Any) -> bool:
    kinds = {_basic(first), _basic(second)}
    if len(kinds) > 1:
        raise FunctionError("incompatible types for comparison")
    if not kinds <= {"int", "float64", "string"}:
        raise FunctionError("invalid type for comparison")
    return bool(first < second)


def _html(*values: Any) -> str:
    return html.escape(_sprint(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _call(function: Any, *_: Any) -> Any:
    raise FunctionError(f"non-function of type {type_name(function)}")


BUILTINS: dict[str, Function] = {
    "and": Function(lambda *_: None, (object,), object),  # the evaluator does both: they need not look at all arguments
    "or": Function(lambda *_: None, (object,), object),
    "not": Function(lambda value: not truth(value), (object,)),
    "call": Function(_call, (object,), object),
    "eq": Function(_equal, (object,), object),
    "ne": Function(lambda a, b: not _equal(a, b), (object, object)),
    "lt": Function(_less, (object, object)),
    "le": Function(lambda a, b: _less(a, b) or _equal(a, b), (object, object)),
    "gt": Function(lambda a, b: not _less(a, b) and not _equal(a, b), (object, object)),
    "ge": Function(lambda a, b: not _less(a, b), (object, object)),
    "html": Function(_html, (), object),
    "index": Function(_index, (object,), object),
    "js": Function(lambda *v: "".join(_JS.get(one, one) for one in _sprint(*v)), (), object),
    "len": Function(_length, (object,)),
    "print": Function(_sprint, (), object),
    "printf": Function(sprintf, (str,), object),
    "println": Function(_sprintln, (), object),
    "slice": Function(_slice, (object,), object),
    "urlquery": Function(lambda *v: quote(_sprint(*v), safe="").replace("%20", "+"), (), object),
}
