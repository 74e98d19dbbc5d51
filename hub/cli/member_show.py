"""What is known of a member; and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.fleet import MANAGED_BY, Member
from hub.api.helm import HelmRelease
from hub.api.meta import SECRETS
from hub.cli.consent import require_consent
from hub.cli.failures import Failed
from hub.cli.objects import read
from hub.cli.output import write_lines
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
    write_lines(described(member, releases))


async def remove_member(scope: Scope, name: str, *, force: bool, sure: bool) -> None:
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
        secret = member.spec.kube_config.secret_ref.name
        is_ours = await _is_ours(cluster, secret)
        if not sure:
            require_consent("this removes", _touched(member, releases, secret if is_ours else ""))
        await cluster.client.delete(Member.KIND.api, name, cluster.namespace)
        say.success(f"Member {name} removed")
        if is_ours:
            await cluster.client.delete(SECRETS, secret, cluster.namespace)
            say.success(f"Secret {secret} removed")
        elif is_ours is not None:
            say.warning(f"Secret {secret} stays: it was not made by 'hubctl member add'")


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
        "Records watched": status.watch if status.last_seen else "",
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


def _touched(member: Member, releases: list[str], secret: str) -> list[str]:
    """Return what goes, and what is cut off by it."""
    lines = [f"Member {member.metadata.namespace}/{member.metadata.name}: its cluster is left as it is"]
    lines += [f"Secret {member.metadata.namespace}/{secret}: the kubeconfig of it"] if secret else []
    return lines + [f"HelmRelease {member.metadata.namespace}/{one}: cannot reach it any more" for one in releases]


async def _is_ours(cluster: Cluster, name: str) -> bool | None:
    """Return whether a Secret was made by ``hubctl member add``; None when there is none."""
    try:
        secret: dict[str, Any] = await cluster.client.get(SECRETS, name, cluster.namespace, metadata_only=True)
    except NotFound:
        return None
    return bool((secret["metadata"].get("labels") or {}).get(MANAGED_BY) == "hubctl")
