"""``hubctl reconcile``: ask for a reconciliation now, wait for it, tell what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.durations import TIMEOUT
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.api.kind import Kind
    from hub.api.meta import Resource
    from hub.cli.say import Say


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What is asked for besides a look.

    Attributes:
        with_source: Reconcile what the object is made from first.
        force: Release again, though nothing changed.
        reset: Forget the failures counted so far.
        timeout: Seconds for one object.
    """

    with_source: bool = False
    force: bool = False
    reset: bool = False
    timeout: float = 300.0


@click.command(
    cls=KindCommand,
    examples=(
        ("reconcile hr member1-app --with-source", "Fetch, build and release what was pushed just now."),
        ("reconcile hr member1-app --force --reset", "Release again, although retries are used up."),
        ("reconcile source git git-repo", "Fetch only."),
    ),
)
@words_argument("KIND NAME...")
@click.option("--with-source", is_flag=True, help="Reconcile the chart and its source first.")
@click.option("--force", is_flag=True, help="Release again even when nothing changed (HelmRelease).")
@click.option("--reset", is_flag=True, help="Forget the failures so far, so that retries start anew (HelmRelease).")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait for one object.")
@scope_options()
def reconcile(
    words: tuple[str, ...], scope: Scope, *, with_source: bool, force: bool, reset: bool, timeout: float
) -> None:
    """Let the hub look at an object now, and wait for the outcome."""
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words)
    if (force or reset) and "last_handled_force_at" not in type(kind.model().status).model_fields:
        raise click.UsageError(f"--force and --reset are for HelmReleases; a {kind.name} has nothing to release")
    wish = Wish(with_source=with_source, force=force, reset=reset, timeout=timeout)
    asyncio.run(_all(scope, kind, names, wish))


async def _all(scope: Scope, kind: Kind, names: tuple[str, ...], wish: Wish) -> None:
    from hub.cli.outcome import gathered
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster:
        await gathered(say, [_one(cluster, kind, name, wish, say) for name in names])


async def _one(cluster: Cluster, kind: Kind, name: str, wish: Wish, say: Say) -> None:
    from hub.cli.failures import Failed
    from hub.cli.objects import read, require_there
    from hub.cli.readiness import is_data

    resource = kind.model.parse(await read(cluster, kind, name))
    require_there(resource)
    if is_data(resource):
        raise Failed(
            f"{kind.name} {name}: reconciliation not supported by the object; charts ask its registry themselves"
        )
    if resource.spec.suspend:
        raise Failed(
            f"{kind.name} {resource.key.namespace}/{name} is suspended; 'hubctl resume {kind.names[0]} {name} "
            f"-n {resource.key.namespace}' wakes it"
        )
    if wish.with_source:
        async for origin in _origins(cluster, resource):
            there = replace(cluster, namespace=origin.metadata.namespace)
            await _request(there, origin, replace(wish, force=False, reset=False), say)
    await _request(cluster, resource, wish, say)


async def _request(cluster: Cluster, resource: Resource, wish: Wish, say: Say) -> None:
    from hub.api.meta import FORCE_AT, REQUESTED_AT, RESET_AT
    from hub.cli.readiness import is_data
    from hub.cli.waiting import Wait

    kind, name = resource.KIND, resource.metadata.name
    if is_data(resource):
        return
    now = request_time()
    chosen = {REQUESTED_AT: True, FORCE_AT: wish.force, RESET_AT: wish.reset}
    say.action(f"annotating {kind.name} {name} in {cluster.namespace} namespace")
    body = {"metadata": {"annotations": {annotation: now for annotation, is_set in chosen.items() if is_set}}}
    await cluster.client.patch(kind.api, name, cluster.namespace, body)
    say.success(f"{kind.name} {name} annotated")
    say.waiting(f"waiting for {kind.name} {name} reconciliation")
    done = await Wait(cluster, kind, name, say, request=now).until_ready(wish.timeout)
    say.success(f"{kind.name} {name}: {_outcome(done)}")


async def _origins(cluster: Cluster, resource: Resource) -> AsyncIterator[Resource]:
    """
    Yield what an object is made from, the farthest first. What does not exist yet is made later and needs no request.

    Raises:
        Failed: It is made from something that no kind here stands for.
    """
    from hub.api.helm import HelmRelease
    from hub.api.source import HelmChart

    namespace = resource.metadata.namespace
    if isinstance(resource, HelmChart):
        source = resource.spec.source_ref
        yield await _origin(cluster, source.kind, namespace, source.name)
    elif isinstance(resource, HelmRelease) and resource.spec.chart_ref:
        ref = resource.spec.chart_ref
        chart = await _origin(cluster, ref.kind, ref.namespace or namespace, ref.name)
        async for origin in _origins(cluster, chart):
            yield origin
        yield chart
    elif isinstance(resource, HelmRelease) and resource.spec.chart:
        async for origin in _chart_origins(cluster, resource):
            yield origin


async def _chart_origins(cluster: Cluster, release: Any) -> AsyncIterator[Resource]:
    """The source, then the HelmChart that the hub keeps for a release, if it was made already."""
    from hub.api.meta import Key
    from hub.api.source import HelmChart
    from hub.errors import NotFound

    own = release.metadata.namespace
    ref = release.spec.chart.spec.source_ref
    namespace = ref.namespace or own
    yield await _origin(cluster, ref.kind, namespace, ref.name)
    where = release.status.helm_chart.partition("/")
    key = Key("HelmChart", where[0] or namespace, where[2] or f"{own}-{release.metadata.name}")
    try:
        yield HelmChart.parse(await cluster.client.get(HelmChart.KIND.api, key.name, key.namespace))
    except NotFound:
        return


async def _origin(cluster: Cluster, kind_name: str, namespace: str, name: str) -> Resource:
    from hub.api.kinds import KINDS
    from hub.cli.failures import Failed
    from hub.cli.objects import read

    kind = next((one for one in KINDS if one.name == kind_name), None)
    if kind is None:
        raise Failed(
            f"--with-source: the source is {kind_name} {namespace}/{name}, a kind that this hubctl does not know"
        )
    return kind.model.parse(await read(replace(cluster, namespace=namespace), kind, name))


def _outcome(resource: Resource) -> str:
    """Tell what is there now, as the flux CLI does."""
    from hub.api.image import ImageRepository, ImageUpdateAutomation
    from hub.api.meta import READY
    from hub.cli.rows import revision

    if isinstance(resource, ImageRepository):
        result = resource.status.last_scan_result
        return f"scan fetched {result.tag_count if result else 0} tags"
    if isinstance(resource, ImageUpdateAutomation) and (ready := resource.status.condition(READY)):
        return ready.message
    verb = "applied" if resource.KIND.name == "HelmRelease" else "fetched"
    found = revision(resource)
    return f"{verb} revision {found}" if found else "reconciliation completed"


def request_time() -> str:
    """The time to the nanosecond, as the flux CLI writes it: two requests never look the same."""
    seconds, nanos = divmod(time.time_ns(), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
