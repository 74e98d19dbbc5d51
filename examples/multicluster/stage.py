"""
What the demo stands on: real clusters, a Git server, the hub, and a way to run commands as a person would type them.

Everything is in one temporary folder and ends with it, unless it is to be kept.
"""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hub.api.helm import HelmRelease
from hub.dev.binaries import Toolbox
from hub.dev.environment import Environment
from hub.dev.gitserver import GitServer, commit_and_push, run_git
from hub.dev.images import push_image
from hub.dev.ports import is_free
from hub.dev.progress import Progress
from hub.dev.registry import LocalRegistry
from hub.errors import HubError
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).resolve().parent
NAMESPACE = "gitops-project"
REPOSITORY = "hello-kubernetes"
IMAGE = "nuclearwu/hello-kubernetes"
MEMBERS = ("member1", "member2")

_PORTS = range(30768, 32768)
_STOPPING = 40.0  # seconds that a process has to end by itself


class DemoFailed(HubError):
    """Something did not happen as the demo says it does."""

    def __init__(self, message: str) -> None:
        super().__init__("DemoFailed", message)


class Stage:
    """An async context manager; ``keep`` leaves everything running at a good end."""

    def __init__(self, *, keep: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-demo-"))
        self._keep = keep
        self._exit = AsyncExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: dict[str, Client] = {}
        self._git_address = ""
        self.first_commit = ""
        self.image = ""
        self.environment = Environment(self.folder / "clusters", progress=Progress(say))

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._exit.aclose()
        if not (self._keep and kind is None):
            await self._end()

    async def _start(self) -> None:
        up = asyncio.create_task(self.environment.up(len(MEMBERS)))
        try:
            await self._serve_git()
        finally:
            clusters = await up
        await self._serve_images()
        self._run_hub()
        for cluster in clusters:
            client = Client(load_kubeconfig(cluster.kubeconfig), name=cluster.name)
            self._exit.push_async_callback(client.aclose)
            self._clients[cluster.name] = client

    async def _serve_git(self) -> None:
        """Start the Git server, and make a repository of the chart by a push."""
        repositories = self.folder / "git"
        await GitServer(repositories).create(REPOSITORY)
        server = self._spawn("git", [sys.executable, "-m", "hub.dev.gitserver", str(repositories)], subprocess.PIPE)
        if server.stdout is None:
            raise AssertionError("it was started with a pipe")
        self._git_address = (await asyncio.to_thread(server.stdout.readline)).decode().strip()
        await run_git("clone", "--quiet", self.repository, str(self.checkout))
        shutil.copytree(HERE / "helm-chart", self.checkout / "helm-chart")
        self.first_commit = await commit_and_push(self.checkout, {}, message="Say hello")

    async def _serve_images(self) -> None:
        """Start a registry, empty."""
        server = LocalRegistry(self.folder / "registry")
        server.root.mkdir()
        server.port = next(filter(is_free, random.sample(_PORTS, len(_PORTS))))
        program = (await Toolbox(Progress(say)).ensure(server.tool))[server.tool]
        self._spawn("registry", [str(program), *server.arguments()])
        self.image = server.repository(IMAGE)

    def _run_hub(self) -> None:
        command = [
            sys.executable,
            "-m",
            "hub",
            "--kubeconfig",
            str(self.kubeconfig("hub")),
            "--listen",
            "127.0.0.1:0",
            "--webhook-listen",
            "",
        ]
        self._spawn("hub", [*command, "--storage-path", str(self.folder / "storage")])

    def _spawn(self, name: str, command: list[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches the demo, which then ends things in order.
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command, stdout=stdout or log, stderr=log, env=self._environ(), start_new_session=True
            )
        self._processes[name] = process
        return process

    async def _end(self) -> None:
        for process in reversed(self._processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._processes.values()):
            try:
                await asyncio.to_thread(process.wait, _STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
        await self.environment.down(delete=True)
        shutil.rmtree(self.folder)

    @property
    def repository(self) -> str:
        """URL of the Git repository."""
        return f"{self._git_address}/{REPOSITORY}.git"

    @property
    def checkout(self) -> Path:
        """Where we work on it."""
        return self.folder / REPOSITORY

    def kubeconfig(self, cluster: str) -> Path:
        """Return the kubeconfig of ``hub``, ``member1`` or ``member2``."""
        return self.environment.cluster(cluster).kubeconfig

    def log(self, name: str) -> Path:
        """Return the file that a process writes to."""
        return self.folder / f"{name}.log"

    def client(self, cluster: str) -> Client:
        """Return a connection to a cluster."""
        return self._clients[cluster]

    async def run(self, line: str, *, cluster: str = "hub", given: str = "", show: str = "") -> None:
        """
        Type a command line, and show what it prints.

        Args:
            line: Without a shell: words, quoted where needed.
            cluster: Whose kubeconfig it uses.
            given: Its standard input.
            show: What is shown instead of the line, when that has paths in it that mean nothing to people.

        Raises:
            DemoFailed: It ended with another exit code than 0.
        """
        where = "" if cluster == "hub" else f"[{cluster}] "
        say(f"\n  {where}$ {show or line}")
        code, output, errors = await self._run(line, cluster, given)
        for one in (errors + output).splitlines():
            say(f"  {one}".rstrip())
        if code:
            raise DemoFailed(f"'{show or line}' ended with exit code {code}")

    async def ask(self, line: str, *, cluster: str = "hub") -> str:
        """Run a command line unseen and return what it prints; see :meth:`run`."""
        code, output, errors = await self._run(line, cluster)
        if code:
            raise DemoFailed(f"'{line}' ended with exit code {code}: {errors.strip()}")
        return output

    async def _run(self, line: str, cluster: str, given: str = "") -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(line),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=HERE,
            env=self._environ(cluster),
        )
        output, errors = await process.communicate(given.encode())
        return process.returncode, output.decode(), errors.decode()

    def _environ(self, cluster: str = "hub") -> dict[str, str]:
        path = [str(self.environment.bin), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "HELM_"))}
        return plain | {"PATH": os.pathsep.join(path), "KUBECONFIG": str(self.kubeconfig(cluster))}

    async def push(self, message: str, changes: Mapping[str, tuple[str, str]]) -> str:
        """Change files of the repository, as (old, new) text by path; commit, push, and return the commit."""
        for path, (old, new) in changes.items():
            file = self.checkout / path
            text = file.read_text()
            if old not in text:
                raise DemoFailed(f"{path} has no '{old}' to change")
            file.write_text(text.replace(old, new))
        commit = await commit_and_push(self.checkout, {}, message=message)
        say(f"\n  $ git commit -am '{message}' && git push")
        diff = await run_git("show", "--format=", "--unified=0", cwd=self.checkout)
        for line in diff.splitlines():
            if line.startswith("+++"):
                say(f"  {line[6:]}")
            elif line[:1] in ("-", "+") and line[:3] != "---":
                say(f"    {line}")
        return commit

    async def push_image(self, tag: str) -> None:
        """Push an image, as a pipeline would after its build."""
        say(f"\n  $ docker push {IMAGE}:{tag}")
        say(f"  {tag}: digest: {await push_image(self.image, tag)}")

    async def pulled(self, subject: str, seconds: float = 30.0) -> str:
        """
        Wait until somebody else's commit with this subject is the newest, show it, and return it.

        Raises:
            DemoFailed: It does not come.
        """
        deadline = time.monotonic() + seconds
        while True:
            await run_git("fetch", "--quiet", "origin", "master", cwd=self.checkout)
            log = await run_git("log", "-1", "--format=%H%n%an%n%s", "FETCH_HEAD", cwd=self.checkout)
            commit, author, found = log.split("\n")[:3]
            if found == subject:
                break
            if time.monotonic() > deadline:
                raise DemoFailed(f"after {seconds:g} s the newest commit is '{found}', not '{subject}'")
            await asyncio.sleep(0.1)
        say(f"\n  $ git pull   # {author}: {found}")
        for line in (await run_git("show", "--format=", "--unified=0", "FETCH_HEAD", cwd=self.checkout)).splitlines():
            if line[:1] in ("-", "+") and line[:3] not in ("---", "+++"):
                say(f"    {line}")
        return commit

    async def release(self, name: str, is_so: Callable[[HelmRelease], bool], what: str, seconds: float = 60.0) -> None:
        """
        Wait until a release is as it should be.

        Raises:
            DemoFailed: It is not; the message has what the release says about itself.
        """
        deadline = time.monotonic() + seconds
        while True:
            release = HelmRelease.parse(await self.client("hub").get(HelmRelease.KIND.api, name, NAMESPACE))
            if is_so(release):
                return
            if (code := self._processes["hub"].poll()) is not None:
                raise DemoFailed(f"the hub ended with exit code {code}")
            if time.monotonic() > deadline:
                ready = release.status.condition("Ready")
                said = f"{ready.status}, {ready.message}" if ready else "nothing yet"
                raise DemoFailed(f"after {seconds:g} s {name} is not {what}; Ready: {said}")
            await asyncio.sleep(0.1)

    def look_around(self) -> str:
        """Return what people can do with what was left running."""
        pids = " ".join(str(process.pid) for process in self._processes.values())
        clusters = self.environment.folder
        return f"""
Everything is still up. Look around:

  export KUBECONFIG={self.kubeconfig("hub")}
  export PATH={self.environment.bin}:{Path(sys.executable).parent}:$PATH
  hubctl get all -n {NAMESPACE} -o wide
  hubctl get hr -n {NAMESPACE} --watch
  git clone {self.repository}      # change it, push it, then: hubctl reconcile source git git-repo -n {NAMESPACE}
  kubectl --kubeconfig {self.kubeconfig("member1")} get all -n app
  helm --kubeconfig {self.kubeconfig("member2")} history app-member2-app -n {NAMESPACE}
  tail -f {self.log("hub")}

End it:

  kill {pids}; hubctl dev down --delete --dir {clusters} && rm -r {self.folder}
"""


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)
