"""Every controller with what it works with: one entry for each kind that the hub reconciles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content.builder import ChartBuilder
from hub.content.gitlogin import GitLogin
from hub.content.gitproviders import GitProviders
from hub.content.gitwrite import GitWriter
from hub.images.automation import ImageUpdateAutomationReconciler
from hub.images.commit import Committer
from hub.images.latest import ImagePolicyReconciler
from hub.images.limits import RegistryLimits
from hub.images.scan import ImageRepositoryReconciler
from hub.members.controller import MemberReconciler
from hub.notify.receiver import ReceiverReconciler
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
    from hub.images.tags import TagStore
    from hub.kube.client import Client
    from hub.members.gateway import Gateway
    from hub.members.pool import Pool
    from hub.release.helm import Helm
    from hub.release.postrender import PostRenderers
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins
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
    origins: Origins
    tags: TagStore
    session: Callable[[], aiohttp.ClientSession]
    sources: SourceSettings


def controllers(tools: Tools) -> dict[str, Reconciler[Any]]:
    """Return the reconciler of each kind."""
    common = (tools.client, tools.cache, tools.recorder)
    builder = ChartBuilder(tools.store, tools.trees)
    sources = SourceTools(
        tools.secrets, tools.store, tools.artifacts, builder, tools.git, tools.session, tools.origins, tools.sources
    )
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
        **_images(tools),
        "Receiver": ReceiverReconciler(*common, secrets=tools.secrets, access=tools.access),
    }


def _images(tools: Tools) -> dict[str, Reconciler[Any]]:
    common, limits = (tools.client, tools.cache, tools.recorder), RegistryLimits()
    return {
        "ImageRepository": ImageRepositoryReconciler(*common, origins=tools.origins, tags=tools.tags, limits=limits),
        "ImagePolicy": ImagePolicyReconciler(
            *common, origins=tools.origins, tags=tools.tags, limits=limits, access=tools.access
        ),
        "ImageUpdateAutomation": ImageUpdateAutomationReconciler(
            *common,
            secrets=tools.secrets,
            git=tools.git,
            committer=Committer(tools.git, GitWriter(tools.git)),
            access=tools.access,
            login=GitLogin(GitProviders(clouds=tools.origins.clouds), tools.origins.workload),
        ),
    }
