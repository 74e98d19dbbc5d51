"""
The program ``hub``: flags -> settings -> clients -> controllers, in one place.

Parts start in the order in which they need each other and stop in reverse: serve, watch, work. SIGTERM and SIGINT let
running helm finish for a while, then stop it; a kill at any instant is repaired by the next start.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import click

from hub import __version__
from hub.api.meta import Key
from hub.api.registry import KINDS
from hub.content.builder import ChartBuilder
from hub.content.fetch import ArtifactReader
from hub.content.gitcache import GitCache
from hub.content.store import Store
from hub.content.trees import Trees
from hub.errors import HubError
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.controller import MemberReconciler
from hub.members.gateway import Gateway
from hub.members.pool import Pool
from hub.release.controller import HelmReleaseReconciler
from hub.release.helm import Helm
from hub.release.postrender import PostRenderers
from hub.runtime import allocator, log
from hub.runtime.cache import Cache
from hub.runtime.events import Recorder
from hub.runtime.queue import Queue
from hub.runtime.secrets import SecretReader
from hub.runtime.serve import Server
from hub.runtime.watch import Watcher
from hub.runtime.worker import Worker
from hub.settings import Settings
from hub.sources.chart import HelmChartReconciler
from hub.sources.git import GitRepositoryReconciler
from hub.wiring import Wiring, lane_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hub.api.meta import Kind
    from hub.kube.config import ClusterConfig
    from hub.runtime.steps import Reconciler

_log = logging.getLogger(__name__)
_GRACE = 25.0
"""Seconds that running reconciles have to end by themselves when the hub stops."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """
    Run the hub until ``stop`` is set.

    Raises:
        HubError: It cannot start: no helm, no cluster, no CRDs.
        OSError: An address cannot be listened on, or a folder not be used.
    """
    path = settings.kube.kubeconfig
    config = load_kubeconfig(str(path) if path else None, None)
    async with _parts(settings, config) as parts:
        worker = parts.worker
        jobs = [
            asyncio.create_task(parts.secrets.run(), name="secrets"),
            asyncio.create_task(parts.watcher.run(parts.feed), name="watch"),
            asyncio.create_task(worker.run(), name="work"),
        ]
        stopped = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({*jobs, stopped}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("Stopping")
        await worker.drain(_GRACE if stopped in done else 0.0)
        for job in (*jobs, stopped):
            job.cancel()
        ended = await asyncio.gather(*jobs, stopped, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result


class _Parts(NamedTuple):
    """What runs for as long as the hub does."""

    secrets: SecretReader
    watcher: Watcher
    feed: Callable[[Kind, str, dict[str, Any]], None]
    worker: Worker[Key]


@asynccontextmanager
async def _parts(settings: Settings, config: ClusterConfig) -> AsyncIterator[_Parts]:
    """Make and start everything that the work needs, and close it again in reverse order."""
    root = settings.serve.storage_path
    async with AsyncExitStack() as stack:
        client = Client(config)
        stack.push_async_callback(client.aclose)
        helm = await Helm.find(root / "helm")
        store = Store(root, "")
        await store.prepare()
        stack.callback(store.close)
        watcher = Watcher(
            config,
            KINDS,
            namespaces=[settings.kube.watch_namespace],
            label_selector=settings.kube.watch_label_selector,
        )
        server = Server(
            settings.serve.listen, root / "artifacts", lambda: "" if watcher.synced.is_set() else "not synced yet"
        )
        await server.start()
        stack.push_async_callback(server.stop)
        store.base_url = f"http://{settings.serve.artifact_address or server.address}"
        gateway = Gateway(root / "gateway")
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        renderers = PostRenderers(root / "helm" / "plugins")
        await renderers.start()
        stack.push_async_callback(renderers.stop)
        recorder = Recorder(client)
        stack.push_async_callback(recorder.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        artifacts = ArtifactReader(store, lambda: session)
        git, trees = GitCache(root / "git"), Trees(root / "trees")
        await git.prepare()
        await trees.prepare()
        stack.callback(git.close)
        secrets = SecretReader(client, settings.kube.watch_namespace)
        pool = Pool(client, secrets, settings.security, settings.run)
        stack.push_async_callback(pool.aclose)

        cache = Cache()
        queue = Queue[Key](lane=partial(lane_of, cache))
        wiring = Wiring(cache, queue)
        secrets.subscribe(wiring.reference_changed)
        pool.subscribe(wiring.member_changed)
        pool.subscribe_to_records(wiring.record_changed)
        reconcilers: dict[str, Reconciler[Any]] = {
            "GitRepository": GitRepositoryReconciler(client, cache, recorder, secrets=secrets, store=store, git=git),
            "HelmChart": HelmChartReconciler(
                client, cache, recorder, store=store, artifacts=artifacts, builder=ChartBuilder(store, trees)
            ),
            "HelmRelease": HelmReleaseReconciler(
                client,
                cache,
                recorder,
                secrets=secrets,
                artifacts=artifacts,
                trees=trees,
                pool=pool,
                gateway=gateway,
                renderers=renderers,
                helm=helm,
            ),
        }
        reconcilers["Member"] = MemberReconciler(client, cache, recorder, pool=pool, releases=wiring.releases_of)
        _log.info("Started", extra={"version": __version__, "address": server.address, "cluster": config.server})
        worker = Worker(queue, lambda key: reconcilers[key.kind].reconcile(key))
        yield _Parts(secrets, watcher, _feed(cache), worker)


def _feed(cache: Cache) -> Callable[[Kind, str, dict[str, Any]], None]:
    """Return what takes the watch's news into the cache."""

    def feed(kind: Kind, event: str, raw: dict[str, Any]) -> None:
        if event != "DELETED":
            cache.put(raw)
            return
        meta = raw["metadata"]
        cache.drop(Key(kind.name, meta.get("namespace", ""), meta["name"]), meta.get("uid"))

    return feed


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Make one option for each setting; the field says everything about it."""
    for _, one in reversed(list(Settings.all_fields())):
        options: dict[str, Any] = {"help": one.metadata["help"], "default": None, "envvar": f"HUB_{one.name.upper()}"}
        kind = str(one.type)
        if choices := one.metadata.get("choices"):
            options["type"] = click.Choice(choices)
        elif kind.startswith("bool"):
            options["is_flag"] = True
        elif kind.startswith("int"):
            options["type"] = click.IntRange(min=one.metadata.get("minimum"))
        elif kind.startswith("Path"):
            options["type"] = click.Path(path_type=Path)
        command = click.option(f"--{one.name.replace('_', '-')}", one.name, **options)(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@_flags
@click.version_option(__version__, prog_name="hub")
def main(**flags: Any) -> None:
    """Run the hub: watch the host cluster, build sources, bring releases to their members."""
    settings = Settings.from_flags(flags)
    log.setup(settings.log.log_level, settings.log.log_format)
    allocator.tune()
    try:
        asyncio.run(_until_signalled(settings))
    except (HubError, OSError, ValueError) as error:
        click.echo(f"hub: {error}", err=True)
        sys.exit(1)


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    main()
