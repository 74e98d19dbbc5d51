"""
Regular expressions as Go has them: RE2, in linear time whatever is asked. The only module that imports ``re2``.

Patterns come from users and run over tags that strangers push: nothing here can be made to hang.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

_MAX_MEMORY = 8 << 20
_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


class BadPattern(ValueError):
    """The text is not a regular expression; the message has Go's form."""


class Pattern:
    """
    A compiled regular expression.

    Raises:
        BadPattern: The text is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = _compiled(text)

    def search(self, text: str) -> Any | None:
        """Return the leftmost match, or None; a match has ``group``, ``span`` and ``groupdict``."""
        return self._compiled.search(text)

    def matches(self, text: str) -> bool:
        """Tell whether it matches anywhere."""
        return self._compiled.search(text) is not None

    def find_all(self, text: str) -> list[Any]:
        """Return all matches that do not overlap."""
        return list(self._compiled.finditer(text))

    def replace(self, text: str, template: str, *, literal: bool = False) -> str:
        """Replace every match; the template may name groups, unless it is literal."""
        out, position = [], 0
        for match in self.find_all(text):
            start, end = match.span()
            out += [text[position:start], template if literal else expand(template, match)]
            position = end
        return "".join([*out, text[position:]])


def expand(template: str, match: Any) -> str:
    """Fill in ``$1``, ``$name``, ``${name}`` and ``$$`` as Go's ``Regexp.Expand`` does; unknown groups are empty."""
    groups, names = match.groups(), match.groupdict()

    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        if name.isdecimal():
            number = int(name)
            found = match.group(0) if number == 0 else groups[number - 1] if number <= len(groups) else ""
        else:
            found = names.get(name)
        return found or ""

    return _REFERENCE.sub(value, template)


def quote(text: str) -> str:
    """Return a pattern that matches just the text."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(text, options=options)  # type: ignore[no-untyped-call]  # untyped upstream
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise BadPattern(f"error parsing regexp: {why}") from error
