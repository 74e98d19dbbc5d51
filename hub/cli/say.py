"""
What is going on, on stderr: one line per step, a glyph first. Data goes to stdout and never passes here.

``►`` action, ``✚`` made, ``◎`` waiting, ``✔`` came true, ``⚠`` worth knowing, ``✗`` failed. Colours only on a terminal,
and there a spinner turns while something takes longer than a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATIENCE = 1.0  # seconds without a word that nobody minds
_FRAMES, _FRAME = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", 0.1
_CLEAR = "\r\x1b[2K"


def colourful(stream: IO[str]) -> bool:
    """Whether a stream is a terminal whose user did not ask for plain text (``NO_COLOR``, see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Say:
    """Speaks to the person at the terminal."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._colour = colourful(self._stream)
        self._is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._spins = False

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

    @asynccontextmanager
    async def busy(self, text: str) -> AsyncIterator[None]:
        """Turn a spinner, on a terminal, while the body takes longer than a second; nothing of it stays."""
        if not self._is_terminal:
            yield
            return
        spinning = asyncio.create_task(self._spin(text))
        try:
            yield
        finally:
            spinning.cancel()
            with suppress(asyncio.CancelledError):
                await spinning
            self._wipe()

    async def _spin(self, text: str) -> None:
        await asyncio.sleep(_PATIENCE)
        turn = 0
        while True:
            frame = _FRAMES[turn % len(_FRAMES)]
            with suppress(UnicodeEncodeError):  # a terminal without such letters waits in silence
                print(f"{_CLEAR}{frame} {text}", end="", file=self._stream, flush=True)
                self._spins = True
            turn += 1
            await asyncio.sleep(_FRAME)

    def _wipe(self) -> None:
        if self._spins:
            print(_CLEAR, end="", file=self._stream, flush=True)
            self._spins = False

    def _line(self, glyph: str, colour: str, text: str) -> None:
        self._wipe()
        shown = click.style(glyph, fg=colour) if self._colour else glyph
        try:
            print(shown, text, file=self._stream, flush=True)
        except UnicodeEncodeError:  # a terminal without UTF-8 still gets its message
            print(f"{glyph} {text}".encode("ascii", "replace").decode(), file=self._stream, flush=True)
