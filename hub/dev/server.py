"""
A server program of ``tools/`` on a free port of the loopback address, for as long as somebody uses it.

Unlike the parts of a cluster it does not outlive its user: it is a child, ended by :meth:`LocalServer.stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from hub.dev.binaries import Toolbox
from hub.dev.ports import is_free
from hub.errors import ToolFailed

if TYPE_CHECKING:
    from pathlib import Path

_PORTS = range(30768, 32768)  # above what clusters take, below what kernels hand to outgoing connections
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 5.0
_TRIES = 5
_POLL = 0.02
_SETTLED = 0.1


class LocalServer(ABC):
    """
    One such server; an async context manager. Subclasses say how it is started.

    Args:
        root: Folder of its data and its log; made when missing.
        tls: It speaks TLS.
        toolbox: Finds or builds the program.
    """

    tool: str
    """Name of the program in ``hub/dev/pins.py``."""

    def __init__(self, root: Path, *, tls: bool = False, toolbox: Toolbox | None = None) -> None:
        self.root = root.absolute()
        self.port = 0
        self._tls = tls
        self._toolbox = toolbox or Toolbox()
        self._process: asyncio.subprocess.Process | None = None

    @abstractmethod
    def arguments(self) -> list[str]:
        """Return the arguments that make it listen on ``127.0.0.1:<self.port>``."""

    def environment(self) -> dict[str, str] | None:
        """Return its environment; None is ours."""
        return None

    @property
    def address(self) -> str:
        """``127.0.0.1:<port>``."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """
        Start it and wait until it accepts connections; a later start takes the same port if it can.

        Raises:
            ToolFailed: It ended; the end of its log is in the message.
            BinariesMissing: It is not here and cannot be built.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        program = (await self._toolbox.ensure(self.tool))[self.tool]
        for attempt in range(_TRIES):
            if not self.port or not is_free(self.port):
                self.port = next(port for port in random.sample(_PORTS, len(_PORTS)) if is_free(port))
            with (self.root / "server.log").open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    program,
                    *self.arguments(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.environment(),
                )
            if await self._accepts():
                return
            await self.stop()
            if attempt == _TRIES - 1:
                tail = (self.root / "server.log").read_text(errors="replace")[-1000:]
                raise ToolFailed(self.tool, 1, f"{self.tool} did not start: {tail}")

    async def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _accepts(self) -> bool:
        """Wait until it accepts connections; False when it ended instead (another process took the port)."""
        context: ssl.SSLContext | None = None
        if self._tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT
        while self._process is not None and self._process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return await self._stays(self._process)
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return False

    @staticmethod
    async def _stays(process: asyncio.subprocess.Process) -> bool:
        """Whether it was ours that answered: one that finds its port taken by another ends at once."""
        try:
            await asyncio.wait_for(process.wait(), _SETTLED)
        except TimeoutError:
            return True
        return False
