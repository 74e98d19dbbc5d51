"""
A folder with a hub cluster and its members, as ``hubctl dev`` keeps one.

In it: ``<name>.kubeconfig`` for people, ``clusters/<name>/`` for everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from typing import TYPE_CHECKING

from hub.dev.binaries import Toolbox
from hub.dev.cluster import Cluster
from hub.dev.crds import install_crds
from hub.dev.pins import CLUSTER, EVERYTHING
from hub.dev.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from hub.dev.cluster import Health

HUB = "hub"
_IGNORE = "*\n"  # keys and data never get into anybody's repository


class Environment:
    """
    The clusters of one folder.

    Args:
        folder: Made by :meth:`up`; nothing outside it is written, nothing of others inside it removed.
        progress: Told about steps.
        toolbox: Where the binaries come from.
    """

    def __init__(self, folder: Path, *, progress: Progress | None = None, toolbox: Toolbox | None = None) -> None:
        self.folder = folder.absolute()
        self._progress = progress or Progress()
        self._toolbox = toolbox or Toolbox(self._progress)

    @property
    def exists(self) -> bool:
        """Whether :meth:`up` was ever called for this folder."""
        return (self.folder / ".lock").exists()

    @property
    def hub(self) -> Cluster:
        """The cluster that holds the hub's objects."""
        return self.cluster(HUB)

    def cluster(self, name: str) -> Cluster:
        """Return the cluster ``name``, whether or not it was ever started."""
        return Cluster(name, self.folder / "clusters" / name, self.folder / f"{name}.kubeconfig")

    def clusters(self) -> list[Cluster]:
        """Return the clusters that were made here, the hub first, then members by number."""
        names = [path.parent.name for path in self.folder.glob("clusters/*/cluster.json")]
        return [self.cluster(name) for name in sorted(names, key=lambda name: (name != HUB, len(name), name))]

    async def up(self, members: int = 2) -> list[Cluster]:
        """
        Bring up the hub and ``members`` members, install the hub's CRDs; what is healthy is left alone.

        Raises:
            BinariesMissing, BuildFailed: The tools cannot be had.
            ClusterFailed: A cluster does not start.
        """
        async with self._lock():
            tools = await self._toolbox.ensure(*EVERYTHING)
            self._link(tools)
            clusters = [self.cluster(name) for name in (HUB, *(f"member{one}" for one in range(1, members + 1)))]
            await self._start(clusters, {name: tools[name] for name in CLUSTER})
            async with clusters[0].client() as client:
                await install_crds(client, self._progress)
        return clusters

    async def down(self, *, delete: bool = False) -> list[str]:
        """End the processes of every cluster here, and no others. Return the names of those that ran."""
        if not self.exists:
            return []
        async with self._lock():
            clusters = self.clusters()
            ran = await asyncio.gather(*(cluster.down() for cluster in clusters))
            for cluster in clusters if delete else ():
                cluster.delete()
        if delete:
            self._remove_folder()
        return [cluster.name for cluster, did in zip(clusters, ran, strict=True) if did]

    async def status(self) -> dict[str, Health]:
        """Ask every cluster here how it is."""
        clusters = self.clusters()
        answers = await asyncio.gather(*(cluster.health() for cluster in clusters))
        return {cluster.name: health for cluster, health in zip(clusters, answers, strict=True)}

    async def _start(self, clusters: list[Cluster], tools: Mapping[str, Path]) -> None:
        """Start all at once; each gets its chance even when another fails."""
        results = await asyncio.gather(
            *(cluster.up(tools, self._progress) for cluster in clusters), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    @property
    def bin(self) -> Path:
        """Links to the tools, for people to put on their PATH."""
        return self.folder / "bin"

    def _link(self, tools: Mapping[str, Path]) -> None:
        self.bin.mkdir(exist_ok=True)
        for name, path in tools.items():
            link = self.bin / name
            if not link.is_symlink() or link.readlink() != path:
                link.unlink(missing_ok=True)
                link.symlink_to(path)

    @contextlib.asynccontextmanager
    async def _lock(self) -> AsyncIterator[None]:
        """Keep others from starting and ending the same clusters at the same time."""
        make_folder(self.folder)
        with (self.folder / ".lock").open("w") as file:
            waiting = False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not waiting:
                        self._progress.begin(f"another hubctl dev works in {self.folder}, waiting for it")
                    waiting = True
                    await asyncio.sleep(0.2)
            yield

    def _remove_folder(self) -> None:
        """Remove the folder too, unless somebody put something else into it."""
        ignore = self.folder / ".gitignore"
        if ignore.exists() and ignore.read_text() == _IGNORE:
            ignore.unlink()
        (self.folder / ".lock").unlink(missing_ok=True)
        for name in EVERYTHING:
            if (self.bin / name).is_symlink():
                (self.bin / name).unlink()
        for folder in (self.bin, self.folder / "clusters", self.folder):
            with contextlib.suppress(OSError):
                folder.rmdir()


def make_folder(folder: Path) -> None:
    """Make a folder for clusters; one that is there and in use for something else stays as it is."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not any(folder.iterdir()):
        (folder / ".gitignore").write_text(_IGNORE)
