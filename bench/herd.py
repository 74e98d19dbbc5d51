"""
Many members on one machine: API servers that share the etcd and the certificates of one cluster, each with a prefix of
its own. Real API servers in all that a hub sees of them; what they have no need of (controllers, nodes) is not there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL
from typing import TYPE_CHECKING

import yaml

from bench.process import BenchFailed, end
from hub.dev.process import Process
from hub.errors import HubError
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

    from hub.dev.cluster import Cluster

_API_SERVER = "kube-apiserver"
_STARTING_AT_ONCE = 3  # each burns some seconds of CPU time
_STARTING = 240.0  # seconds; on two cores twenty of them take their time
_ITS_OWN = ("--secure-port", "--audit-policy-file", "--audit-log-path", "--audit-log-maxsize", "--audit-log-maxbackup")


class HerdMember:
    """
    One API server.

    Args:
        name: Of the member; its keys in etcd begin with it.
        pattern: The cluster whose etcd and certificates it shares.
        folder: For its kubeconfig.
    """

    def __init__(self, name: str, pattern: Cluster, folder: Path) -> None:
        self.name = name
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self._pattern = pattern
        self._process: asyncio.subprocess.Process | None = None

    def signal(self, number: signal.Signals, *_parts: str) -> None:
        """Send a signal to it."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def start(self) -> None:
        """
        Start it and wait until it is ready.

        Raises:
            BenchFailed: It is not.
        """
        port = _free_port()
        self._write_kubeconfig(port)
        # It shall not outlive us, whatever ends us.
        command = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", *self._command(port)]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        client = Client(load_kubeconfig(self.kubeconfig), name=self.name)
        try:
            async with asyncio.timeout(_STARTING):
                while not await _is_ready(client):  # noqa: ASYNC110  # another process gets ready, there is no event
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise BenchFailed(f"{self.name} is not ready after {_STARTING:g} s") from None
        finally:
            await client.aclose()

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            await end(self._process)

    def _command(self, port: int) -> list[str]:
        record = Process(_API_SERVER, self._pattern.folder).record
        if record is None:
            raise BenchFailed(f"the API server of {self._pattern.name} was not started")
        kept = [word for word in record.argv if word.partition("=")[0] not in _ITS_OWN]
        return [*kept, f"--secure-port={port}", f"--etcd-prefix=/{self.name}"]

    def _write_kubeconfig(self, port: int) -> None:
        document = yaml.safe_load(self._pattern.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(document))


class Herd:
    """
    All of them.

    Args:
        pattern: The cluster that is there.
        count: How many.
        folder: For their kubeconfigs.
    """

    def __init__(self, pattern: Cluster, count: int, folder: Path) -> None:
        self.members = [HerdMember(f"member{number}", pattern, folder) for number in range(1, count + 1)]

    async def start(self) -> None:
        """Start all; raises as :meth:`HerdMember.start`."""
        room = asyncio.Semaphore(_STARTING_AT_ONCE)

        async def one(member: HerdMember) -> None:
            async with room:
                await member.start()

        await asyncio.gather(*map(one, self.members))

    async def stop(self) -> None:
        """End all."""
        await asyncio.gather(*(member.stop() for member in self.members))


async def _is_ready(client: Client) -> bool:
    try:
        return await client.probe() == "ok"
    except HubError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
