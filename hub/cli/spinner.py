"""
A spinner on a terminal, while a command has had nothing to say for more than a second. Nothing of it stays.

There is one for each stream: whoever writes to the same terminal has to :meth:`Spinner.wipe` it first, or to
:meth:`Spinner.dismiss` it when the command goes on to show data.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATIENCE = 1.0  # seconds without a word that nobody minds
_FRAMES, _FRAME = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", 0.1
_CLEAR = "\r\x1b[2K"


class Spinner:
    """
    What is waited for on one stream.

    Args:
        stream: Where it turns, if that is a terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._texts: list[str] = []
        self._turning: asyncio.Task[None] | None = None
        self._shows = False
        self._quiet_since = 0.0

    @asynccontextmanager
    async def over(self, text: str) -> AsyncIterator[None]:
        """Turn while the body runs. Of several that run at once the one that began last is named."""
        if not self._is_terminal:
            yield
            return
        self._texts.append(text)
        self._quiet_since = asyncio.get_running_loop().time()
        if self._turning is None:
            self._turning = asyncio.create_task(self._turn())
        try:
            yield
        finally:
            if text in self._texts:
                self._texts.remove(text)
            if not self._texts:
                await self._stop()

    def wipe(self) -> None:
        """Make room for a line; the spinner comes back when nothing follows it."""
        if self._shows:
            print(_CLEAR, end="", file=self._stream, flush=True)
            self._shows = False
        if self._turning is not None:
            self._quiet_since = asyncio.get_running_loop().time()

    def dismiss(self) -> None:
        """Make room for data: what was waited for until now has come."""
        self._texts.clear()
        self.wipe()

    async def _stop(self) -> None:
        turning, self._turning = self._turning, None
        if turning is not None:
            turning.cancel()
            with suppress(asyncio.CancelledError):
                await turning
        self.wipe()

    async def _turn(self) -> None:
        turn, loop = 0, asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_FRAME)
            if not self._texts or loop.time() - self._quiet_since < _PATIENCE:
                continue
            with suppress(UnicodeEncodeError):  # a terminal without such letters waits in silence
                frame = _FRAMES[turn % len(_FRAMES)]
                print(f"{_CLEAR}{frame} {self._texts[-1]}", end="", file=self._stream, flush=True)
                self._shows = True
            turn += 1


_SPINNERS: WeakKeyDictionary[IO[str], Spinner] = WeakKeyDictionary()


def spinner_of(stream: IO[str] | None = None) -> Spinner:
    """Return the spinner of a stream; of stderr without one."""
    chosen = stream or sys.stderr
    if chosen not in _SPINNERS:
        _SPINNERS[chosen] = Spinner(chosen)
    return _SPINNERS[chosen]
