"""``printf``: the verbs of Go's ``fmt``. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from hub.content.gotemplate.data import NO_VALUE, Struct, show, show_float, type_name
from hub.content.gotemplate.errors import FunctionError

_VERB = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(.)|%\Z", re.DOTALL)
_BASES = {"b": "b", "o": "o", "x": "x", "X": "X", "d": "d"}
_MAX_WIDTH = 10_000


def sprintf(form: str, *arguments: Any) -> str:
    """Return a format filled in; what does not fit is named in the output (``%!d(string=x)``), as in Go."""
    left = list(arguments)
    text = _VERB.sub(lambda match: _one(match, left), form)
    if left:
        extra = ", ".join(f"{type_name(value)}={show(value)}" for value in left)
        text += f"%!(EXTRA {extra})"
    return text


def _one(match: re.Match[str], left: list[Any]) -> str:
    if match[0] == "%":
        return "%!(NOVERB)"
    flags, verb = match[1], match[4]
    if verb == "%":
        return "%"
    width = _number(match[2], left)
    dotted = "." in match[0][1 + len(flags) : -1]
    precision = _number(match[3], left) if match[3] else (0 if dotted else None)
    if not left:
        return f"%!{verb}(MISSING)"
    value = left.pop(0)
    text = _format(value, verb, flags, precision)
    return _padded(text, flags, width or 0, numeric=isinstance(value, int | float) and verb not in "qvs")


def _number(text: str | None, left: list[Any]) -> int | None:
    if text is None:
        return None
    number = left.pop(0) if text == "*" and left else text
    if not str(number).isdecimal():
        return None
    if int(number) > _MAX_WIDTH:
        raise FunctionError(f"a width of {number} is too large")
    return int(number)


def _padded(text: str, flags: str, width: int, *, numeric: bool) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and numeric:
        sign = text[0] if text[:1] in "+-" and text else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _format(value: Any, verb: str, flags: str, precision: int | None) -> str:
    if verb == "T":
        return type_name(value)
    if verb == "v":
        if isinstance(value, str) and "#" in flags:
            return _quoted(value)
        return _signed(show(value, plus="+" in flags), value, flags)
    if value is None or value is NO_VALUE:
        return f"%!{verb}(<nil>)"
    if isinstance(value, list | tuple):
        return f"[{' '.join(_format(item, verb, flags, precision) for item in value)}]"
    if isinstance(value, str) or (isinstance(value, Struct) and value.text is not None):
        return _text(value, show(value), verb, precision)
    if isinstance(value, bool):
        return show(value) if verb == "t" else _bad(value, verb)
    if isinstance(value, int):
        return _integer(value, verb, flags)
    if isinstance(value, float) and verb in "eEfFgG":
        text = show_float(value, verb.lower(), 6 if precision is None and verb in "eEfF" else precision)
        return _signed(text.upper() if verb in "EG" else text, value, flags)
    return _bad(value, verb)


def _text(value: Any, text: str, verb: str, precision: int | None) -> str:
    cut = text if precision is None else text[:precision]
    match verb:
        case "s":
            return cut
        case "q":
            return _quoted(cut)
        case "x" | "X":
            digits = cut.encode().hex()
            return digits.upper() if verb == "X" else digits
    return _bad(value, verb)


def _integer(value: int, verb: str, flags: str) -> str:
    if verb in _BASES:
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
        digits = prefix + format(abs(value), _BASES[verb])
        return f"-{digits}" if value < 0 else _signed(digits, value, flags)
    if verb == "c":
        return chr(value)
    if verb == "q":
        return f"'{chr(value)}'"
    if verb == "U":
        return f"U+{value:04X}"
    return _bad(value, verb)


def _signed(text: str, value: Any, flags: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or text.startswith(("-", "+")):
        return text
    return f"+{text}" if "+" in flags else f" {text}" if " " in flags else text


def _bad(value: Any, verb: str) -> str:
    return f"%!{verb}({type_name(value)}={show(value)})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
