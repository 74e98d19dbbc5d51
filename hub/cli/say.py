"""
What is going on, on stderr: one line per step, a glyph first. Data goes to stdout and never passes here.

``►`` action, ``✚`` made, ``◎`` waiting, ``✔`` came true, ``⚠`` worth knowing, ``✗`` failed. Colours only on a terminal,
and there a spinner turns while something takes longer than a second.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def colourful(stream: IO[str]) -> bool:
    """Whether a stream is a terminal whose user did not ask for plain text (``NO_COLOR``, see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Say:
    """Speaks to the person at the terminal."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._colour = colourful(self._stream)

    def action(self, text: str) -> None:
        """We are about to change something."""
        self._line("►", "blue", text)

    def made(self, text: str) -> None:
        """Something was generated or written."""
        self._line("✚", "blue", text)

    def waiting(self, text: str) -> None:
        """Something takes its time."""
        self._line("◎", "cyan", text)

    def success(self, text: str) -> None:
        """It came true."""
        self._line("✔", "green", text)

    def warning(self, text: str) -> None:
        """It goes on, but not as usual."""
        self._line("⚠", "yellow", text)

    def failure(self, text: str) -> None:
        """It did not come true."""
        self._line("✗", "red", text)

    def busy(self, text: str) -> AbstractAsyncContextManager[None]:
        """Turn a spinner, on a terminal, while the body takes longer than a second; nothing of it stays."""
        from hub.cli.spinner import spinner_of

        return spinner_of(self._stream).over(text)

    def _line(self, glyph: str, colour: str, text: str) -> None:
        if spinners := sys.modules.get("hub.cli.spinner"):  # not imported: nothing can turn
            spinners.spinner_of(self._stream).wipe()
        shown = click.style(glyph, fg=colour) if self._colour else glyph
        try:
            print(shown, text, file=self._stream, flush=True)
        except UnicodeEncodeError:  # a terminal without UTF-8 still gets its message
            print(f"{glyph} {text}".encode("ascii", "replace").decode(), file=self._stream, flush=True)
