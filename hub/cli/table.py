"""
Text in columns: two spaces between them, no borders, nothing at the end of a line. Pure.

Without a width every row is one line, whatever its length (scripts read it). With the width of a terminal the last
column continues below itself, as long as a readable part of the line is left for it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = "  "
_READABLE = 40  # columns; narrower than this a wrapped message is harder to read than a broken line

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
        *front, last = cells
        padded = [cell.ljust(width) for cell, width in zip(front, self.widths, strict=False)]
        indent = sum(len(cell) + len(_GAP) for cell in padded)
        first, *more = self._wrapped(last, indent)
        if self.colour and not is_title:
            padded = [self._painted(title, cell) for title, cell in zip(self.header, padded, strict=False)]
        lines = [_GAP.join([*padded, first]).rstrip(), *(" " * indent + line for line in more)]
        return [click.style(line, bold=True) for line in lines] if self.colour and is_title else lines

    def _wrapped(self, text: str, indent: int) -> list[str]:
        room = self.width - indent if self.width else 0
        if room < _READABLE:
            return [text]
        if "\x1b" in text:
            return _wrapped_by_words(text, room)
        return textwrap.wrap(text, room, break_on_hyphens=False) or [""]

    @staticmethod
    def _painted(title: str, cell: str) -> str:
        colour = _COLOURS.get(title, {}).get(cell.strip())
        return click.style(cell, fg=colour) if colour else cell


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
