"""What helm makes of a chart and values, as the member of a release answers its templates. Nothing is changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.cli.releases import member_of
from hub.members.gateway import RunPolicy
from hub.release import options
from hub.release.helm import Run
from hub.release.names import target_of
from hub.release.postrender import COMBINED
from hub.release.storage import Storage

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease
    from hub.cli.proposal import Proposal
    from hub.cli.workbench import Workbench
    from hub.release.storage import StoredRelease


async def stored_of(bench: Workbench, release: HelmRelease) -> StoredRelease | None:
    """Return the newest revision of a release, in full; None when it has none. Raises ``HubError``."""
    storage, target = Storage(await member_of(bench.pool, release), {}), target_of(release)
    latest = await storage.latest(target)
    return await storage.revision(target, latest.version) if latest else None


async def render(bench: Workbench, release: HelmRelease, proposal: Proposal, stored: StoredRelease | None) -> str:
    """Return the manifest that helm would store. Raises ``HubError``."""
    member, target = await member_of(bench.pool, release), target_of(release)
    policy = RunPolicy(target.namespace, target.storage_namespace)
    strategy = release.spec.post_render_strategy or COMBINED
    with bench.renderers.session(release.spec.post_renderers, strategy) as rendering:
        async with bench.gateway.session(member, policy) as session:
            run = Run(session.kubeconfig, target.name, target.namespace, session.redact)
            chosen: Any = options.install(release, {}, rendering.arguments)
            if stored is not None and stored.status != "uninstalled":
                chosen = options.upgrade(release, {}, rendering.arguments, was_server_side=stored.server_side)
            return await bench.helm.render(run, proposal.chart, proposal.values, chosen)
