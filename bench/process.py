"""The processes of a run: the hub and the Git server. Only what was started here is ended, by its handle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import aiohttp

from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_STOPPING = 40.0  # seconds that a process has to end by itself
_STARTING = 60.0


class BenchFailed(HubError):
    """Something did not happen, so there is nothing to measure."""

    def __init__(self, message: str) -> None:
        super().__init__("BenchFailed", message)


@contextlib.asynccontextmanager
async def git_server(repositories: Path) -> AsyncIterator[str]:
    """Serve a folder of bare repositories from a process of its own; yield its address."""
    command = (sys.executable, "-m", "hub.dev.gitserver", str(repositories))
    # A session of its own: Ctrl-C reaches the benchmark, which then ends things in order.
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL, start_new_session=True)
    try:
        if process.stdout is None:
            raise AssertionError("it was started with a pipe")
        async with asyncio.timeout(_STARTING):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        await end(process)


class HubUnderTest:
    """
    One hub process and its log, which tells what was done.

    Args:
        folder: For storage and log.
        kubeconfig: Of the host cluster.
        tools: Folder with helm.
        namespace: The only one it watches.
    """

    def __init__(self, folder: Path, kubeconfig: Path, tools: Path, namespace: str) -> None:
        self.log_file = folder / "hub.log"
        self._command = [
            sys.executable, "-m", "hub", f"--kubeconfig={kubeconfig}", f"--storage-path={folder / 'storage'}",
            "--listen=127.0.0.1:0", "--webhook-listen=", "--log-format=json", "--log-level=debug",
            f"--watch-namespace={namespace}",
        ]  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "HELM_"))}
        self._environ = plain | {"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id; the hub has to run."""
        if self._process is None or self._process.returncode is not None:
            raise BenchFailed(f"the hub does not run; the end of its log:\n{self._tail()}")
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        try:
            async with asyncio.timeout(_STARTING), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):  # noqa: ASYNC110  # another process gets ready, there is no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BenchFailed(f"the hub is not ready after {_STARTING:g} s:\n{self._tail()}") from None

    async def stop(self) -> None:
        """End it as systemd or a kubelet does."""
        if self._process is not None:
            await end(self._process)

    def mark(self) -> int:
        """Return where the log ends now."""
        return self.log_file.stat().st_size

    def said(self, message: str, since: int) -> list[dict[str, Any]]:
        """Return the log lines with this message, written after a :meth:`mark`."""
        return [line for line in self._lines(since) if line.get("msg") == message]

    def helm_runs(self, since: int) -> list[str]:
        """Return the name of the release for each helm process that ended after a :meth:`mark`."""
        return [str(line.get("name", "")) for line in self.said("Helm ended", since)]

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        started = self.said("Started", 0) if self.pid else []
        if not started:
            return False
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"http://{started[0]['address']}/readyz") as answer:
                return answer.status == 200
        return False

    def _lines(self, since: int) -> Iterator[dict[str, Any]]:
        with self.log_file.open("rb") as log:
            log.seek(since)
            for line in log:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)

    def _tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-10:])


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and wait; then kill it."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPPING):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def run(*command: str, environ: dict[str, str] | None = None) -> str:
    """
    Run a command to its end and return what it prints.

    Raises:
        BenchFailed: It said no.
    """
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        await end(process)
        raise
    if process.returncode:
        raise BenchFailed(f"'{' '.join(command)}' ended with {process.returncode}: {errors.decode(errors='replace')}")
    return output.decode()
