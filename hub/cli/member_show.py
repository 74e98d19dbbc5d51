"""What is known of a member; and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.api.fleet import MANAGED_BY, Member
from hub.api.helm import HelmRelease
from hub.api.meta import SECRETS
from hub.cli.failures import Failed
from hub.cli.objects import read
from hub.cli.say import Say
from hub.cli.scope import connect
from hub.errors import NotFound
from hub.members.inventory import is_ready, kubeconfig_of, same_kubeconfig

if TYPE_CHECKING:
    from hub.cli.scope import Cluster, Scope


async def show_member(scope: Scope, name: str) -> None:
    """Print it."""
    async with connect(scope) as cluster:
        member = Member.parse(await read(cluster, Member.KIND, name))
        releases = await _releases(cluster, member)
    for line in described(member, releases):
        click.echo(line)


async def remove_member(scope: Scope, name: str, *, force: bool) -> None:
    """
    Delete a Member, and the Secret that was made with it.

    Raises:
        Failed: Releases go there, and ``force`` was not given.
    """
    say = Say()
    async with connect(scope) as cluster:
        member = Member.parse(await read(cluster, Member.KIND, name))
        releases = [one.metadata.name for one in await _releases(cluster, member)]
        if releases and not force:
            raise Failed(
                f"releases go to member {name}: {', '.join(sorted(releases))}; delete them first, which uninstalls "
                "them, or use --force"
            )
        await cluster.client.delete(Member.KIND.api, name, cluster.namespace)
        say.success(f"Member {name} removed")
        await _remove_secret(cluster, member.spec.kube_config.secret_ref.name, say)


def described(member: Member, releases: list[HelmRelease]) -> list[str]:
    """Return lines about a member: what is known, its conditions, its releases. Pure."""
    status = member.status
    credentials, counted = status.credentials, status.releases
    facts = {
        "Name": f"{member.metadata.namespace}/{member.metadata.name}",
        "Labels": ", ".join(f"{key}={value}" for key, value in sorted(member.metadata.labels.items())),
        "Secret": member.spec.kube_config.secret_ref.name,
        "Server": status.server,
        "Version": status.version,
        "Breaker": status.breaker,
        "Reachable since": status.reachable_since,
        "Last seen": f"{status.last_seen} ({status.latency})" if status.last_seen else "",
        "Records watched": status.watch,
        "Credentials": f"{credentials.what} until {credentials.expires}" if credentials else "",
        "Releases": f"{counted.ready} of {counted.total} ready" if counted else "",
    }
    width = max(map(len, facts)) + 2
    lines = [f"{title + ':':{width}}{value}" for title, value in facts.items() if value]
    lines += ["", "Conditions:"] if status.conditions else []
    lines += [f"  {one.type}={one.status} {one.reason}: {one.message}" for one in status.conditions]
    lines += ["", "Releases:"] if releases else []
    lines += [f"  {one.metadata.name}  {_state(one)}" for one in sorted(releases, key=lambda one: one.metadata.name)]
    return lines


def _state(release: HelmRelease) -> str:
    ready = release.status.condition("Ready")
    return "Ready" if is_ready(release) else f"not ready: {ready.message if ready else 'not seen yet'}"


async def _releases(cluster: Cluster, member: Member) -> list[HelmRelease]:
    mine = member.spec.kube_config.secret_ref
    listed = await cluster.client.list(HelmRelease.KIND.api, cluster.namespace)
    found = [HelmRelease.parse(one) for one in listed.items]
    return [one for one in found if (theirs := kubeconfig_of(one)) is not None and same_kubeconfig(theirs, mine)]


async def _remove_secret(cluster: Cluster, name: str, say: Say) -> None:
    try:
        secret: dict[str, Any] = await cluster.client.get(SECRETS, name, cluster.namespace, metadata_only=True)
    except NotFound:
        return
    if (secret["metadata"].get("labels") or {}).get(MANAGED_BY) != "hubctl":
        say.warning(f"Secret {name} stays: it was not made by 'hubctl member add'")
        return
    await cluster.client.delete(SECRETS, name, cluster.namespace)
    say.success(f"Secret {name} removed")
