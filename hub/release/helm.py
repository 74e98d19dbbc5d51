"""
Helm itself: the real command line, run by ``pyhelm3.Command`` whose way of starting processes is replaced.

What differs from stock pyhelm3: no shell; helm leads its own process group, which is ended as a whole when the caller
is cancelled; output is bounded; values travel over stdin; helm sees nothing of our environment or the user's set-up.

What makes a run cheap: see :data:`TUNING`.

What ends a helm whose hub was killed with ``kill -9``: ``setpriv --pdeathsig KILL`` where util-linux has it (a
``preexec_fn`` that calls ``prctl`` would run Python between fork and exec of a process with threads, which may
deadlock, and costs the fast ``vfork``). It is hygiene, not safety: helm reaches the member only through the gateway of
the hub that started it, so an orphan can change nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyhelm3

from hub.errors import Stalled, ToolFailed
from hub.release.helm_options import (
    InstallOptions,
    RollbackOptions,
    ServerSide,
    TestOptions,
    UninstallOptions,
    UpgradeOptions,
    Wait,
)
from hub.runtime import trace
from hub.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.release.helm_options import ActionOptions

__all__ = [
    "Helm",
    "HelmFailed",
    "InstallOptions",
    "Output",
    "RollbackOptions",
    "Run",
    "ServerSide",
    "TestOptions",
    "UninstallOptions",
    "UpgradeOptions",
    "Wait",
]

OLDEST = 4  # major version: server-side apply and its flags

_log = logging.getLogger(__name__)

_STDOUT_KEPT = 1 << 20  # bytes; `helm version` and a release's summary are far below
_RELEASE_KEPT = 256 << 20  # a release as JSON, chart included
_STDERR_KEPT = 1 << 16
_TAIL_LINES = 40
_TAIL_CHARACTERS = 8192
_LOG_LINES = 10  # as many as Flux shows under "Last Helm logs"
_PREFIX = re.compile(r"^(?:INSTALLATION|UPGRADE) FAILED: ")  # the command line's own words around the cause
_ERROR = re.compile(r"^Error: ", re.MULTILINE)
_REVISION = re.compile(rb"^REVISION: (\d+)$", re.MULTILINE)
_NOT_PLAIN = re.compile(r"[^\x00-\x7e]")


@dataclass(frozen=True, slots=True)
class Run:
    """
    Where one helm command runs.

    Attributes:
        kubeconfig: File that names the gateway.
        name: Helm's name of the release.
        namespace: Namespace of the release's objects.
        redact: Takes out of a text what nobody may read.
    """

    kubeconfig: Path
    name: str
    namespace: str
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Output:
    """What helm said when it was content: the revision it made (None when it did not tell) and its last log lines."""

    revision: int | None
    log: tuple[str, ...]


class HelmFailed(ToolFailed):
    """
    Helm ended with an error; ``message`` is its cause, in the words that Helm's library (and so Flux) uses.

    Attributes:
        log: The last log lines before the error.
    """

    def __init__(self, returncode: int, tail: str, log: tuple[str, ...]) -> None:
        super().__init__("helm", returncode, tail)
        self.log = log


class Helm(pyhelm3.Command):
    """
    Runs helm.

    Every action raises :class:`HelmFailed` when helm says no, and ends helm before it lets a cancellation through.

    Args:
        executable: The helm binary.
        home: Folder for helm's caches, configuration and plugins; ours alone.
        grace: Seconds that a cancelled helm has to store its verdict before it is killed.
    """

    def __init__(self, executable: Path, home: Path, *, grace: float = 3.0) -> None:
        super().__init__(executable=str(executable))
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._home = home
        # Helm asks for discovery up to ten times in one run unless it can keep it in files. It trusts no file of an
        # earlier run, so each run gets a folder of its own, and what a kill left behind is removed here.
        self._discovery = home / "discovery"
        shutil.rmtree(self._discovery, ignore_errors=True)
        self._discovery.mkdir(mode=0o700)
        self._grace = grace
        self._prefix = _death_signal()
        self._env = _environment(home)

    @property
    def executable(self) -> str:
        """Path of the helm binary."""
        return str(self._executable)

    @classmethod
    async def find(cls, home: Path, executable: Path | None = None) -> Helm:
        """
        Return the first helm that is new enough: ``executable`` alone when given, else on PATH, else in our tool cache.

        Raises:
            Stalled: There is none; the message lists what was found instead.
        """
        found: list[str] = []
        for path in [executable] if executable else _candidates():
            helm = cls(path, home)
            try:
                version = (await helm.version()).strip()
            except (ToolFailed, OSError) as error:
                found.append(f"{path} cannot be run ({error})")
                continue
            if _major(version) >= OLDEST:
                return helm
            found.append(f"{path} is {version}")
        seen = "; ".join(found) or "none on PATH, in KUBEBUILDER_ASSETS or built by 'hubctl dev up'"
        raise Stalled("HelmNotFound", f"helm {OLDEST} or newer is needed: {seen}")

    async def install(
        self, run: Run, chart: Path, values: Mapping[str, Any], options: InstallOptions | None = None
    ) -> Output:
        """Make the first revision of a release."""
        return await self._act("install", run, options or InstallOptions(), [run.name, str(chart)], values)

    async def upgrade(
        self, run: Run, chart: Path, values: Mapping[str, Any], options: UpgradeOptions | None = None
    ) -> Output:
        """Make another revision of a release."""
        return await self._act("upgrade", run, options or UpgradeOptions(), [run.name, str(chart)], values)

    async def render(
        self, run: Run, chart: Path, values: Mapping[str, Any], options: InstallOptions | UpgradeOptions
    ) -> str:
        """
        Return the manifest that an install or upgrade would store, without its hooks; nothing is changed.

        The member is asked for what the templates look up there.
        """
        verb = "install" if isinstance(options, InstallOptions) else "upgrade"
        flags = [*options.flags(), "--dry-run=server", "--output=json"]
        stdout, _ = await self._run(verb, run, flags, [run.name, str(chart)], values, kept=_RELEASE_KEPT)
        return str(json.loads(stdout).get("manifest", ""))

    async def rollback(  # type: ignore[override]  # pyhelm3's has no way to say where
        self, run: Run, revision: int, options: RollbackOptions | None = None
    ) -> Output:
        """Make a new revision that is like an older one."""
        return await self._act("rollback", run, options or RollbackOptions(), [run.name, str(revision)])

    async def uninstall(  # type: ignore[override]  # as above
        self, run: Run, options: UninstallOptions | None = None
    ) -> Output:
        """Delete a release and its objects."""
        return await self._act("uninstall", run, options or UninstallOptions(), [run.name])

    async def test(self, run: Run, options: TestOptions | None = None) -> Output:
        """Run the test hooks of a release; helm stores how they went."""
        return await self._act("test", run, options or TestOptions(), [run.name])

    async def _act(
        self,
        verb: str,
        run: Run,
        options: ActionOptions | TestOptions,
        operands: list[str],
        values: Mapping[str, Any] | None = None,
    ) -> Output:
        stdout, stderr = await self._run(verb, run, options.flags(), operands, values)
        made = _REVISION.search(stdout)
        return Output(int(made[1]) if made else None, _log_lines(run.redact(stderr)))

    async def _run(
        self,
        verb: str,
        run: Run,
        flags: list[str],
        operands: list[str],
        values: Mapping[str, Any] | None,
        *,
        kept: int = _STDOUT_KEPT,
    ) -> tuple[bytes, str]:
        argv = [verb, f"--kubeconfig={run.kubeconfig}", f"--namespace={run.namespace}", *flags]
        if values is not None:
            argv.append("--values=-")
        argv += ["--", *operands]
        given = _as_yaml(values) if values is not None else None
        self._discovery.mkdir(parents=True, exist_ok=True, mode=0o700)  # somebody may have emptied the storage folder
        cache = tempfile.mkdtemp(dir=self._discovery)
        try:
            with trace.span("helm", verb=verb, release=run.name, namespace=run.namespace):
                return await self._execute(argv, given, run.redact, {"KUBECACHEDIR": cache}, kept=kept)
        finally:
            # Some fifty folders: in a thread, or everybody else would wait (measured: a fifth of the loop's time).
            await asyncio.to_thread(shutil.rmtree, cache, ignore_errors=True)

    async def run(self, command: list[str], input: bytes | None = None) -> bytes:  # noqa: A002  # pyhelm3's name
        """Run any helm command; the one way by which pyhelm3 starts processes."""
        argv = [str(part) for part in command]
        if self._kubeconfig:
            argv.append(f"--kubeconfig={self._kubeconfig}")
        stdout, _ = await self._execute(argv, input)
        return stdout

    async def _execute(
        self,
        argv: list[str],
        given: bytes | None,
        redact: Callable[[str], str] = str,
        more_env: Mapping[str, str] = MappingProxyType({}),
        *,
        kept: int = _STDOUT_KEPT,
    ) -> tuple[bytes, str]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        process = await asyncio.create_subprocess_exec(
            *self._prefix,
            self._executable,
            *argv,
            stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._env, **more_env},
            cwd=self._home,
            start_new_session=True,  # a group of its own, and no terminal to ask questions on
        )
        talk = asyncio.gather(_feed(process, given), _tail(process.stdout, kept), _tail(process.stderr, _STDERR_KEPT))
        try:
            _, stdout, stderr = await asyncio.shield(talk)
            returncode = await process.wait()
        except asyncio.CancelledError:
            await self._end(process, talk)
            raise
        _log.debug(
            "Helm ended", extra={"verb": argv[0], "returncode": returncode, "seconds": round(loop.time() - began, 3)}
        )
        text = stderr.decode("utf-8", "replace")
        if returncode:
            raise _failure(returncode, redact(text))
        return stdout, text

    async def _end(self, process: asyncio.subprocess.Process, talk: asyncio.Future[Any]) -> None:
        """Ask the group to stop, so that helm can store its verdict; then, or when cancelled again, kill it."""
        try:
            _signal(process, signal.SIGTERM)
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            _signal(process, signal.SIGKILL)
            await process.wait()
            await asyncio.gather(talk, return_exceptions=True)


def _failure(returncode: int, text: str) -> HelmFailed:
    """Make an error of what helm printed: the last ``Error: ...`` and the log lines before it."""
    starts = [match.start() for match in _ERROR.finditer(text)]
    if starts:
        log, tail = text[: starts[-1]], text[starts[-1] + len("Error: ") :]
    else:
        log, tail = "", text
    tail = _PREFIX.sub("", tail.strip())
    tail = "\n".join(tail.splitlines()[-_TAIL_LINES:])[:_TAIL_CHARACTERS]
    if returncode < 0:
        how = f"helm was killed by signal {signal.Signals(-returncode).name}"
        tail = f"{how}: {tail}" if tail else how
    return HelmFailed(returncode, tail, _log_lines(log))


def _log_lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line.strip())[-_LOG_LINES:]


async def _feed(process: asyncio.subprocess.Process, given: bytes | None) -> None:
    if process.stdin is None or given is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # helm may fail before it reads its values
        process.stdin.write(given)
        await process.stdin.drain()
    process.stdin.close()


async def _tail(stream: asyncio.StreamReader | None, kept: int) -> bytes:
    """Read to the end and keep the last bytes: a pipe that nobody empties would stop helm."""
    data = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        data += chunk
        del data[:-kept]
    return bytes(data)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # PermissionError: only zombies are left of the group
        os.killpg(process.pid, number)


def _as_yaml(values: Mapping[str, Any]) -> bytes:
    """Write values as YAML that is almost JSON: ASCII only, because YAML takes neither surrogate pairs nor DEL."""
    text = json.dumps(values, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda match: f"\\U{ord(match[0]):08x}", text).encode("ascii")


TUNING = {
    "GOMAXPROCS": "1",
    "GOGC": "200",
    "GOMEMLIMIT": "512MiB",
}
"""
Environment that makes helm cheap, with no other effect. CPU time of one upgrade of three objects by helm 4.3.1:

client-side OpenAPI validation on           290 ms
``--disable-openapi-validation``             83 ms
and ``GOMAXPROCS=1``: no idle threads spin   69 ms
and ``GOGC=200``: fewer collections          64 ms (400 spares 4 ms more, and takes 2 MiB more for each helm)
of which starting the process                29 ms
"""


def _environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": "",  # helm runs no program for us
        "HELM_CACHE_HOME": str(home / "cache"),
        "HELM_CONFIG_HOME": str(home / "config"),
        "HELM_DATA_HOME": str(home / "data"),
        "HELM_PLUGINS": str(home / "plugins"),
        "HELM_DRIVER": "secret",
        "HELM_QPS": "-1",  # no limit: the gateway's throttle counts for the member as a whole
        "KUBECONFIG": "/dev/null",  # a command that is told no cluster must not find one
        "KUBECACHEDIR": "/dev/null",
        **TUNING,
    }


def _death_signal() -> list[str]:
    """The words before ``helm`` that let it die with us; empty where setpriv is missing or is busybox's."""
    setpriv = shutil.which("setpriv")
    words = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
    if not words or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return []
    return words


def _candidates() -> list[Path]:
    on_path = shutil.which("helm")
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or os.devnull) / "helm"
    cached = sorted((cache_folder() / "bin").glob("helm-*/helm"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [*([Path(on_path)] if on_path else []), *([assets] if assets.is_file() else []), *cached]


def _major(version: str) -> int:
    match = re.match(r"v?(\d+)\.", version)
    return int(match[1]) if match else 0
