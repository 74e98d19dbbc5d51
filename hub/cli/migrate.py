"""
``hubctl migrate``: from Flux's source- and helm-controller to the hub, and back, on the same objects and releases.

Nobody is asked to give anything up: objects, finalizers, HelmCharts and Helm's own records are the same for both. What
matters is that never both work at once, and that is all this does: one side is stopped until its Pods are gone, then
the other is started, and afterwards every release is compared with what it was.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hub.cli.command import ExampleCommand
from hub.cli.consent import require_consent, yes_option
from hub.cli.durations import TIMEOUT
from hub.cli.install_chart import Wishes, namespace_of, values_options
from hub.cli.scope import Scope, scope_options

if TYPE_CHECKING:
    from pathlib import Path

    from hub.api.helm import HelmRelease
    from hub.cli.say import Say
    from hub.kube.client import Client

REPLICAS: Final = "hubctl.io/replicas-before-migration"
_POLL: Final = 0.5


@dataclass(frozen=True, slots=True)
class Before:
    """
    A release as it was before the change of hands.

    Attributes:
        revision: Of Helm's latest record, and its digest.
        ready: It was ready, so it has to be again.
    """

    revision: tuple[int, str]
    ready: bool


class Mode(NamedTuple):
    """How far to go: only tell, only stop Flux's controllers, without a question."""

    dry_run: bool
    skip_install: bool
    sure: bool


@click.command(
    cls=ExampleCommand,
    examples=(
        ("migrate --dry-run", "What would be done, and what stands in the way."),
        ("migrate", "Stop Flux's two controllers, install the hub, compare every release."),
        ("migrate --back", "The other way round."),
    ),
)
@scope_options()
@values_options
@click.option("--back", is_flag=True, help="Stop the hub and let Flux's controllers run again.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done, and what stands in the way.")
@click.option("--skip-install", is_flag=True, help="Stop Flux's controllers only: the hub is started by other means.")
@yes_option()
@click.option("--timeout", type=TIMEOUT, default="10m", show_default=True, help="Longest wait for each step.")
def migrate(
    scope: Scope,
    *,
    files: tuple[Path, ...],
    pairs: tuple[str, ...],
    back: bool,
    dry_run: bool,
    skip_install: bool,
    sure: bool,
    timeout: float,
) -> None:
    """
    Take over from Flux on this cluster, or with --back give back.

    It says what it would stop and start, and asks. Objects, HelmCharts, finalizers and Helm's records are adopted as
    they are: no upgrade is run and nothing restarts.
    Flux's other controllers (kustomize, notification, image) go on working.
    """
    wishes = Wishes(files, pairs, timeout)
    mode = Mode(dry_run=dry_run, skip_install=skip_install, sure=sure)
    asyncio.run(_back(scope, wishes, mode) if back else _over(scope, wishes, mode))


async def _over(scope: Scope, wishes: Wishes, mode: Mode) -> None:
    from hub.cli.check import flux_controllers
    from hub.cli.say import Say
    from hub.cli.scope import connect

    say, timeout = Say(), wishes.timeout or 600.0
    async with connect(scope) as cluster:
        client = cluster.client
        before = await _releases(client)
        await _stop_when_in_the_way(client, say)
        controllers = await flux_controllers(client)
        then = "start nothing" if mode.skip_install else f"install the hub in namespace {namespace_of(scope)}"
        if not _is_agreed(say, mode, controllers, f"{then}; {len(before)} releases change hands"):
            return
        for one in controllers:
            await _scale(client, one, 0, say)
        await _gone(client, [one["metadata"]["namespace"] for one in controllers], timeout)
        if mode.skip_install:
            say.success("Flux's controllers are stopped; now start the hub")
            return
        from hub.cli.install import run

        await run(scope, wishes)
        await _compare(client, before, timeout, say)


async def _back(scope: Scope, wishes: Wishes, mode: Mode) -> None:
    from hub.cli.check import flux_controllers, hub_workload
    from hub.cli.failures import Failed
    from hub.cli.say import Say
    from hub.cli.scope import connect

    say, timeout, namespace = Say(), wishes.timeout or 600.0, namespace_of(scope)
    async with connect(scope) as cluster:
        client = cluster.client
        before = await _releases(client)
        controllers = await flux_controllers(client)
        if not controllers:
            raise Failed("none of Flux's controllers is on this cluster; 'flux install' brings them")
        hub = await hub_workload(client, namespace)
        then = f"start Flux's controllers again; {len(before)} releases change hands"
        if not _is_agreed(say, mode, [hub] if hub else [], then):
            return
        if hub is not None:
            await _scale(client, hub, 0, say)
            await _gone(client, [namespace], timeout, "app.kubernetes.io/part-of=hub")
        for one in controllers:
            was = int((one["metadata"].get("annotations") or {}).get(REPLICAS) or 1)
            await _scale(client, one, was, say)
        say.success(
            f"Flux takes care of {len(before)} releases again; 'hubctl uninstall' removes what is left of the hub"
        )


def _is_agreed(say: Say, mode: Mode, stopped: list[dict[str, Any]], then: str) -> bool:
    """Tell what would be done; return whether to go on. Raises ``Failed`` where nobody can be asked."""
    workloads = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in stopped]
    if mode.dry_run:
        for one in workloads:
            say.action(f"would stop {one}")
        say.action(f"would {then}")
    elif not mode.sure:
        require_consent("this would", [*(f"stop {one}" for one in workloads), then])
    return not mode.dry_run


async def _stop_when_in_the_way(client: Client, say: Say) -> None:
    """
    Look for what only Flux knows.

    Raises:
        Failed: Objects of a kind that source-controller takes care of and this hub does not.
    """
    from hub.api.kinds import KINDS
    from hub.api.meta import CUSTOM_RESOURCE_DEFINITIONS
    from hub.cli.failures import Failed

    ours = {f"{kind.api.plural}.{kind.api.group}" for kind in KINDS}
    orphans = []
    for one in (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items:
        spec, name = one["spec"], one["metadata"]["name"]
        if spec["group"] != "source.toolkit.fluxcd.io" or name in ours:
            continue
        count = await _count(client, one)
        if count:
            orphans.append(f"{count} {name}")
    if orphans:
        raise Failed(f"this hub has no controller for {', '.join(orphans)}: nobody would take care of them")
    say.success("the hub knows every kind that Flux's source- and helm-controller take care of here")


async def _count(client: Client, definition: dict[str, Any]) -> int:
    from hub.api.kind import Api

    spec = definition["spec"]
    version = next(one["name"] for one in spec["versions"] if one["storage"])
    api = Api(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])
    return len((await client.list(api, metadata_only=True)).items)


async def _releases(client: Client) -> dict[tuple[str, str], Before]:
    from hub.api.helm import HelmRelease
    from hub.errors import NotFound

    try:
        items = (await client.list(HelmRelease.KIND.api)).items
    except NotFound:
        return {}
    found = [HelmRelease.model_validate(item) for item in items]
    return {
        (one.metadata.namespace, one.metadata.name): Before(_revision(one), _is_ready(one))
        for one in found
        if not one.spec.suspend
    }


def _revision(release: HelmRelease) -> tuple[int, str]:
    latest = release.status.history[0] if release.status.history else None
    return (latest.version, latest.digest) if latest else (0, "")


def _is_ready(release: HelmRelease) -> bool:
    ready = release.status.condition("Ready")
    return ready is not None and ready.status == "True"


async def _scale(client: Client, workload: dict[str, Any], replicas: int, say: Say) -> None:
    from hub.api.kind import Api

    meta, was = workload["metadata"], workload["spec"].get("replicas", 1)
    group, _, version = workload.get("apiVersion", "apps/v1").partition("/")
    kind = workload["kind"]
    notes = {REPLICAS: str(was)} if replicas == 0 and was else {}
    body = {"metadata": {"annotations": notes}, "spec": {"replicas": replicas}}
    await client.patch(Api(group, version, kind, f"{kind.lower()}s"), meta["name"], meta["namespace"], body)
    say.action(f"{meta['namespace']}/{meta['name']}: {replicas} replicas")


async def _gone(client: Client, namespaces: list[str], timeout: float, labels: str | None = None) -> None:
    """Wait until no Pod of the stopped side is left: one that still ends may still be writing."""
    from hub.api.meta import PODS
    from hub.cli.check import FLUX
    from hub.cli.failures import Failed

    deadline = asyncio.get_running_loop().time() + timeout
    for namespace in dict.fromkeys(namespaces):
        while True:
            pods = (await client.list(PODS, namespace, labels=labels or f"app in ({','.join(FLUX)})")).items
            if not pods:
                break
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"Pod {namespace}/{pods[0]['metadata']['name']} does not end; nothing was started")
            await asyncio.sleep(_POLL)


async def _compare(client: Client, before: dict[tuple[str, str], Before], timeout: float, say: Say) -> None:
    """Wait until the releases that were ready are so again, and tell those that were touched."""
    from hub.cli.failures import Failed

    deadline = asyncio.get_running_loop().time() + timeout
    say.waiting(f"waiting for {len(before)} releases to be looked at")
    while True:
        now = await _releases(client)
        left = [key for key, one in before.items() if one.ready and key in now and not now[key].ready]
        if not left or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(_POLL)
    touched = [key for key, one in before.items() if key in now and now[key].revision != one.revision]
    for namespace, name in touched:
        say.warning(f"HelmRelease {namespace}/{name} got a new revision: something had changed since Flux last looked")
    if left:
        raise Failed(
            f"{len(left)} releases are not ready any more, e.g. {'/'.join(left[0])}; 'hubctl get hr -A' tells why"
        )
    say.success(f"{len(before) - len(touched)} of {len(before)} releases adopted as they were")
