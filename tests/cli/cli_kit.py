"""``hubctl`` as people run it, and objects whose status the test writes as a hub would."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository, HelmChart
from hub.errors import NotFound
from hub.release.storage import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from hub.kube.client import Client

HUBCTL = Path(sys.executable).with_name("hubctl")
TIME = "2026-01-01T00:00:00Z"

SPECS = {
    GitRepository.KIND: {"interval": "1m", "url": "https://git.example.com/hello.git"},
    HelmChart.KIND: {
        "interval": "1m",
        "chart": "./helm-chart",
        "sourceRef": {"kind": "GitRepository", "name": "git-repo"},
    },
    HelmRelease.KIND: {
        "interval": "1m",
        "chart": {
            "spec": {"chart": "./helm-chart", "sourceRef": {"kind": "GitRepository", "name": "git-repo"}},
        },
    },
}


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Forks:
    """Runs ``hubctl`` in forks of one process: see the module ``cli_forks``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._serial = itertools.count()
        self._waiting: dict[int, asyncio.Future[int]] = {}

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        script = Path(__file__).with_name("cli_forks.py")
        self._process = await asyncio.create_subprocess_exec(sys.executable, script, stdin=pipe, stdout=pipe)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def run(
        self, words: Sequence[str], environment: Mapping[str, str], typed: str = "", columns: int | None = None
    ) -> Ran:
        number = next(self._serial)
        files = {name: self._folder / f"{number}.{name}" for name in ("in", "out", "err")}
        files["in"].write_text(typed)
        order = {"id": number, "words": list(words), "environment": dict(environment), "columns": columns}
        ended = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(f"{json.dumps(order | {k: str(v) for k, v in files.items()})}\n".encode())
        code = await ended
        # As bytes: reading text would take the carriage returns of a terminal for ends of lines.
        out, err = (files[name].read_bytes().decode() if files[name].exists() else "" for name in ("out", "err"))
        return Ran(code, out.replace("\r\n", "\n") if columns else out, err)

    async def _read(self) -> None:
        while line := await self._process.stdout.readline():
            number, code = line.split()
            self._waiting.pop(int(number)).set_result(int(code))


class Hubctl:
    """
    Runs ``hubctl`` on one cluster and namespace.

    Args:
        kubeconfig: Of the cluster.
        namespace: For ``-n``.
        forks: Runs what ends by itself; without, each is a process from the start.
    """

    def __init__(self, kubeconfig: Path, namespace: str, forks: Forks | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._forks = forks

    async def __call__(self, *args: str, kubeconfig: Path | None = None, typed: str | None = None) -> Ran:
        if self._forks is not None:
            return await self._forks.run(["-n", self._namespace, *args], self._environment(kubeconfig), typed or "")
        process = await self.start(*args, kubeconfig=kubeconfig)
        out, err = await process.communicate(typed.encode() if typed is not None else None)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    def _environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(kubeconfig or self._kubeconfig)}

    async def completing(self, words: str) -> Ran:
        """What a shell is told when somebody presses Tab after these words."""
        environment = {**self._environment(), "_HUBCTL_COMPLETE": "bash_complete"}
        environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        process = await asyncio.create_subprocess_exec(HUBCTL, env=environment, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), "")

    async def on_a_terminal(self, *args: str, columns: int = 100, typed: str = "") -> Ran:
        """Run it on a terminal of so many columns; what that shows is all in ``out``."""
        assert self._forks is not None
        left_out = {"NO_COLOR", "COLUMNS", "LINES"}
        environment = {key: value for key, value in self._environment().items() if key not in left_out}
        words = ["-n", self._namespace, *args]
        return await self._forks.run(words, environment | {"TERM": "xterm"}, typed, columns)

    async def start(self, *args: str, kubeconfig: Path | None = None) -> asyncio.subprocess.Process:
        environment = self._environment(kubeconfig)
        command = [HUBCTL, "-n", self._namespace, *args]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)

    @contextlib.asynccontextmanager
    async def following(self, *args: str) -> AsyncIterator[asyncio.StreamReader]:
        """Yield what a command that does not end prints; it is interrupted afterwards, which must end it quietly."""
        process = await self.start(*args)
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 130
        assert b"Traceback" not in err


def plain(text: str) -> str:
    """Return text without what only a terminal understands."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


class Objects:
    """Objects of one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def make(self, kind, name, status=None, **spec: Any) -> dict[str, Any]:
        """Create an object, with a status if given."""
        body = {
            "apiVersion": kind.api.api_version,
            "kind": kind.name,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**SPECS[kind], **spec},
        }
        made = await self.client.create(kind.api, body)
        return await self.write(kind, name, **status) if status else made

    async def read(self, kind, name) -> dict[str, Any]:
        return await self.client.get(kind.api, name, self.namespace)

    async def write(self, kind, name, **status: Any) -> dict[str, Any]:
        """Write fields of a status; a list under ``conditions`` is one of (type, status, reason, message)."""
        raw = await self.read(kind, name)
        body: dict[str, Any] = {"observedGeneration": raw["metadata"]["generation"], **status}
        if "conditions" in body:
            body["conditions"] = [condition(*one) for one in body["conditions"]]
        return await self.client.patch(kind.api, name, self.namespace, {"status": body}, subresource="status")

    @contextlib.asynccontextmanager
    async def answering(self, kind, name, *answers: dict[str, Any]) -> AsyncIterator[list[str]]:
        """Act as a hub: when somebody asks for a reconciliation, write these statuses one after the other."""
        requests: list[str] = []
        before = (await self.read(kind, name))["metadata"]

        async def answer() -> None:
            async for event in self.client.watch(kind.api, self.namespace, resource_version=before["resourceVersion"]):
                meta = event.object["metadata"]
                asked = meta.get("annotations", {}).get("reconcile.fluxcd.io/requestedAt", "")
                is_news = asked not in requests or meta["generation"] != before["generation"]
                if event.type != "MODIFIED" or meta["name"] != name or not is_news:
                    continue
                before["generation"] = meta["generation"]
                requests.append(asked)
                for status in answers[:-1]:
                    await self.write(kind, name, **status)
                await self.write(kind, name, lastHandledReconcileAt=asked, **answers[-1])

        task = asyncio.create_task(answer())
        try:
            yield requests
        finally:
            task.cancel()


def condition(kind: str, status: str, reason: str = "X", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": TIME}


def snapshot(version: int, chart_version: str) -> dict[str, Any]:
    """A revision, as the history of a release keeps it."""
    digests = {"digest": "sha256:00", "configDigest": "sha256:00", "firstDeployed": TIME, "lastDeployed": TIME}
    names = {"name": "app-app", "namespace": "app", "chartName": "hello-kubernetes", "chartVersion": chart_version}
    return {**digests, **names, "version": version, "status": "deployed"}


def stored(version, status, chart):
    """A revision as Helm stores it."""
    info = {"status": status, "description": "Upgrade complete", "last_deployed": "2026-01-01T00:00:00Z"}
    metadata = {"name": "hello-kubernetes", "version": chart, "appVersion": "1.10"}
    raw = {
        "name": "app-app",
        "namespace": "app",
        "version": version,
        "info": info,
        "chart": {"metadata": metadata},
        "manifest": "",
    }
    labels = {"owner": "helm", "name": "app-app", "version": str(version), "status": status}
    return {
        "metadata": {"name": f"sh.helm.release.v1.app-app.v{version}", "labels": labels}, "type": "helm.sh/release.v1",
        "data": {"release": encode(raw)},
    }  # fmt: skip


def artifact(revision: str) -> dict[str, str]:
    return {"revision": revision, "digest": "sha256:00", "path": "x", "url": "http://x", "lastUpdateTime": TIME}


class Acting:
    """
    Acts as a hub in one namespace: an object that is new, changed or asked for gets the status that a test chose.

    Args:
        objects: The namespace.
        kinds: Which kinds it takes care of.
    """

    def __init__(self, objects: Objects, kinds: Sequence[Any]) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self._objects = objects
        self._kinds = kinds
        self._seen: set[tuple[str, ...]] = set()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._act(kind)) for kind in self._kinds]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def require_well(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    async def _act(self, kind: Any) -> None:
        async for event in self._objects.client.watch(kind.api, self._objects.namespace, resource_version="0"):
            meta = event.object.get("metadata", {})
            asked = (meta.get("annotations") or {}).get("reconcile.fluxcd.io/requestedAt", "")
            news = (str(meta.get("uid")), str(meta.get("generation")), asked)
            if event.type not in ("ADDED", "MODIFIED") or news in self._seen or meta.get("deletionTimestamp"):
                continue
            self._seen.add(news)
            if self.answers.get(meta["name"]) and not event.object["spec"].get("suspend"):
                answer = self.answers[meta["name"]]
                with contextlib.suppress(NotFound):
                    await self._objects.write(kind, meta["name"], lastHandledReconcileAt=asked, **answer)
