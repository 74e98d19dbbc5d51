"""One HelmRelease that a verb is about, and the member it goes to, reached as the hub reaches it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from hub.api.helm import HelmRelease
from hub.release.names import Target, target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hub.cli.scope import Cluster
    from hub.members.member import Member
    from hub.members.pool import Pool
    from hub.release.storage import StoredRelease


def named(words: Sequence[str]) -> str:
    """
    Read ``hr NAME`` or ``hr/NAME``.

    Raises:
        click.UsageError: It is another kind, none, or several names.
    """
    from hub.cli.kinds import select

    selection = select(words)
    kind = selection.kinds[0]
    if kind is not HelmRelease.KIND:
        raise click.UsageError(f"this is for HelmReleases; a {kind.name} has no release: say hr NAME")
    if not selection.names:
        raise click.UsageError("which HelmRelease? Say hr NAME; 'hubctl get hr' lists them")
    if len(selection.names) > 1:
        raise click.UsageError(f"one HelmRelease at a time; what is '{selection.names[1]}'?")
    return selection.names[0]


async def load(cluster: Cluster, name: str) -> HelmRelease:
    """Return a HelmRelease. Raises ``Failed`` when there is none."""
    from hub.cli.objects import read

    return HelmRelease.parse(await read(cluster, HelmRelease.KIND, name))


def where(release: HelmRelease) -> Target:
    """Return where a release is now; where it shall go when it is nowhere yet."""
    status = release.status
    if not (status.history and status.storage_namespace):
        return target_of(release)
    latest = status.history[0]
    return Target(latest.name, latest.namespace, status.storage_namespace)


def member_name(release: HelmRelease) -> str:
    """Return the name of a release's member: of the Secret or ConfigMap that says where it is; ``hub`` without one."""
    kube = release.spec.kube_config
    reference = kube and (kube.secret_ref or kube.config_map_ref)
    return f"{release.metadata.namespace}/{reference.name}" if reference else "hub"


@asynccontextmanager
async def reaching(cluster: Cluster) -> AsyncIterator[Pool]:
    """Give the members, by the same rules as the hub's: what a kubeconfig may ask for is refused here too."""
    from hub.members.pool import Pool
    from hub.runtime.secrets import SecretReader
    from hub.settings import RunSettings, SecuritySettings

    pool = Pool(cluster.client, SecretReader(cluster.client), SecuritySettings(), RunSettings())
    try:
        yield pool
    finally:
        await pool.aclose()


async def member_of(pool: Pool, release: HelmRelease) -> Member:
    """Return the member of a release. Raises ``HubError`` when it cannot be reached."""
    spec = release.spec
    return await pool.get(release.metadata.namespace, spec.kube_config, spec.service_account_name)


async def revisions(member: Member, target: Target) -> list[StoredRelease]:
    """Return every revision that Helm keeps of a release, newest first. Raises ``HubError``."""
    from hub.api.meta import SECRETS
    from hub.release.storage import decode

    labels = f"owner=helm,name={target.name}"
    listed = await member.call(lambda client: client.list(SECRETS, target.storage_namespace, labels=labels))
    return sorted((decode(item) for item in listed.items), key=lambda one: one.version, reverse=True)
