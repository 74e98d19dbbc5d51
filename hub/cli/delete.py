"""``hubctl delete``: remove objects, after saying what goes with them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import KindCommand, words_argument
from hub.cli.consent import require_consent, yes_option
from hub.cli.durations import TIMEOUT
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.say import Say


@click.command(
    cls=KindCommand,
    examples=(
        ("delete hr web", "Uninstall the release from its member; asks first."),
        ("delete source git charts --yes", "Without a question, for scripts."),
    ),
)
@words_argument("KIND NAME...")
@yes_option("-s", "--silent")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the objects are gone.")
@click.option("--timeout", type=TIMEOUT, default="5m", show_default=True, help="Longest wait.")
@scope_options()
def delete(words: tuple[str, ...], scope: Scope, *, sure: bool, wait: bool, timeout: float) -> None:
    """
    Delete objects, after saying what goes with them.

    A deleted HelmRelease is uninstalled from its member, unless it is suspended.
    """
    from hub.cli.kinds import one_kind

    kind, names = one_kind(words)
    asyncio.run(_delete(scope, kind, names, sure=sure, timeout=timeout if wait else None))


async def _delete(scope: Scope, kind: Kind, names: tuple[str, ...], *, sure: bool, timeout: float | None) -> None:
    from hub.cli.objects import read
    from hub.cli.outcome import gathered
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster:
        # All are read before anything is deleted: a typo in the last name must not cost the first object.
        objects = [await read(cluster, kind, name) for name in names]
        if not sure:
            what = "this deletes" if len(objects) == 1 else f"these {len(objects)} objects would be deleted"
            require_consent(what, [await _consequence(cluster, kind, raw) for raw in objects])
        await gathered(say, [_one(cluster, kind, raw, say, timeout) for raw in objects])


async def _consequence(cluster: Cluster, kind: Kind, raw: dict[str, Any]) -> str:
    """Return what is deleted, and what goes with it."""
    meta = raw["metadata"]
    return f"{kind.name} {meta['namespace']}/{meta['name']}: {await _more(cluster, kind, raw)}"


async def _more(cluster: Cluster, kind: Kind, raw: dict[str, Any]) -> str:
    from hub.api.helm import HelmRelease

    if kind is HelmRelease.KIND:
        return _of_release(raw)
    users = await _users(cluster, kind, raw)
    if not users:
        return "nothing is made from it"
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return f"without it {', '.join(users[:3])}{more} cannot be renewed"


def _of_release(raw: dict[str, Any]) -> str:
    from hub.api.helm import HelmRelease
    from hub.cli.releases import member_name, where

    release = HelmRelease.parse(raw)
    target, member = where(release), member_name(release)
    if release.spec.suspend:
        return f"it is suspended, so its release {target} stays on member {member}"
    if not release.status.history:
        return "it has no release"
    objects = len(release.status.inventory.entries) if release.status.inventory else 0
    count = f" with {objects} objects" if objects else ""
    return f"uninstalls release {target}{count} from member {member}"


async def _users(cluster: Cluster, kind: Kind, raw: dict[str, Any]) -> list[str]:
    """Return what is made from an object, over all namespaces when we may look there."""
    from hub.cli.relations import Relations

    relations = await Relations.around(cluster)
    return [str(one) for one in relations.made_from(kind.name, raw["metadata"]["namespace"], raw["metadata"]["name"])]


async def _one(cluster: Cluster, kind: Kind, raw: dict[str, Any], say: Say, timeout: float | None) -> None:
    name, uid = raw["metadata"]["name"], raw["metadata"]["uid"]
    say.action(f"deleting {kind.name} {name} in {cluster.namespace} namespace")
    await cluster.client.delete(kind.api, name, cluster.namespace, uid=uid)
    if timeout is None:
        say.success(f"{kind.name} {name} is being deleted")
        return
    async with say.busy(f"waiting until {kind.name} {name} is gone"):
        await _gone(cluster, kind, name, uid, timeout)
    say.success(f"{kind.name} {name} deleted")


async def _gone(cluster: Cluster, kind: Kind, name: str, uid: str, timeout: float) -> None:
    from hub.cli.failures import Failed
    from hub.cli.stream import Stream

    last: dict[str, Any] = {}
    try:
        stream = Stream(cluster.client, kind.api, cluster.namespace, name=name)
        async with asyncio.timeout(timeout), aclosing(stream.batches()) as batches:
            async for batch in batches:
                there = [one.object for one in batch if one.what != "deleted" and one.object["metadata"]["uid"] == uid]
                if not there:
                    return
                last = there[-1]
    except TimeoutError:
        why = next(
            (one["message"] for one in last.get("status", {}).get("conditions", ()) if one.get("type") == "Ready"), ""
        )
        keepers = ", ".join(last.get("metadata", {}).get("finalizers", ()))
        raise Failed(
            f"{kind.name} {cluster.namespace}/{name} is still being deleted after {timeout:g} s, kept by {keepers}; "
            f"it says: {why or 'nothing'}"
        ) from None
