"""
Build a pinned tool with Go, once per machine: the cache's only writer.

Builders in several processes wait for each other on a lock file per family; a binary appears under its name only when
it is complete, so a builder may be killed at any instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hub.dev.pins import linker_flags, pinned_version
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.dev.pins import Tool
    from hub.dev.progress import Progress

_LOCK_POLL = 0.5  # seconds
_USUAL_PLACE = Path("/usr/local/go/bin")  # where Go's own installer puts it, often missing from PATH


class BuildFailed(HubError):
    """Go could not build a tool; the message carries the end of what it printed."""

    def __init__(self, message: str) -> None:
        super().__init__("BuildFailed", message)


def find_go(path: str) -> Path | None:
    """Return the Go command of a search path or of its usual place, or None."""
    found = shutil.which("go", path=os.pathsep.join((path, str(_USUAL_PLACE))))
    return Path(found) if found else None


async def build(tool: Tool, *, go: Path, tools: Path, target: Path, progress: Progress) -> None:
    """
    Make ``target`` from the module ``tools/<family>``, unless another process did so meanwhile.

    Raises:
        BuildFailed: Go said no.
        OSError: The cache cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    async with _lock(target.parent / ".lock", tool, progress):
        if os.access(target, os.X_OK):
            return
        version = pinned_version(tool, tools)
        progress.begin(f"building {tool.name} {version} with Go, once (usually {_spoken(tool.usual_seconds)})")
        began = time.monotonic()
        partial = target.with_name(f".{target.name}.partial")
        await _run_go(_command(tool, go, version, partial), tool, tools / tool.family)
        partial.replace(target)
        progress.done(f"built {tool.name} {version} in {_spoken(time.monotonic() - began)}")


def _command(tool: Tool, go: Path, version: str, out: Path) -> list[str]:
    package = f"{tool.module}/{tool.package}".rstrip("/")
    return [str(go), "build", "-trimpath", "-ldflags", linker_flags(tool, version), "-o", str(out), package]


async def _run_go(command: list[str], tool: Tool, module: Path) -> None:
    # GOFLAGS and workspaces of the user's own projects do not apply here; -mod=readonly (Go's default) never writes
    # beside go.mod, so the module may lie in a read-only installation.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=module,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)  # the compilers too
            await process.wait()
    if process.returncode:
        tail = "\n".join(output.decode(errors="replace").strip().splitlines()[-8:])
        raise BuildFailed(f"go could not build {tool.name} (exit code {process.returncode}):\n{tail}")


@contextlib.asynccontextmanager
async def _lock(path: Path, tool: Tool, progress: Progress) -> AsyncIterator[None]:
    waiting = False
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    progress.begin(f"another process builds {tool.family} tools, waiting for it")
                waiting = True
                await asyncio.sleep(_LOCK_POLL)
        yield  # closing the file gives the lock back, as does dying


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min".replace(".0 ", " ")
