"""
Cut a template into tokens: text, and what stands between ``{{`` and ``}}``. Pure.

``{{-`` and ``-}}`` eat the white space beside them, comments vanish. Spaces inside an action are tokens: ``.A.B`` is a
chain, ``.A .B`` are two words.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from hub.content.gotemplate.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_LEFT, _RIGHT = "{{", "}}"
_SPACES = " \t\r\n"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class Kind(StrEnum):
    """What a token is."""

    TEXT = "text"
    LEFT = "left delim"
    RIGHT = "right delim"
    SPACE = "space"
    KEYWORD = "keyword"
    IDENTIFIER = "identifier"
    FIELD = "field"
    VARIABLE = "variable"
    DOT = "."
    NIL = "nil"
    BOOL = "bool"
    NUMBER = "number"
    STRING = "string"
    CHARACTER = "character"
    DECLARE = ":="
    ASSIGN = "="
    PIPE = "|"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    END = "EOF"


class Token(NamedTuple):
    """A piece of a template; ``position`` counts characters from its start."""

    kind: Kind
    text: str
    position: int


KEYWORDS = frozenset({
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
})  # fmt: skip

_TOKENS = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
    | (?P<string>"(?:\\.|[^"\\\n])*" | `[^`]*`)
    | (?P<character>'(?:\\.|[^'\\\n])+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
        | (?:[0-9][0-9_]*(?:\.[0-9_]*)? | \.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?))
    | (?P<field>\.\w+)
    | (?P<dot>\.)
    | (?P<variable>\$\w*)
    | (?P<identifier>\w+)
    | (?P<declare>:=) | (?P<assign>=) | (?P<pipe>\|) | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    """,
    re.VERBOSE,
)
_WORDS = {"nil": Kind.NIL, "true": Kind.BOOL, "false": Kind.BOOL}
_NEEDS_END = frozenset({Kind.FIELD, Kind.VARIABLE, Kind.IDENTIFIER, Kind.NUMBER})


def tokens(name: str, source: str) -> Iterator[Token]:
    """
    Yield the tokens of a template, the last one of kind ``END``.

    Raises:
        TemplateError: Something is not closed, or a character that no token begins with.
    """
    position, trim = 0, False
    while position < len(source):
        start = source.find(_LEFT, position)
        text_end = len(source) if start < 0 else start
        inner = start + len(_LEFT)
        trim_left = start >= 0 and source[inner : inner + 1] == "-" and source[inner + 1 : inner + 2] in (*_SPACES,)
        if text := _trimmed(source[position:text_end], left=trim, right=trim_left):
            yield Token(Kind.TEXT, text, position)
        if start < 0:
            break
        inner += 1 if trim_left else 0
        skipped = inner + (1 if trim_left else 0)
        if comment := _COMMENT.match(source, skipped):
            position, trim = _after_comment(name, source, comment.end())
            continue
        if source.startswith("/*", skipped):
            raise fault(name, source, start, "unclosed comment")
        yield Token(Kind.LEFT, _LEFT, start)
        position, trim = yield from _action(name, source, inner)
    yield Token(Kind.END, "", len(source))


def fault(name: str, source: str, position: int, message: str) -> TemplateError:
    """Return the error of a template that cannot be parsed."""
    return TemplateError(f"template: {name}:{source.count(chr(10), 0, position) + 1}: {message}")


def _trimmed(text: str, *, left: bool, right: bool) -> str:
    text = text.lstrip(_SPACES) if left else text
    return text.rstrip(_SPACES) if right else text


def _closing(source: str, position: int) -> tuple[int, bool] | None:
    """Return where an action that ends here ends, and whether it trims; None when it goes on."""
    if source.startswith(_RIGHT, position):
        return position + len(_RIGHT), False
    if source[position : position + 1] in (*_SPACES,) and source.startswith(f"-{_RIGHT}", position + 1):
        return position + 2 + len(_RIGHT), True
    return None


def _after_comment(name: str, source: str, position: int) -> tuple[int, bool]:
    closing = _closing(source, position)
    if closing is None:
        raise fault(name, source, position, "comment ends before closing delimiter")
    return closing


def _action(name: str, source: str, position: int) -> Generator[Token, None, tuple[int, bool]]:
    """Yield the tokens up to the right delimiter; return where it ends, and whether it trims what follows."""
    depth = 0
    while True:
        if closing := _closing(source, position):
            if depth:
                raise fault(name, source, position, "unclosed left paren")
            yield Token(Kind.RIGHT, _RIGHT, position)
            return closing
        token = _token(name, source, position)
        depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
        if depth < 0:
            raise fault(name, source, position, "unexpected right paren")
        yield token
        position += len(token.text)


def _token(name: str, source: str, position: int) -> Token:
    match = _TOKENS.match(source, position)
    if match is None or match.lastgroup is None:
        raise fault(name, source, position, _why(source, position))
    text = match[0]
    kind = Kind[match.lastgroup.upper()]
    if kind is Kind.SPACE:
        # White space before "-}}" belongs to the delimiter.
        end = match.end()
        if source.startswith(f"-{_RIGHT}", end) and len(text) > 1:
            return Token(kind, text[:-1], position)
        return Token(kind, text, position)
    if kind is Kind.IDENTIFIER:
        kind = Kind.KEYWORD if text in KEYWORDS else _WORDS.get(text, kind)
    if kind in _NEEDS_END and not _ends(source, match.end()):
        bad = source[match.end()]
        raise fault(
            name,
            source,
            position,
            f"bad number syntax: {_quote(text + bad)}" if kind is Kind.NUMBER else _bad_character(bad),
        )
    return Token(kind, text, position)


def _ends(source: str, position: int) -> bool:
    following = source[position : position + 1]
    return not following or following in " \t\r\n.,|:)(=" or source.startswith(_RIGHT, position)


def _why(source: str, position: int) -> str:
    rest = source[position : position + 1]
    if not rest:
        return "unclosed action"
    if rest == '"':
        return "unterminated quoted string"
    if rest == "`":
        return "unterminated raw quoted string"
    if rest == "'":
        return "unterminated character constant"
    if rest == ":":
        return "expected :="
    return (
        f"unexpected bad character {_code(rest)}" if rest == "}" else f"unrecognized character in action: {_code(rest)}"
    )


def _bad_character(text: str) -> str:
    return f"bad character {_code(text)}"


def _code(text: str) -> str:
    return f"U+{ord(text):04X} '{text}'" if text.isprintable() else f"U+{ord(text):04X}"


def _quote(text: str) -> str:
    return f'"{text}"'
