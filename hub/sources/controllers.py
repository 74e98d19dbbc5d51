"""The controllers of all kinds of sources, made of what they share: for the program and for the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content.gitlogin import GitLogin
from hub.content.gitproviders import GitProviders
from hub.content.helmrepo import HelmRepos
from hub.content.oci.trustroot import TrustedRoots
from hub.sources.bucket import BucketReconciler
from hub.sources.chart import HelmChartReconciler
from hub.sources.dependencies import DependencyTools
from hub.sources.git import GitRepositoryReconciler
from hub.sources.helmrepository import HelmRepositoryReconciler
from hub.sources.ocirepository import OCIRepositoryReconciler
from hub.sources.pulled import PulledCharts
from hub.sources.signatures import Signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from hub.content.builder import ChartBuilder
    from hub.content.fetch import ArtifactReader
    from hub.content.gitcache import GitCache
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins
    from hub.runtime.secrets import SecretReader
    from hub.runtime.steps import Reconciler
    from hub.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What sources are fetched, built and kept with."""

    secrets: SecretReader
    store: Store
    artifacts: ArtifactReader
    builder: ChartBuilder
    git: GitCache
    session: Callable[[], aiohttp.ClientSession]
    origins: Origins
    settings: SourceSettings


def reconcilers(client: Client, cache: Cache, recorder: Recorder, tools: SourceTools) -> dict[str, Reconciler[Any]]:
    """Return the reconciler of each kind of source, by the name of the kind. An ExternalArtifact needs none."""
    common = (client, cache, recorder)
    store, limits = tools.store, tools.settings
    origins = tools.origins
    repos = HelmRepos(tools.session, max_index=limits.helm_index_max_size, max_chart=limits.helm_chart_max_size)
    pulled = PulledCharts(store, tools.artifacts, repos, origins, limits.helm_chart_max_size)
    signatures = Signatures(origins, TrustedRoots(limits.sigstore_trusted_root, store.root / "sigstore"))
    return {
        "GitRepository": GitRepositoryReconciler(
            *common,
            secrets=tools.secrets,
            store=store,
            git=tools.git,
            login=GitLogin(GitProviders(clouds=origins.clouds), origins.workload),
        ),
        "HelmRepository": HelmRepositoryReconciler(*common, store=store, origins=origins, repos=repos),
        "OCIRepository": OCIRepositoryReconciler(
            *common, store=store, origins=origins, signatures=signatures, max_size=limits.artifact_max_size
        ),
        "Bucket": BucketReconciler(*common, store=store, origins=origins, max_size=limits.artifact_max_size),
        "HelmChart": HelmChartReconciler(
            *common,
            store=store,
            artifacts=tools.artifacts,
            builder=tools.builder,
            signatures=signatures,
            pulled=pulled,
            dependencies=DependencyTools(cache, store, repos, origins, pulled),
        ),
    }
