"""
Runs git: the one door to GitPython.

A run is a process in its own process group. It ends when its time is up or its caller is cancelled, children included.
It sees no configuration of the user or the machine, asks nobody anything, and speaks only http and https.

Credentials reach git through its environment alone, by a credential helper that answers for the one origin they belong
to: not in arguments, URLs, files or logs, and not to another host that the server redirects to. A bearer token travels
as a header, which git would repeat to such a host, so with a token redirects are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

# Without it GitPython refuses to be imported where git is missing; we say so when git is needed.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git.cmd import Git
from git.exc import GitCommandNotFound

from hub.content import digest as digests
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")

_TERM_GRACE = 2.0
"""Seconds between SIGTERM, at which git removes its lock files, and SIGKILL."""
_THREADS = 64
_USERNAME, _PASSWORD = "HUB_GIT_USERNAME", "HUB_GIT_PASSWORD"
_HELPER = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USERNAME}" "${_PASSWORD}"; return 0; }}; f'
)


class GitFailed(Transient):
    """A git operation failed; the message has the form Flux gives it, and what to do."""

    def __init__(self, message: str, reason: str = "GitOperationFailed") -> None:
        super().__init__(reason, message)


class GitError(Exception):
    """git ended with an error; ``text`` is what it printed, without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class GitAuth:
    """How to authenticate with one origin over http(s).

    Attributes:
        bearer_token: Wins over username and password.
        ca: PEM certificates to trust instead of the system's.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.password or self.bearer_token)

    def redact(self, text: str) -> str:
        """Return the text without the secrets, and without user information in URLs."""
        for secret in (self.bearer_token, self.password, quote(self.password, safe="")):
            if secret:
                text = text.replace(secret, "***")
        return redact_urls(text)


def redact_urls(text: str) -> str:
    """Remove ``user:password@`` from every URL in a text."""
    return re.sub(r"://[^/@\s'\"]*@", "://", text)


def split_url(url: str, auth: GitAuth | None) -> tuple[str, GitAuth]:
    """
    Take user information out of a URL; what ``auth`` says wins over it.

    Raises:
        ValueError: Not an http(s) URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"unsupported scheme '{parts.scheme}': http and https are supported")
    if not parts.hostname:
        raise ValueError("no host")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    given = auth or GitAuth()
    return bare, GitAuth(
        username=given.username or unquote(parts.username or ""),
        password=given.password or unquote(parts.password or ""),
        bearer_token=given.bearer_token,
        ca=given.ca,
    )


class GitRunner:
    """Runs git commands, each in a thread of its own pool: a server that hangs must not block other blocking work.

    Args:
        home: Folder that stands for the home of git and keeps files with certificates.
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

    def access(self, url: str, auth: GitAuth) -> dict[str, str]:
        """Return the environment that lets git talk to the origin of ``url``."""
        origin = urlunsplit(urlsplit(url)._replace(path="", query="", fragment=""))
        config = {"http.followRedirects": "false" if auth.bearer_token else "initial"}
        env = {}
        if auth.bearer_token:
            config[f"http.{origin}.extraHeader"] = f"Authorization: Bearer {auth.bearer_token}"
        elif auth:
            config[f"credential.{origin}.helper"] = _HELPER
            env = {_USERNAME: auth.username, _PASSWORD: auth.password}
        if auth.ca:
            config["http.sslCAInfo"] = str(self._certificates(auth.ca))
        return _configuration(config) | env

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
            "GIT_ALLOW_PROTOCOL": "http:https",
            "GIT_TRACE": "0",
            "GIT_TRACE_CURL": "0",
            "GIT_TRACE_PACKET": "0",
        } | _configuration({})

    def _certificates(self, ca: str) -> Path:
        folder = self._home / "ca"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{digests.hex_of(digests.of_bytes(ca.encode()))}.pem"
        if not path.exists():
            path.write_text(ca)
        return path


def _configuration(more: dict[str, str]) -> dict[str, str]:
    config = {
        "core.hooksPath": os.devnull,
        "core.fsync": "none",  # a cache: what a power cut damages is fetched again
        "credential.helper": "",
        "fetch.unpackLimit": "1",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "protocol.version": "2",
        "safe.directory": "*",
    } | more
    env = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


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
