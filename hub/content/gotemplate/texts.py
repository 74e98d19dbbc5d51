"""Sprig's functions over strings. Pure."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from hub.content.gotemplate.data import show
from hub.content.gotemplate.errors import FunctionError
from hub.content.gotemplate.function import Function
from hub.content.gotemplate.printf import sprintf
from hub.content.regex import BadPattern, Pattern, quote

_MAX_TEXT = 1 << 20


def _bounded(text: str, times: int = 1) -> str:
    if len(text) * max(times, 0) > _MAX_TEXT:
        raise FunctionError(f"the text would be longer than {_MAX_TEXT} characters")
    return text * max(times, 0)


def _trunc(count: int, text: str) -> str:
    if count < 0:
        return text[count:] if len(text) + count > 0 else text
    return text[:count]


def _substr(start: int, end: int, text: str) -> str:
    if start < 0:
        return text[:end]
    return text[start:] if end < 0 or end > len(text) else text[start:end]


def _abbrev(width: int, text: str) -> str:
    return text if width < 4 or len(text) <= width else f"{text[: width - 3]}..."


def _title(text: str) -> str:
    return re.sub(r"(?<![\w])\w", lambda match: match[0].upper(), text)


def _untitle(text: str) -> str:
    return re.sub(r"(?<![\w])\w", lambda match: match[0].lower(), text)


def _words(text: str) -> list[str]:
    """Cut at separators and where the case says so: ``HTTPServer2go`` is HTTP, Server, 2, go."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", text)


def _joined(text: str, separator: str) -> str:
    return separator.join(word.lower() for word in _words(text))


def _camelcase(text: str) -> str:
    return "".join(word[:1].upper() + word[1:].lower() for word in re.split(r"[-_\s]+", text))


def _indent(count: int, text: str) -> str:
    pad = _bounded(" ", count)
    return pad + text.replace("\n", f"\n{pad}")


def _quote(*values: Any) -> str:
    return " ".join(sprintf("%q", show(value)) for value in values if value is not None)


def _squote(*values: Any) -> str:
    return " ".join(f"'{show(value)}'" for value in values if value is not None)


def _cat(*values: Any) -> str:
    return " ".join(show(value) for value in values if value is not None)


def _wrap(width: int, separator: str, text: str) -> str:
    lines = textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return separator.join(lines)


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _replace(old: str, new: str, text: str) -> str:
    if len(new) * (text.count(old) if old else len(text) + 1) > _MAX_TEXT:
        raise FunctionError(f"the text would be longer than {_MAX_TEXT} characters")
    return text.replace(old, new)


def _pattern(text: str) -> Pattern:
    try:
        return Pattern(text)
    except BadPattern as error:
        raise FunctionError(str(error)) from error


def _find(pattern: str, text: str) -> str:
    match = _pattern(pattern).search(text)
    return match.group(0) if match else ""


def _find_all(pattern: str, text: str, count: int) -> list[str]:
    found = [match.group(0) for match in _pattern(pattern).find_all(text)]
    return found if count < 0 else found[:count]


def _split_by(pattern: str, text: str, count: int) -> list[str]:
    if count == 0:
        return []
    parts: list[str] = []
    position = 0
    for match in _pattern(pattern).find_all(text):
        if 0 < count <= len(parts) + 1:
            break
        start, end = match.span()
        if end == 0:
            continue
        parts.append(text[position:start])
        position = end
    return [*parts, text[position:]]


_REGEX: dict[str, Function] = {
    "Match": Function(lambda pattern, text: _pattern(pattern).matches(text), (str, str)),
    "Find": Function(_find, (str, str)),
    "FindAll": Function(_find_all, (str, str, int)),
    "ReplaceAll": Function(lambda pattern, text, new: _pattern(pattern).replace(text, new), (str, str, str)),
    "ReplaceAllLiteral": Function(
        lambda pattern, text, new: _pattern(pattern).replace(text, new, literal=True), (str, str, str)
    ),
    "Split": Function(_split_by, (str, str, int)),
}

TEXTS: dict[str, Function] = {
    "abbrev": Function(_abbrev, (int, str)),
    "camelcase": Function(_camelcase, (str,)),
    "cat": Function(_cat, (), object),
    "contains": Function(lambda part, text: part in text, (str, str)),
    "hasPrefix": Function(lambda part, text: text.startswith(part), (str, str)),
    "hasSuffix": Function(lambda part, text: text.endswith(part), (str, str)),
    "indent": Function(_indent, (int, str)),
    "initials": Function(lambda text: "".join(word[0] for word in text.split()), (str,)),
    "kebabcase": Function(lambda text: _joined(text, "-"), (str,)),
    "lower": Function(str.lower, (str,)),
    "nindent": Function(lambda count, text: "\n" + _indent(count, text), (int, str)),
    "nospace": Function(lambda text: "".join(text.split()), (str,)),
    "plural": Function(_plural, (str, str, int)),
    "quote": Function(_quote, (), object),
    "regexQuoteMeta": Function(quote, (str,)),
    "repeat": Function(lambda count, text: _bounded(text, count), (int, str)),
    "replace": Function(_replace, (str, str, str)),
    "snakecase": Function(lambda text: _joined(text, "_"), (str,)),
    "squote": Function(_squote, (), object),
    "substr": Function(_substr, (int, int, str)),
    "swapcase": Function(str.swapcase, (str,)),
    "title": Function(_title, (str,)),
    "trim": Function(str.strip, (str,)),
    "trimAll": Function(lambda cutset, text: text.strip(cutset), (str, str)),
    "trimPrefix": Function(lambda part, text: text.removeprefix(part), (str, str)),
    "trimSuffix": Function(lambda part, text: text.removesuffix(part), (str, str)),
    "trimall": Function(lambda cutset, text: text.strip(cutset), (str, str)),
    "trunc": Function(_trunc, (int, str)),
    "untitle": Function(_untitle, (str,)),
    "upper": Function(str.upper, (str,)),
    "wrap": Function(lambda width, text: _wrap(width, "\n", text), (int, str)),
    "wrapWith": Function(_wrap, (int, str, str)),
}
TEXTS |= {f"{prefix}egex{name}": one for name, one in _REGEX.items() for prefix in ("r", "mustR")}
