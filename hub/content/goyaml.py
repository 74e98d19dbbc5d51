"""
YAML as Go reads and writes it, which is how Helm, Flux and kubectl do.

Go's YAML 1.1 differs from PyYAML's in what a plain scalar means: ``1e3`` is a float, ``0o17`` and ``017`` are octal,
``y`` and ``on`` are booleans, ``1:20`` is text, and a date stays the text it is. After reading, everything is what JSON
can say: keys are strings, and a number without a fraction is an integer.

Parsing and emitting themselves are libyaml's, of which Go's library is a port. Nothing here recurses over what it is
given, so nesting cannot exhaust the stack. Pure.
"""

from __future__ import annotations

import base64
import math
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 200
MAX_NODES = 4_000_000
"""Values in one document once aliases are expanded; a few lines of aliases can otherwise mean billions."""

_BOOL, _INT, _FLOAT, _NULL, _STR, _BINARY = (
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "str", "binary")
)
_TAGGED = {_BOOL: (bool,), _INT: (int,), _FLOAT: (int, float), _NULL: (type(None),)}
_MERGE: Final = object()

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_MAYBE_NOT_TEXT = frozenset("+-0123456789yYnNtTfFoO~.")
_INTEGER = re.compile(r"([-+]?)(?:(0[xX])([0-9a-fA-F]+)|(0[bB])([01]+)|(0[oO]?)([0-7]+)|(0|[1-9][0-9]*))\Z")
_FLOATING = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_DOTTED = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?\Z")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:([Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)


class YamlError(ValueError):
    """Not YAML, or YAML that JSON cannot express; the message begins with ``yaml:`` and names the line when known."""


def load(data: bytes | str) -> Any:
    """
    Return the first document, as JSON values; an empty text is None.

    Raises:
        YamlError: It cannot be read.
    """
    loader = yaml.CBaseLoader(data)
    try:
        return _Composer(loader).document()
    except yaml.YAMLError as error:
        raise YamlError(_explain(error)) from error
    except UnicodeDecodeError as error:
        raise YamlError(f"yaml: invalid UTF-8 encoding: {error}") from error
    finally:
        loader.dispose()


def dump(value: Any) -> str:
    """
    Return the text that Go's encoder writes for a JSON value whose mapping keys were sorted by their bytes.

    Raises:
        YamlError: A value that JSON cannot express.
    """
    text = yaml.emit(_events(value), Dumper=yaml.CDumper, allow_unicode=True, width=80)
    text = text if isinstance(text, str) else text.decode()
    # libyaml closes a document whose last scalar keeps its newlines; Go does not.
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text


def resolve(text: str) -> Any:
    """Return what Go takes a plain scalar for: None, a bool, an int, a float, or the text that it is."""
    if text and text[0] not in _MAYBE_NOT_TEXT:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-0123456789":
        return _number(text)
    if text[0] == "." and _DOTTED.match(text):
        number = float(text)
        return text if math.isinf(number) else number
    return text


def _number(text: str) -> Any:
    if _is_timestamp(text):
        return text
    plain = text.replace("_", "")
    if match := _INTEGER.match(plain):
        sign, _, hexadecimal, _, binary, _, octal, decimal = match.groups()
        digits, base = next((d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d)
        number = int(digits, base) * (-1 if sign == "-" else 1)
        if -(1 << 63) <= number < 1 << 63 or (number < 1 << 64 and not sign):
            return number
    if _FLOATING.match(plain):
        floating = float(plain)
        return text if math.isinf(floating) else floating
    return text


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.match(text)
    if not match:
        return False
    year, month, day, separator, hour, minute, second, zone = match.groups()
    if separator and (zone is None) != (separator == " "):
        return False
    if separator and (int(hour) > 23 or int(minute) > 59 or int(second) > 59):
        return False
    try:
        date(int(year) or 4, int(month), int(day))  # year 0 is a leap year, which Python has not
    except ValueError:
        return False
    return True


class _Composer:
    """Builds one document from parse events, without recursion."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._anchors: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}
        self._open: list[_Frame] = []
        self._count = 0
        self._line = 0

    def document(self) -> Any:
        result: Any = None
        while self._loader.check_event():
            event = self._loader.get_event()
            self._line = event.start_mark.line + 1 if event.start_mark else self._line
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent)):
                continue
            done, value = self._step(event)
            if done and not self._open:
                result = None if value is _MERGE else value
        return result

    def _step(self, event: Any) -> tuple[bool, Any]:
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            frame = _Frame(event.anchor, {} if isinstance(event, yaml.MappingStartEvent) else [], self._count)
            if len(self._open) >= MAX_DEPTH:
                raise self._bad("exceeded max depth of nesting")
            self._open.append(frame)
            return False, None
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event.anchor or "")
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._grow(1)
            if event.anchor:
                self._anchors[event.anchor] = value
        else:
            frame = self._open.pop()
            value = frame.items
            self._grow(1)
            self._sizes[id(value)] = self._count - frame.count_before
            if frame.anchor:
                self._anchors[frame.anchor] = value
        if self._open:
            self._add(self._open[-1], value)
        return True, value

    def _alias(self, anchor: str) -> Any:
        if any(frame.anchor == anchor for frame in self._open):
            raise self._bad(f"anchor '{anchor}' value contains itself")
        if anchor not in self._anchors:
            raise self._bad(f"unknown anchor '{anchor}' referenced")
        value = self._anchors[anchor]
        self._grow(self._sizes.get(id(value), 1))
        return value

    def _grow(self, by: int) -> None:
        self._count += by
        if self._count > MAX_NODES:
            raise self._bad("document contains excessive aliasing")

    def _scalar(self, event: Any) -> Any:
        tag, text = event.tag, event.value
        if tag is None:
            if not event.implicit[0]:
                return text
            if text == "<<" and self._open and self._open[-1].wants_key:
                return _MERGE
            return self._finite(resolve(text))
        if tag == _BINARY:
            try:
                return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
            except ValueError as error:
                raise self._bad("!!binary value contains invalid base64 data") from error
        if tag in _TAGGED:
            return self._tagged(tag, text)
        return text

    def _tagged(self, tag: str, text: str) -> Any:
        value = resolve(text)
        if type(value) not in _TAGGED[tag]:
            raise self._bad(f"cannot decode `{text}` as a !!{tag.rpartition(':')[2]}")
        return self._finite(value)

    def _finite(self, value: Any) -> Any:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self._bad("JSON has no value for infinity or not-a-number")
            return _integral(value)
        return value

    def _add(self, frame: _Frame, value: Any) -> None:
        if isinstance(frame.items, list):
            frame.items.append(value)
        elif frame.wants_key:
            frame.key = value if value is _MERGE else self._key(value)
            frame.wants_key = False
        else:
            if frame.key is _MERGE:
                # What comes later wins, also over the mapping's own keys; of several mappings the first one wins.
                for merged in reversed(self._merged(value)):
                    frame.items.update(merged)
            else:
                frame.items[frame.key] = value
            frame.wants_key = True

    def _key(self, value: Any) -> str:
        match value:
            case str():
                return value
            case bool():
                return "true" if value else "false"
            case int() if value < 1 << 63:
                return str(value)
            case float():
                return _go_float(value)
            case _:
                raise self._bad(f"unsupported map key of type {type(value).__name__}")

    def _merged(self, value: Any) -> list[dict[str, Any]]:
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in found):
            raise self._bad("map merge requires map or sequence of maps as the value")
        return found

    def _bad(self, why: str) -> YamlError:
        return YamlError(f"yaml: line {self._line}: {why}")


class _Frame:
    """A mapping or sequence that is being read."""

    __slots__ = ("anchor", "count_before", "items", "key", "wants_key")

    def __init__(self, anchor: str | None, items: dict[str, Any] | list[Any], count_before: int) -> None:
        self.anchor = anchor
        self.items = items
        self.count_before = count_before
        self.key: Any = None
        self.wants_key = isinstance(items, dict)


def _events(value: Any) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    # A stack of iterators stands for the open collections; an event in it closes one.
    pending: list[Iterator[Any]] = [iter([value])]
    while pending:
        for item in pending[-1]:
            if isinstance(item, yaml.Event):
                yield item
            elif isinstance(item, dict):
                yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not item)
                pending.append(_mapping_items(item))
                break
            elif isinstance(item, (list, tuple)):
                yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not item)
                pending.append(iter([*item, yaml.SequenceEndEvent()]))
                break
            else:
                yield _scalar_event(item)
        else:
            pending.pop()
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _mapping_items(mapping: dict[str, Any]) -> Iterator[Any]:
    for key in sorted(mapping, key=str.encode):
        yield key
        yield mapping[key]
    yield yaml.MappingEndEvent()


def _scalar_event(value: Any) -> yaml.ScalarEvent:
    style: str | None = None
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case int() | float():
            text = _go_number(value)
        case str():
            text = value
            if "\n" in text:
                style = "|"
            elif not isinstance(resolve(text), str) or _is_timestamp(text) or _BASE_60.match(text):
                style = '"'
        case _:
            raise YamlError(f"yaml: cannot write a {type(value).__name__}")
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def _go_number(number: float) -> str:
    """Write a JSON number as Go does, where every one of them is a 64-bit float first."""
    try:
        floating = float(number)
    except OverflowError as error:
        raise YamlError(f"yaml: {number} is not a 64-bit number") from error
    if not math.isfinite(floating):
        raise YamlError(f"yaml: JSON has no value for {number}")
    whole = _integral(floating)
    return str(whole) if isinstance(whole, int) else _go_float(whole)


def _integral(number: float) -> int | float:
    if number.is_integer() and -(2.0**63) <= number < 2.0**64:
        return int(number)
    return number


def _go_float(number: float) -> str:
    """Write a float with its shortest digits, as Go does: with an exponent when that is below -4 or above 5."""
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - only infinities and NaN have another kind
    text = "".join(map(str, digits))
    point = len(text) + exponent
    minus = "-" if sign else ""
    if -4 <= point - 1 <= 5:
        if point <= 0:
            return f"{minus}0.{'0' * -point}{text}"
        whole, fraction = text[:point].ljust(point, "0"), text[point:]
        return f"{minus}{whole}.{fraction}" if fraction else f"{minus}{whole}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    power = point - 1
    return f"{minus}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _explain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"yaml: line {mark.line + 1}: {problem}" if mark else f"yaml: {problem}"
