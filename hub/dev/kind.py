"""The same clusters by kind (Kubernetes in docker), for ``--provider kind``. Thin, and not covered by our tests."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from typing import TYPE_CHECKING

from hub.dev.crds import install_crds
from hub.dev.environment import make_folder
from hub.errors import HubError, ToolFailed
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

    from hub.dev.progress import Progress

_MARKER = ".kind"


class KindUnusable(HubError):
    """There is no kind, or no docker engine answers."""

    def __init__(self) -> None:
        super().__init__(
            "KindUnusable", "--provider kind needs the kind command, and a docker engine that answers `docker info`"
        )


async def usable() -> bool:
    """Return whether kind is there and a docker engine answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    try:
        await _run("docker", "info", "--format", "{{.ServerVersion}}")
    except ToolFailed:
        return False
    return True


class KindEnvironment:
    """
    The clusters of one folder; their names carry its digest, so that two folders have different ones.

    Args:
        folder: Gets ``<name>.kubeconfig``.
        progress: Told about steps.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder.absolute()
        self._progress = progress
        self._prefix = f"hubctl-{hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]}-"

    @property
    def used(self) -> bool:
        """Whether clusters of this folder were made by kind."""
        return (self._folder / _MARKER).exists()

    async def up(self, members: int) -> None:
        """
        Make the clusters that do not exist, and install the hub's kinds.

        Raises:
            KindUnusable: There is no kind, or no docker.
            ToolFailed: kind said no.
        """
        if not await usable():
            raise KindUnusable
        make_folder(self._folder)
        (self._folder / _MARKER).touch()
        for name in ("hub", *(f"member{one}" for one in range(1, members + 1))):
            await self._ensure(name)
        client = Client(load_kubeconfig(self._folder / "hub.kubeconfig"))
        try:
            await install_crds(client, self._progress)
        finally:
            await client.aclose()

    async def names(self) -> list[str]:
        """Return the names of the clusters that exist."""
        everybodys = (await _run("kind", "get", "clusters")).split()
        return [name.removeprefix(self._prefix) for name in everybodys if name.startswith(self._prefix)]

    async def delete(self) -> list[str]:
        """Delete every cluster of this folder; return their names."""
        names = await self.names()
        for name in names:
            await _run("kind", "delete", "cluster", "--name", self._prefix + name)
            (self._folder / f"{name}.kubeconfig").unlink(missing_ok=True)
        (self._folder / _MARKER).unlink(missing_ok=True)
        return names

    async def _ensure(self, name: str) -> None:
        kubeconfig = self._folder / f"{name}.kubeconfig"
        flags = ("--name", self._prefix + name, "--kubeconfig", str(kubeconfig))
        if name in await self.names():
            await _run("kind", "export", "kubeconfig", *flags)
        else:
            self._progress.begin(f"{name}: kind makes a cluster (usually a minute)")
            await _run("kind", "create", "cluster", "--wait=120s", *flags)
        kubeconfig.chmod(0o600)
        self._progress.done(f"{name}: is up, {kubeconfig}")


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise ToolFailed(command[0], process.returncode, errors.decode(errors="replace").strip()[-2000:])
    return output.decode(errors="replace")
