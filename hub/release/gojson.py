"""
JSON as Go's ``encoding/json`` writes it, byte for byte. Digests in ``status.history`` are taken over such bytes. Pure.

Differences from Python's: no spaces, ``<``, ``>``, ``&`` and the two Unicode line separators escaped, UTF-8 as it is,
and floating point numbers keep the text that Go gave them.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Number(float):
    """A floating point number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def loads(text: str | bytes) -> Any:
    """Parse JSON so that :func:`dumps` can write the same bytes again. Raises ``ValueError``."""
    return json.loads(text, parse_float=Number)


def dumps(value: Any) -> str:
    """Return a value as Go would write it; mappings keep their order."""
    match value:
        case dict():
            return "{" + ",".join(f"{_string(str(key))}:{dumps(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dumps, value)) + "]"
        case str():
            return _string(value)
        case Number():
            return value.text
        case float():
            return _float(value)
        case _:
            return json.dumps(value)


def _string(text: str) -> str:
    # Go writes backspace and form feed as \b and \f since 1.22, as Python does.
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPES)


def _float(value: float) -> str:
    """Shortest digits; plain between 1e-6 and 1e21, else with an exponent that has no leading zero."""
    digits = repr(value)
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(digits), "f")
    mantissa, exponent = digits.split("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
