"""Every controller with what it works with: one entry for each kind that the hub reconciles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content.builder import ChartBuilder
from hub.members.controller import MemberReconciler
from hub.release.controller import HelmReleaseReconciler
from hub.sources.controllers import SourceTools
from hub.sources.controllers import reconcilers as source_reconcilers

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from hub.content.fetch import ArtifactReader
    from hub.content.gitcache import GitCache
    from hub.content.store import Store
    from hub.content.trees import Trees
    from hub.kube.client import Client
    from hub.members.gateway import Gateway
    from hub.members.pool import Pool
    from hub.release.helm import Helm
    from hub.release.postrender import PostRenderers
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader
    from hub.runtime.steps import Reconciler
    from hub.settings import SourceSettings
    from hub.wiring import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What controllers work with, made and closed by :mod:`hub.manager`."""

    client: Client
    cache: Cache
    recorder: Recorder
    secrets: SecretReader
    store: Store
    git: GitCache
    artifacts: ArtifactReader
    trees: Trees
    pool: Pool
    gateway: Gateway
    renderers: PostRenderers
    helm: Helm
    wiring: Wiring
    access: Access
    session: Callable[[], aiohttp.ClientSession]
    sources: SourceSettings


def controllers(tools: Tools) -> dict[str, Reconciler[Any]]:
    """Return the reconciler of each kind."""
    common = (tools.client, tools.cache, tools.recorder)
    builder = ChartBuilder(tools.store, tools.trees)
    sources = SourceTools(tools.secrets, tools.store, tools.artifacts, builder, tools.git, tools.session, tools.sources)
    return {
        **source_reconcilers(*common, sources),
        "HelmRelease": HelmReleaseReconciler(
            *common,
            secrets=tools.secrets,
            artifacts=tools.artifacts,
            trees=tools.trees,
            builder=builder,
            pool=tools.pool,
            gateway=tools.gateway,
            renderers=tools.renderers,
            helm=tools.helm,
            access=tools.access,
        ),
        "Member": MemberReconciler(*common, pool=tools.pool, releases=tools.wiring.releases_of),
    }
