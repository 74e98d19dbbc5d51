"""``hubctl uninstall``: the hub goes; what people made stays, unless they say otherwise."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.consent import require_consent, yes_option
from hub.cli.durations import TIMEOUT
from hub.cli.install_chart import namespace_of
from hub.cli.scope import Scope, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.say import Say
    from hub.cli.scope import Cluster
    from hub.kube.client import Client


@click.command(
    cls=ExampleCommand,
    examples=(
        ("uninstall --dry-run", "What would go, and what would stay."),
        ("uninstall --yes", "Without a question, for scripts."),
    ),
)
@scope_options()
@click.option(
    "--with-objects",
    is_flag=True,
    help="Delete the hub's kinds and with them every object of theirs, also Flux's. What runs on members goes on.",
)
@yes_option("-s", "--silent")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait.")
def uninstall(scope: Scope, *, with_objects: bool, sure: bool, dry_run: bool, timeout: float) -> None:
    """
    Remove the hub from its host cluster; asks first.

    Releases on members go on running. Objects (HelmReleases, GitRepositories, ...) and the definitions of their kinds
    stay, so that another hub or Flux can take over; the namespace stays too.
    """
    if dry_run:
        asyncio.run(_tell(scope, with_objects=with_objects))
    else:
        asyncio.run(_run(scope, with_objects=with_objects, timeout=timeout, sure=sure))


async def _tell(scope: Scope, *, with_objects: bool) -> None:
    from hub.cli.say import Say
    from hub.cli.scope import connect

    say = Say()
    async with connect(scope) as cluster:
        for line in await _touched(cluster, namespace_of(scope), with_objects=with_objects):
            say.action(f"would remove {line}")


async def _run(scope: Scope, *, with_objects: bool, timeout: float, sure: bool) -> None:
    from hub.api.kinds import KINDS
    from hub.cli import install_chart
    from hub.cli.say import Say
    from hub.cli.scope import connect

    say = Say()
    async with connect(scope) as cluster:
        if not sure:
            require_consent("this removes", await _touched(cluster, namespace_of(scope), with_objects=with_objects))
        say.action(f"uninstalling the hub from namespace {namespace_of(scope)}")
        await install_chart.uninstall(scope, timeout)
        say.success("hub uninstalled; what it installed on members goes on running")
        for kind in KINDS:
            if with_objects:
                await _delete(cluster.client, kind, say)
    if not with_objects:
        say.success("objects and their definitions are kept; 'hubctl uninstall --with-objects' would delete them")


async def _touched(cluster: Cluster, namespace: str, *, with_objects: bool) -> list[str]:
    """Return what goes, and what nobody takes care of any more."""
    from hub.cli.relations import Relations

    objects = (await Relations.load(cluster.client, None)).objects
    counts = Counter(key.kind for key in objects)
    releases = f"{counts['HelmRelease']} releases go on running, with nobody to look after them"
    lines = [f"the hub in namespace {namespace} of {cluster.client.address}: {releases}"]
    if with_objects:
        lines += [f"{count} {kind} objects, in every namespace" for kind, count in sorted(counts.items())]
        lines.append("the definitions of all kinds of the hub, which are Flux's too")
    return lines


async def _delete(client: Client, kind: Kind, say: Say) -> None:
    """Delete a kind and its objects; without a hub nobody would take our finalizer off, so that goes first."""
    from hub.api.meta import CUSTOM_RESOURCE_DEFINITIONS
    from hub.errors import NotFound

    try:
        listed = await client.list(kind.api, metadata_only=True)
    except NotFound:
        return
    for item in listed.items:
        await _unhook(client, kind, item["metadata"])
    await client.delete(CUSTOM_RESOURCE_DEFINITIONS, f"{kind.api.plural}.{kind.api.group}")
    say.success(f"{kind.api.plural}.{kind.api.group} deleted, with {len(listed.items)} objects")


async def _unhook(client: Client, kind: Kind, meta: dict[str, Any]) -> None:
    from hub.api.meta import FINALIZER
    from hub.errors import NotFound

    finalizers = [one for one in meta.get("finalizers") or () if one != FINALIZER]
    body = {"metadata": {"finalizers": finalizers, "resourceVersion": meta["resourceVersion"]}}
    try:
        await client.patch(kind.api, meta["name"], meta.get("namespace"), body)
    except NotFound:
        return
