"""
A background process that outlives us: its own session, remembered in a file, recognised before it is signalled.

A process id alone proves nothing after a reboot or a long night; the record also keeps when the process started, and a
process that started at another time is somebody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.dev.certs import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOG_LIMIT = 20 * 1024 * 1024  # bytes; an older log than this is moved aside at the next start
_POLL = 0.02  # seconds
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Record:
    """What the file says: process id, the mark of its start, and the command line."""

    pid: int
    started: str
    argv: list[str]


class Process:
    """
    One named background process.

    Args:
        name: As people know it.
        folder: Gets ``run/<name>.json`` and ``logs/<name>.log``.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / "logs" / f"{name}.log"
        self._file = folder / "run" / f"{name}.json"

    @property
    def record(self) -> Record | None:
        """What was started last, alive or not."""
        try:
            return Record(**json.loads(self._file.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    @property
    def pid(self) -> int | None:
        """The process id while it is alive and the one that we started, else None."""
        record = self.record
        if record is None or _mark(record.pid) != record.started:
            return None
        return record.pid

    def runs(self, argv: Sequence[str]) -> bool:
        """Return whether it is alive and was started with these arguments, be it from another folder."""
        record = self.record
        return self.pid is not None and record is not None and record.argv[1:] == list(argv)[1:]

    def start(self, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
        """Start it, its output appended to the log; return the process id."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Not subprocess.Popen: that expects to be waited for, and this one is meant to stay when we end.
            pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(os.environ if environ is None else environ),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(log)
        record = Record(pid, _mark(pid) or "", list(argv))
        write_private(self._file, json.dumps(asdict(record), indent=1).encode())
        return pid

    def restart(self) -> int:
        """
        Start what ran last once more.

        Raises:
            LookupError: It never ran.
        """
        record = self.record
        if record is None:
            raise LookupError(f"{self.name} was never started")
        return self.start(record.argv)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it is alive."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def stop(self, patience: float = 5.0) -> bool:
        """End it: politely, and after ``patience`` seconds for good. Return whether there was anything to end."""
        if self.pid is None:
            return False
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # one that is paused would not notice
        if not await self._gone(patience):
            self.signal(signal.SIGKILL)
            await self._gone(patience)
        return True

    def tail(self, lines: int = 6) -> str:
        """Return the end of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(line[:400] for line in text.strip().splitlines()[-lines:])

    async def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return True


def _mark(pid: int) -> str | None:
    """Return what tells this process from others that had or will have its id, or None when it is not alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours may have ended unnoticed: a zombie is not alive
    if not (_PROC / "self" / "stat").exists():
        return _mark_by_ps(pid)
    try:
        # The command name, in parentheses, may contain anything: the fields are counted from its end.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _mark_by_ps(pid: int) -> str | None:
    """Do the same where there is no /proc (macOS)."""
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = listed.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else " ".join(started.split())
