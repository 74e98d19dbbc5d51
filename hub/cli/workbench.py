"""Everything that the hub releases with, set up in a temporary folder: to try what it would do, from here."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from hub.cli.artifacts import Detour
from hub.cli.releases import reaching
from hub.content.builder import ChartBuilder
from hub.content.fetch import ArtifactReader
from hub.content.gitcache import GitCache
from hub.content.store import Store
from hub.content.trees import Trees
from hub.members.gateway import Gateway
from hub.release.explain_read import Reader
from hub.release.helm import Helm
from hub.release.postrender import PostRenderers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.cli.scope import Cluster
    from hub.kube.client import Client
    from hub.members.pool import Pool


class Workbench(NamedTuple):
    """
    The hub's tools.

    Attributes:
        folder: For what is in between.
        reader: Reads values.
    """

    client: Client
    folder: Path
    pool: Pool
    gateway: Gateway
    renderers: PostRenderers
    helm: Helm
    store: Store
    artifacts: ArtifactReader
    builder: ChartBuilder
    git: GitCache
    reader: Reader


@asynccontextmanager
async def workbench(cluster: Cluster, artifacts_at: str = "") -> AsyncIterator[Workbench]:
    """
    Set everything up, and take it away again.

    Args:
        cluster: The hub's.
        artifacts_at: Where its artifacts are served, when not where their addresses say.

    Raises:
        Stalled: There is no helm here.
    """
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="hubctl-")))
        store = Store(root / "store", "")
        await store.prepare()
        stack.callback(store.close)
        trees, git = Trees(root / "trees"), GitCache(root / "git")
        await trees.prepare()
        await git.prepare()
        stack.callback(git.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        way: aiohttp.ClientSession = Detour(cluster.client, session, artifacts_at)  # type: ignore[assignment]  # GET is all it takes
        artifacts = ArtifactReader(store, lambda: way, retries=1)
        helm = await Helm.find(root / "helm")
        renderers = PostRenderers(root / "helm" / "plugins")
        await renderers.start()
        stack.push_async_callback(renderers.stop)
        gateway = Gateway(root / "gateway")
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        pool = await stack.enter_async_context(reaching(cluster))
        yield Workbench(
            cluster.client, root, pool, gateway, renderers, helm, store, artifacts, ChartBuilder(store, trees), git,
            Reader(cluster.client, artifacts, trees),
        )  # fmt: skip
