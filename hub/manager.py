"""
The program ``hub``: flags -> settings -> clients -> controllers, in one place.

Parts start in the order in which they need each other and stop in reverse: serve, watch, work. SIGTERM and SIGINT let
running helm finish for a while, then stop it; a kill at any instant is repaired by the next start.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import socket
import sys
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import click

from hub import __version__
from hub.api.meta import Key
from hub.api.registry import KINDS
from hub.content.cloud.clouds import Clouds
from hub.content.fetch import ArtifactReader
from hub.content.gitcache import GitCache
from hub.content.oci.client import Registries
from hub.content.store import Retention, Store
from hub.content.trees import Trees
from hub.controllers import Tools, controllers
from hub.errors import HubError
from hub.images.tags import TagStore
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.gateway import Gateway
from hub.members.pool import Pool
from hub.notify.hooks import HookServer
from hub.notify.hooks import Tools as HookTools
from hub.notify.identity import Identities
from hub.release.helm import Helm
from hub.release.postrender import PostRenderers
from hub.runtime import allocator, log, metrics, trace
from hub.runtime.access import Access
from hub.runtime.cache import Cache
from hub.runtime.events import Recorder
from hub.runtime.leader import Leadership
from hub.runtime.lease import LEASE, Leases, Timing
from hub.runtime.origins import Origins
from hub.runtime.queue import Queue
from hub.runtime.secrets import SecretReader
from hub.runtime.serve import Server
from hub.runtime.shard import word_of, word_of_member
from hub.runtime.watch import Watcher
from hub.runtime.work import Work
from hub.settings import Settings, unknown_variables, variable
from hub.wiring import Wiring, lane_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hub.api.meta import Kind
    from hub.kube.config import ClusterConfig
    from hub.settings import SourceSettings

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
        worker = parts.work.worker
        jobs = [
            asyncio.create_task(parts.secrets.run(), name="secrets"),
            asyncio.create_task(parts.watcher.run(parts.feed), name="watch"),
            asyncio.create_task(worker.run(), name="work"),
            asyncio.create_task(parts.leadership.run(parts.work.gained, parts.work.lost), name="lead"),
        ]
        stopped = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({*jobs, stopped}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("Stopping")
        await worker.drain(_GRACE if stopped in done else 0.0)  # the Lease is renewed until nothing runs any more
        for job in (*jobs, stopped):
            job.cancel()
        ended = await asyncio.gather(*jobs, stopped, return_exceptions=True)
        await parts.leadership.resign()
        for result in ended:
            if isinstance(result, Exception):
                raise result


class _Parts(NamedTuple):
    """What runs for as long as the hub does."""

    secrets: SecretReader
    watcher: Watcher
    feed: Callable[[Kind, str, dict[str, Any]], None]
    work: Work
    leadership: Leadership


@asynccontextmanager
async def _parts(settings: Settings, config: ClusterConfig) -> AsyncIterator[_Parts]:
    """Make and start everything that the work needs, and close it again in reverse order."""
    root = settings.serve.storage_path
    async with AsyncExitStack() as stack:
        if settings.trace.trace_endpoint:
            stack.callback(trace.setup(settings.trace.trace_endpoint))
        client = Client(config)
        stack.push_async_callback(client.aclose)
        helm = await Helm.find(root / "helm")
        store = Store(root, "", retention=_retention(settings.sources))
        await store.prepare()
        stack.callback(store.close)
        watcher = Watcher(
            config,
            KINDS,
            namespaces=[settings.kube.watch_namespace],
            label_selector=settings.kube.watch_label_selector,
        )
        cache = Cache()
        queue = Queue[Key](lane=partial(lane_of, cache))
        leases = await _leases(settings, config, stack)
        leadership = Leadership(leases)

        def ready() -> str:
            return "" if watcher.synced.is_set() else "not synced yet"

        server = Server(settings.serve.listen, root / "artifacts", ready, leadership.others)
        await server.start()
        stack.push_async_callback(server.stop)
        store.base_url = f"http://{settings.serve.artifact_address or server.address}"
        if leases is not None:
            leases.address = settings.serve.advertise_address or server.address
        gateway = Gateway(root / "gateway", lambda member: leadership.holds(word_of_member(member)))
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        renderers = PostRenderers(root / "helm" / "plugins")
        await renderers.start()
        stack.push_async_callback(renderers.stop)
        recorder = Recorder(client)
        stack.push_async_callback(recorder.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        artifacts = ArtifactReader(store, lambda: session)
        git, trees = await _caches(settings, stack)
        secrets = SecretReader(client, settings.kube.watch_namespace)
        clouds = Clouds()
        pool = Pool(
            client,
            secrets,
            settings.security,
            settings.run,
            default_service_account=settings.tenancy.default_service_account,
            clouds=clouds,
        )
        stack.push_async_callback(pool.aclose)

        wiring = Wiring(cache, queue)
        _wire(wiring, secrets, git, pool)
        tools = Tools(
            client=client,
            cache=cache,
            recorder=recorder,
            secrets=secrets,
            store=store,
            git=git,
            artifacts=artifacts,
            trees=trees,
            pool=pool,
            gateway=gateway,
            renderers=renderers,
            helm=helm,
            wiring=wiring,
            access=Access(settings.tenancy.no_cross_namespace_refs),
            origins=Origins(client, secrets, Registries(lambda: session), clouds),
            tags=TagStore(root / "tags"),
            session=lambda: session,
            sources=settings.sources,
        )
        hooks = HookTools(client, cache, recorder, secrets, tools.access, Identities(lambda: session))
        webhooks = await _serve_hooks(settings.serve.webhook_listen, hooks, ready, stack)
        _log.info(
            "Started",
            extra={"version": __version__, "address": server.address, "webhooks": webhooks, "cluster": config.server},
        )
        work = Work(cache, queue, leadership, controllers(tools))
        objects = metrics.Objects(
            cache, lambda one: leadership.owns(word_of(one)), _gauges(queue, leadership, work, pool)
        )
        stack.enter_context(metrics.registered(objects))
        cache.subscribe(metrics.forget)
        yield _Parts(secrets, watcher, _feed(cache), work, leadership)


async def _caches(settings: Settings, stack: AsyncExitStack) -> tuple[GitCache, Trees]:
    """Return what was fetched and unpacked before, on disk."""
    root = settings.serve.storage_path
    git, trees = GitCache(root / "git", max_size=settings.sources.git_max_size), Trees(root / "trees")
    await git.prepare()
    await trees.prepare()
    stack.callback(git.close)
    return git, trees


async def _serve_hooks(listen: str, tools: HookTools, ready: Callable[[], str], stack: AsyncExitStack) -> str:
    """Serve webhooks; return where, the empty text when nowhere."""
    if not listen:
        return ""
    server = HookServer(listen, tools, ready)
    await server.start()
    stack.push_async_callback(server.stop)
    return server.address


def _wire(wiring: Wiring, secrets: SecretReader, git: GitCache, pool: Pool) -> None:
    """Let whoever notices something tell the wiring."""
    secrets.subscribe(wiring.reference_changed)
    git.subscribe(wiring.repository_moved)
    pool.subscribe(wiring.member_changed)
    pool.subscribe_to_records(wiring.record_changed)


def _gauges(
    queue: Queue[Key], leadership: Leadership, work: Work, pool: Pool
) -> dict[tuple[str, str], Callable[[], float]]:
    """Return what can be read at any time, by name and help."""
    return {
        ("hub_leading", "1 when this replica works."): lambda: float(leadership.leading),
        ("hub_queue_length", "Objects that are due or scheduled."): lambda: float(len(queue)),
        ("hub_reconciles_running", "Reconciles that are under way."): lambda: float(work.worker.busy),
        ("hub_helm_runs_writing", "Helm runs that hold a slot."): lambda: float(pool.slots.writing),
        ("hub_helm_runs_waiting", "Helm runs that only wait."): lambda: float(pool.slots.parked),
        ("hub_helm_runs_queued", "Helm runs that want a slot."): lambda: float(pool.slots.queued),
    }


async def _leases(settings: Settings, config: ClusterConfig, stack: AsyncExitStack) -> Leases | None:
    """Return the Leases that replicas share the work by; None when this hub is alone."""
    share = settings.share
    if not share.leader_elect:
        if share.shards > 1:
            raise ValueError("--shards needs --leader-elect: a shard is held by a Lease")
        return None
    timing = Timing(float(share.lease_duration))
    client = Client(config, name="leases", timeout=timing.renew_deadline / 2, connect_timeout=timing.retry)
    stack.push_async_callback(client.aclose)
    return Leases(
        client,
        share.lease_namespace or config.namespace or "hub-system",
        _group(settings),
        f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
        count=share.shards,
        timing=timing,
    )


def _group(settings: Settings) -> str:
    """Return the name of the Lease: hubs that watch other objects do not compete (Flux does the same by a hash)."""
    kube = settings.kube
    if not kube.watch_label_selector and not kube.watch_namespace:
        return LEASE
    watched = f"{kube.watch_namespace}/{kube.watch_label_selector}"
    return f"{LEASE}-{hashlib.sha256(watched.encode()).hexdigest()[:8]}"


def _retention(settings: SourceSettings) -> Retention:
    return Retention(
        settings.artifact_retention_ttl, settings.artifact_retention_records, settings.storage_budget or None
    )


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
        options: dict[str, Any] = {"help": one.metadata["help"], "default": None, "envvar": variable(one.name)}
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
    if unknown := unknown_variables(os.environ):
        raise click.UsageError(f"no such settings: {', '.join(unknown)}; 'hub --help' lists all")
    settings = Settings.from_flags(flags)
    log.setup(settings.log.log_level, settings.log.log_format)
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


def program() -> None:
    """Be the program ``hub``: alone in its process, which is set up for it."""
    allocator.tune()
    main()


if __name__ == "__main__":
    program()
