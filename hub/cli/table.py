"""
Text in columns: two spaces between them, no borders, nothing at the end of a line. Pure.

Without a width every row is one line, whatever its length (scripts read it). With the width of a terminal the last
column continues below itself when a readable part of the line is left for it, else below the row; columns that do not
fit beside each other go on below too. Nothing is cut off.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = "  "
_INDENT = 4  # columns before what goes on below a row
_READABLE = 40  # columns; a message that is wrapped narrower than this is hard to read

_COLOURS = {
    "READY": {"True": "green", "False": "red", "Unknown": "yellow"},
    "SUSPENDED": {"True": "yellow"},
}


@dataclass
class Table:
    """
    Lays out rows under a header.

    Attributes:
        header: Titles of the columns.
        width: Columns of the terminal; None for no terminal.
        colour: Paint the states.
        widths: Of each column so far. They only grow, so that rows printed later stay under their header.
    """

    header: Sequence[str]
    width: int | None = None
    colour: bool = False
    widths: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.widths = [len(title) for title in self.header]

    def fit(self, rows: Iterable[Sequence[str]]) -> None:
        """Make the columns wide enough."""
        for row in rows:
            self.widths = [max(known, len(cell)) for known, cell in zip(self.widths, row, strict=True)]

    def title(self) -> list[str]:
        """Return the header as lines."""
        return self._lines(self.header, is_title=True)

    def lines(self, row: Sequence[str]) -> list[str]:
        """Return one row as lines."""
        self.fit([row])
        return self._lines(row)

    def _lines(self, cells: Sequence[str], *, is_title: bool = False) -> list[str]:
        """Lay out a row: columns on as few lines as the width allows, those below the first indented."""
        *front, last = cells
        lines: list[str] = []
        for columns in self._flow():
            margin = " " * (_INDENT if lines else 0)
            padded = [self._cell(column, front[column], is_title=is_title) for column in columns]
            lines.append(margin + "".join(f"{cell}{_GAP}" for cell in padded))
        used = len(click.unstyle(lines[-1]))
        if self.width is None or used + len(click.unstyle(last)) <= self.width:
            lines[-1] += last
        elif self.width - used >= _READABLE:
            first, *more = _wrapped(last, self.width - used)
            lines[-1] += first
            lines += [" " * used + line for line in more]
        else:
            lines += [" " * _INDENT + line for line in _wrapped(last, max(self.width - _INDENT, _READABLE))]
        lines = [line.rstrip() for line in lines]
        return [click.style(line, bold=True) for line in lines] if self.colour and is_title else lines

    def _flow(self) -> list[list[int]]:
        """Return the numbers of the columns before the last, line by line; without a width they are one line."""
        lines: list[list[int]] = [[]]
        room = self.width or 0
        for column, width in enumerate(self.widths[:-1]):
            if self.width and lines[-1] and width > room:
                lines.append([])
                room = self.width - _INDENT
            lines[-1].append(column)
            room -= width + len(_GAP)
        return lines

    def _cell(self, column: int, text: str, *, is_title: bool) -> str:
        padded = text.ljust(self.widths[column])
        return padded if is_title or not self.colour else self._painted(self.header[column], padded)

    @staticmethod
    def _painted(title: str, cell: str) -> str:
        colour = _COLOURS.get(title, {}).get(cell.strip())
        return click.style(cell, fg=colour) if colour else cell


def _wrapped(text: str, room: int) -> list[str]:
    if "\x1b" in text:
        return _wrapped_by_words(text, room)
    return textwrap.wrap(text, room, break_on_hyphens=False) or [""]


def _wrapped_by_words(text: str, room: int) -> list[str]:
    """Wrap text that has colours in it, which take no room."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(click.unstyle(longer)) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
