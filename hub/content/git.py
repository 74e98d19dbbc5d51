"""
Runs git: the one door to GitPython.

A run is a process in its own process group. It ends when its time is up or its caller is cancelled, children included.
It sees no configuration of the user or the machine, asks nobody anything, and talks to no server unless it is given the
environment that :mod:`hub.content.gitauth` makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar

# Without it GitPython refuses to be imported where git is missing; we say so when git is needed.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git.cmd import Git
from git.exc import GitCommandNotFound

from hub.content.gitauth import GitAuth, configuration
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")

_TERM_GRACE = 2.0
"""Seconds between SIGTERM, at which git removes its lock files, and SIGKILL."""
_THREADS = 64


class GitFailed(Transient):
    """A git operation failed; the message has the form Flux gives it, and what to do."""

    def __init__(self, message: str, reason: str = "GitOperationFailed") -> None:
        super().__init__(reason, message)


class GitError(Exception):
    """git ended with an error; ``text`` is what it printed, without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class GitRunner:
    """Runs git commands, each in a thread of its own pool: a server that hangs must not block other blocking work.

    Args:
        home: Folder that stands for the home of git.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="git")

    async def run(
        self,
        arguments: Sequence[str],
        read: Callable[[IO[bytes]], T],
        *,
        timeout: float,
        cwd: Path | None = None,
        stdin: BinaryIO | None = None,
        env: dict[str, str] | None = None,
        auth: GitAuth | None = None,
    ) -> T:
        """
        Run ``git <arguments>`` and return what ``read`` makes of its standard output, in a thread.

        Raises:
            GitError: It ended with an error.
            TimeoutError: It was stopped after ``timeout`` seconds.
            GitFailed: git is not installed.
        """
        run = _Run(["git", *arguments], cwd, stdin, self._environment() | (env or {}), auth or GitAuth())
        task = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._pool, run.work, read))
        try:
            await asyncio.wait([task], timeout=timeout)
        except asyncio.CancelledError:
            await run.stop(task)
            raise
        if not task.done():
            await run.stop(task)
            raise TimeoutError
        return task.result()

    def close(self) -> None:
        """Let the threads go; runs must have ended."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._home),  # no ~/.netrc, which curl would read
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_PARAMETERS": "",
            "GIT_TEMPLATE_DIR": "",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": "",  # a run that talks to somebody gets his from gitauth
            "GIT_TRACE": "0",
            "GIT_TRACE_CURL": "0",
            "GIT_TRACE_PACKET": "0",
        } | configuration({})


class _Run:
    """One process: started and read in a thread, stopped from the event loop."""

    def __init__(
        self, argv: list[str], cwd: Path | None, stdin: BinaryIO | None, env: dict[str, str], auth: GitAuth
    ) -> None:
        self._argv = argv
        self._cwd = cwd
        self._stdin = stdin
        self._env = env
        self._auth = auth
        self._lock = threading.Lock()
        self._stopped = False
        self._process: Any = None

    def work(self, read: Callable[[IO[bytes]], T]) -> T:
        process = self._start()
        errors: list[bytes] = []
        # git may fill the pipe of its errors while we read its output: drained beside, so neither waits for the other.
        drain = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
        drain.start()
        try:
            result = read(process.stdout)
            process.stdout.read()
        except BaseException:
            self._signal(signal.SIGKILL)
            raise
        finally:
            code = process.wait()
            drain.join()
            process.stdout.close()
            process.stderr.close()
        if code:
            raise GitError(
                self._auth.redact(b"".join(errors).decode("utf-8", "replace").strip()) or f"exit code {code}"
            )
        return result

    async def stop(self, task: asyncio.Future[Any]) -> None:
        """End the process and everything it started, and wait for the thread."""
        with self._lock:
            self._stopped = True
        self._signal(signal.SIGTERM)
        await _settled(task, _TERM_GRACE)
        self._signal(signal.SIGKILL)
        await _settled(task, None)
        if not task.cancelled():
            task.exception()  # nobody is left to be told

    def _start(self) -> Any:
        with self._lock:
            if self._stopped:
                raise GitError("stopped before it began")
            try:
                # Kept: GitPython ends the process when this goes.
                self._handle: Any = Git(self._cwd).execute(
                    self._argv, istream=self._stdin, as_process=True, env=self._env, start_new_session=True
                )
            except GitCommandNotFound as error:
                raise GitFailed("git is not installed on the machine that runs the hub: install it") from error
            self._process = self._handle.proc
            return self._process

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


async def _settled(task: asyncio.Future[Any], timeout: float | None) -> None:
    """Wait for a task in spite of being cancelled meanwhile: the caller is ending already."""
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=timeout)
            if timeout is not None:
                return
