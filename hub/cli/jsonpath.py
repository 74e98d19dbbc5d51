r"""
``-o jsonpath=TEMPLATE`` as kubectl has it: text with paths in braces, ``{range PATH}...{end}``, ``{"\n"}``. Pure.

The paths themselves are RFC 9535's, which the library reads; only what kubectl adds is done here: the leading ``$`` may
be missing, ``\.`` is a dot within a key, and without braces the whole template is one path.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = re.compile(r"""\{((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^{}"'])*)\}""")
_ESCAPED = re.compile(r"\.((?:[^.\[\\]|\\.)*\\\.(?:[^.\[\\]|\\.)*)")
_RANGE = "range "


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: text, a path, or a range with pieces of its own."""

    text: str = ""
    path: str = ""
    body: tuple[Part, ...] | None = None


@dataclass(slots=True)
class _Open:
    path: str
    parts: list[Part] = field(default_factory=list)


def parse(template: str) -> tuple[Part, ...]:
    """
    Read a template.

    Raises:
        click.UsageError: A path is malformed, or ``range`` and ``end`` do not match.
    """
    if "{" not in template:
        template = f"{{{template}}}"
    stack = [_Open("")]
    for text, block in _pieces(template):
        if text:
            stack[-1].parts.append(Part(text=text))
        elif block.startswith(_RANGE):
            stack.append(_Open(_path(block.removeprefix(_RANGE).strip())))
        elif block == "end":
            if len(stack) == 1:
                raise click.UsageError("jsonpath: {end} without {range}")
            done = stack.pop()
            stack[-1].parts.append(Part(path=done.path, body=tuple(done.parts)))
        else:
            stack[-1].parts.append(Part(path=_path(block)))
    if len(stack) > 1:
        raise click.UsageError("jsonpath: {range} without {end}")
    return tuple(stack[0].parts)


def render(parts: Iterable[Part], data: Any) -> str:
    """Return what a template says about data; a path that leads nowhere says nothing."""
    return "".join(_rendered(part, data) for part in parts)


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """Yield ``(text, "")`` and ``("", block)`` in their order."""
    end = 0
    for found in _BLOCK.finditer(template):
        yield from _text(template[end : found.start()])
        block = found[1].strip()
        if block[:1] in {'"', "'"}:
            yield from _text(_unquoted(block))
        else:
            yield "", block
        end = found.end()
    rest = template[end:]
    if "{" in rest:
        raise click.UsageError(f"jsonpath: a brace is not closed in '{template}'")
    yield from _text(rest)


def _text(text: str) -> Iterator[tuple[str, str]]:
    if text:
        yield text, ""


def _unquoted(block: str) -> str:
    inner = block[1:-1]
    return inner.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\\\", "\\")


def _path(text: str) -> str:
    import jsonpath

    bare = text.removeprefix("$").removeprefix("@")
    bare = _ESCAPED.sub(lambda found: f"['{found[1].replace(chr(92) + '.', '.')}']", bare)
    if bare and bare[0] not in ".[":
        bare = f".{bare}"
    path = "$" if bare in ("", ".") else f"${bare}"
    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        why = str(error).splitlines()[0]
        raise click.UsageError(f"jsonpath: '{text}' is not a path: {why}") from error
    return path


def _rendered(part: Part, data: Any) -> str:
    if part.text:
        return part.text
    from jsonpath import findall

    found = findall(part.path, data)
    if part.body is not None:
        return "".join(render(part.body, one) for one in found)
    return " ".join(_shown(one) for one in found)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
