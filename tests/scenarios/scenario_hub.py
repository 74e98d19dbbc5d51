"""One hub process as an operator runs it: started, killed, started again; its log is kept for failing tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from pathlib import Path

_READY = 60.0  # seconds; a busy machine is slow
_STOP = 40.0


class HubProcess:
    """
    ``python -m hub`` with a storage folder of its own.

    Args:
        folder: For storage and log.
        kubeconfig: Of the host cluster.
        tools: Folder with helm, put first on PATH.
        flags: More flags, e.g. ``--watch-namespace=x``.
    """

    def __init__(self, folder: Path, kubeconfig: Path, tools: Path, *flags: str) -> None:
        self.storage = folder / "storage"
        self.log_file = folder / "hub.log"
        folder.mkdir(parents=True, exist_ok=True)
        self._argv = [
            sys.executable, "-m", "hub", f"--kubeconfig={kubeconfig}", f"--storage-path={self.storage}",
            "--listen=127.0.0.1:0", "--webhook-listen=127.0.0.1:0", "--log-format=json", "--log-level=debug", *flags,
        ]  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        self._env = {**plain, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""  # where it listens, once it is ready

    @property
    def pid(self) -> int:
        """Process id; the hub has to run."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        began = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._argv, env=self._env, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(_READY):
                await self._until_ready(began)
        except TimeoutError:
            raise AssertionError(f"the hub is not ready after {_READY:g} s:\n{self.log()}") from None

    async def kill(self) -> None:
        """End it as the kernel does when memory is short: at this instant, without a word."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it as systemd or a kubelet does."""
        await self._end(signal.SIGTERM)

    def log(self, *words: str, lines: int = 40) -> str:
        """Return the last log lines that contain all of ``words``, one event per line and short."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""
        found = [line for line in text.splitlines() if all(word in line for word in words)]
        return "\n".join(_short(line) for line in found[-lines:])

    async def _until_ready(self, began: int) -> None:
        assert self._process is not None
        async with aiohttp.ClientSession() as session:
            while True:
                if self._process.returncode is not None:
                    raise AssertionError(f"the hub ended with {self._process.returncode}:\n{self.log()}")
                address = self._address(began)
                if address:
                    try:
                        async with session.get(f"http://{address}/readyz") as answer:
                            if answer.status == 200:
                                self.address = address
                                return
                    except aiohttp.ClientError:
                        pass
                await asyncio.sleep(0.05)

    def _address(self, began: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(began)
            for line in log.read().decode(errors="replace").splitlines():
                if '"Started"' in line:
                    return str(json.loads(line)["address"])
        return ""

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"the hub did not stop within {_STOP:g} s:\n{self.log()}") from None


def _short(line: str) -> str:
    try:
        fields: dict[str, Any] = json.loads(line)
    except ValueError:
        return line
    head = " ".join(str(fields.pop(key, "")) for key in ("ts", "level", "msg"))
    return f"{head} {' '.join(f'{key}={value}' for key, value in fields.items())}"
