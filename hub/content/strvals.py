r"""
The language of ``helm --set``: ``a.b=1,c[0].d={x,y}``, applied to values in place. Pure.

::

    a.b=1            a mapping in a mapping; created when missing
    a[2]=x           an element of a list; what is missing before it is null
    a={x,y}          a list; a=x,b=y several values
    a\.b=x\,y        a backslash takes the next character as it is

Values become ``true``, ``false``, null or a whole number when they look like one, text otherwise. A line that breaks
off is forgiven in the ways in which Helm forgives it (``a[0]`` makes ``a`` an empty list).

Limits: those of Helm (30 nested names, index 65536), and two of ours, because lines come from users' objects:
:data:`MAX_DEPTH` and :data:`MAX_ITEMS`.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

MAX_LEVEL: Final = 30
"""Names nested by dots."""
MAX_INDEX: Final = 65536
MAX_DEPTH: Final = 100
"""Brackets inside brackets."""
MAX_ITEMS: Final = 1_000_000
"""Elements that one line may add to lists; every index can otherwise add 65,536."""

_SPECIAL = re.compile(r"[\\,=.\[\]{}]")
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}\Z")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "0": 0}


class StrvalsError(ValueError):
    """
    A line that cannot be applied.

    Attributes:
        at: How much of the line was read; the message quotes nothing that comes later.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def assign(line: str, values: dict[str, Any], *, text: bool = False) -> None:
    """
    Apply a line to ``values`` as ``--set`` does; with ``text``, as ``--set-string``: every value stays text.

    Raises:
        StrvalsError: It cannot be applied; ``values`` may have changed in part.
    """
    parser = _Parser(line, text=text)
    try:
        while True:
            parser.key(values, 0)
    except _EndOfLine:
        return


def assign_literal(path: str, value: str, values: dict[str, Any]) -> None:
    """
    Put a text at a path, whatever characters it has; raises as :func:`assign`.

    In the path a backslash still escapes, other than with ``--set-literal``: this is what Flux does.
    """
    assign(f"{path}={escape(value)}", values, text=True)


def escape(value: str) -> str:
    """Return the text with a backslash before every character that means something in a line."""
    return _SPECIAL.sub(r"\\\g<0>", value)


class _EndOfLine(Exception):
    """Nothing is left to read; not an error by itself."""


class _Word(NamedTuple):
    """Characters up to a stop; ``stop`` is the empty word at the end of the line."""

    text: str
    stop: str


class _Parser:
    """Reads a line from left to right and applies it as it goes, as Helm's does."""

    def __init__(self, line: str, *, text: bool) -> None:
        self._line = line
        self._at = 0
        self._text = text
        self._depth = 0
        self._added = 0

    def key(self, target: dict[str, Any], level: int) -> None:
        """Read one assignment into ``target``."""
        name, stop = self._until("=[,.")
        match stop:
            case "[":
                self._indexed(target, name, level)
            case "=":
                self._assigned(target, name)
            case ".":
                self._nested(target, name, level + 1)
            case ",":
                raise self._bad(f"key '{name}' has no value (a comma begins the next key)")
            case _ if name:
                raise self._bad(f"key '{name}' has no value")
            case _:
                raise _EndOfLine

    def _assigned(self, target: dict[str, Any], name: str) -> None:
        if self._at >= len(self._line):
            _set(target, name, "")
            raise _EndOfLine
        _set(target, name, self._value())

    def _nested(self, target: dict[str, Any], name: str, level: int) -> None:
        if level > MAX_LEVEL:
            raise self._bad(f"more than {MAX_LEVEL} nested names")
        inner = target.get(name, {})
        if not isinstance(inner, dict):
            raise self._mismatch(name, inner, "a mapping")
        try:
            self.key(inner, level)
        except _EndOfLine:
            if inner:
                _set(target, name, inner)
            raise
        if not inner:
            raise self._bad(f"key '{name}' has no value below it")
        _set(target, name, inner)

    def _indexed(self, target: dict[str, Any], name: str, level: int) -> None:
        index = self._index()
        items = target.get(name, [])
        if not isinstance(items, list):
            raise self._mismatch(name, items, "a list")
        ended = True
        try:
            items = self._item(items, index, level)
            ended = False
        except _EndOfLine:
            pass
        _set(target, name, items)
        if ended:
            raise _EndOfLine

    def _index(self) -> int:
        word = self._until("]")
        if not word.stop:
            raise _EndOfLine
        if not _INTEGER.match(word.text):
            raise self._bad(f"'{word.text}' is not an index of a list")
        index = int(word.text)
        if index < 0:
            raise self._bad(f"index {index} is negative")
        return index

    def _item(self, items: list[Any], index: int, level: int) -> list[Any]:
        """Read what comes after an index; return the list with it, a new one when it had to grow."""
        word = self._until("[.=")
        if word.text:
            raise self._bad(f"unexpected '{word.text}' after an index")
        match word.stop:
            case "=":
                value = "" if self._at >= len(self._line) else self._value()
            case "[":
                value = self._inner_list(items, index, level)
            case ".":
                value = self._inner_mapping(items, index)
                self.key(value, level)
            case _:
                raise _EndOfLine
        return self._put(items, index, value)

    def _inner_list(self, items: list[Any], index: int, level: int) -> list[Any]:
        below = self._index()
        inner = items[index] if index < len(items) else None
        if inner is not None and not isinstance(inner, list):
            raise self._mismatch(f"[{index}]", inner, "a list")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._bad(f"lists are nested more than {MAX_DEPTH} deep")
        try:
            return self._item(inner or [], below, level)
        finally:
            self._depth -= 1

    @staticmethod
    def _inner_mapping(items: list[Any], index: int) -> dict[str, Any]:
        """Return the mapping at an index; anything else that is there makes room for one."""
        if index >= len(items):
            return {}
        inner = items[index]
        if not isinstance(inner, dict):
            inner = items[index] = {}
        return inner

    def _put(self, items: list[Any], index: int, value: Any) -> list[Any]:
        if index > MAX_INDEX:
            raise self._bad(f"index {index} is greater than {MAX_INDEX}")
        missing = index + 1 - len(items)
        if missing > 0:
            self._added += missing
            if self._added > MAX_ITEMS:
                raise self._bad(f"more than {MAX_ITEMS} elements of lists are added")
            items = items + [None] * missing
        items[index] = value
        return items

    def _value(self) -> Any:
        if self._line[self._at] == "{":
            self._at += 1
            return self._list()
        return self._typed(self._until(",").text)

    def _list(self) -> list[Any]:
        items = []
        while True:
            word = self._until(",}")
            if not word.stop:
                raise self._bad("a list must end with '}'")
            items.append(self._typed(word.text))
            if word.stop == "}":
                break
        if self._line.startswith(",", self._at):
            self._at += 1
        return items

    def _until(self, stops: str) -> _Word:
        """Read up to one of the characters and over it."""
        found = _UNTIL[stops].match(self._line, self._at)
        assert found is not None  # noqa: S101 - it matches the empty text
        text, self._at = found.group(), found.end()
        if "\\" in text:
            text = _ESCAPED.sub(r"\1", text)
        stop = self._line[self._at : self._at + 1]
        self._at += len(stop)
        return _Word(text, stop)

    def _typed(self, text: str) -> Any:
        if self._text:
            return text
        folded = text.casefold() if len(text) <= 5 else text
        if folded in _WORDS:
            return _WORDS[folded]
        if not text.startswith("0") and _INTEGER.match(text) and -(1 << 63) <= int(text) < 1 << 63:
            return int(text)
        return text

    def _bad(self, message: str) -> StrvalsError:
        return StrvalsError(message, self._at)

    def _mismatch(self, name: str, found: Any, wanted: str) -> StrvalsError:
        kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
        return self._bad(f"'{name}' is {kinds.get(type(found), 'null')}, not {wanted}")


# A backslash that ends the line stands for nothing.
_UNTIL = {
    stops: re.compile(rf"(?:[^\\{re.escape(stops)}]|\\(?:.|\Z))*+", re.DOTALL)
    for stops in ("=[,.", "]", "[.=", ",", ",}")
}


def _set(target: dict[str, Any], name: str, value: Any) -> None:
    """An empty name is no name."""
    if name:
        target[name] = value
