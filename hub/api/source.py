"""
The kinds of ``source.toolkit.fluxcd.io``: where content comes from, and the charts made of it. Pure.

Each model is the union of all versions ever served: ``v1`` and the fields that only ``v1beta2`` had.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from hub.api.kinds import GIT_REPOSITORY, HELM_CHART
from hub.api.meta import (
    Artifact,
    Cel,
    Duration,
    Kind,
    Lenient,
    LocalRef,
    Model,
    Resource,
    Spec,
    Status,
    about,
    flag,
)

OPTIONAL_VALUES_FILES = "hubctl.io/optional-values-files"
"""Annotation of a HelmChart: those of its ``valuesFiles`` that may be missing, one per line or between commas."""
VERIFY_PROVENANCE = "hubctl.io/verify-provenance"
"""Annotation of a HelmChart: the Secret with the PGP keys, one of which must have signed the package's provenance."""
OPTIONS = (OPTIONAL_VALUES_FILES, VERIFY_PROVENANCE)
"""Annotations of a HelmChart that say what is wanted."""

# A timeout of a source cannot be given in hours.
SHORT: dict[str, Any] = {"pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$"}

GitProvider = Literal["generic", "aws", "azure", "github"]
GitVerifyMode = Literal["head", "HEAD", "Tag", "TagAndHEAD"]
ReconcileStrategy = Literal["ChartVersion", "Revision", "Content"]
ChartSourceKind = Literal["HelmRepository", "GitRepository", "Bucket"]
SignatureProvider = Literal["cosign", "notation"]

STRATEGY_TEXT = (
    "What makes a new chart artifact. ChartVersion: a new version in Chart.yaml. Revision: every new revision of the "
    "source. Content: a change of the chart's files or of the values files given here; the version then carries "
    "'+<12 hex>' of their digest, and a commit that touches neither changes nothing."
)


class GitRef(Model):
    """What to check out. Precedence: commit, name, tag, semver, branch; none of them means branch 'master'."""

    branch: str = about("Branch to follow.", "")
    tag: str = about("Tag to check out.", "")
    semver: str = about("Range; the highest tag within it is checked out. A given 'tag' wins.", "")
    name: str = about("Full reference name to follow, e.g. 'refs/pull/420/head'.", "")
    commit: str = about("Commit SHA to check out; with 'branch' only that branch is fetched for it.", "")


class Include(Model):
    """Content of another GitRepository that is copied into this one's artifact."""

    repository: LocalRef = about("GitRepository of the same namespace.", factory=LocalRef, required=True)
    from_path: str = about("Path in the other artifact. Default: its root.", "")
    to_path: str = about("Path in this artifact. Default: the name of the other repository.", "")


class GitVerification(Model):
    """Which signatures must be valid before anything is taken."""

    mode: Lenient[GitVerifyMode] = about(
        "What must be signed: the commit (HEAD), the tag, or both. 'head' is HEAD.", "HEAD", defaulted=True
    )
    secret_ref: LocalRef = about("Secret with the trusted public keys.", factory=LocalRef, required=True)


class NamespaceSelector(Model):
    """Namespaces by label."""

    match_labels: dict[str, str] = about("Labels that a namespace must have.", factory=dict)


class AccessFrom(Model):
    """Who may refer to the object from other namespaces. Kept for old manifests; not enforced for sources."""

    namespace_selectors: list[NamespaceSelector] = about("Any of these.", factory=list, required=True)


class SourceSpec(Spec):
    """What sources that fetch have in common."""

    timeout: Duration = about("Longest time for one fetch.", Duration("60s"), defaulted=True, **SHORT)
    access_from: AccessFrom | None = about("From v1beta2; kept, not enforced.", None)


class SourceStatus(Status):
    """What every source reports."""

    artifact: Artifact | None = about("The last artifact that was built.", None)
    url: str = about("From v1beta2: a stable link to the artifact. Not written any more; see artifact.url.", "")


class GitRepositorySpec(SourceSpec):
    """Where the repository is, what to take from it and how often to look."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.serviceAccountName) || "
            "(has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
            "serviceAccountName can only be set when provider is 'azure' or 'aws'",
        ),
    )

    url: str = about("Address of the repository.", "", required=True, pattern="^(http|https|ssh)://.*$")
    ref: GitRef | None = about("What to check out. Default: branch 'master'.", None)
    secret_ref: LocalRef | None = about(
        "Secret with credentials. HTTP(S): username and password, or bearerToken; tls.crt, tls.key, ca.crt. "
        "SSH: identity, known_hosts, and password when the key is encrypted.",
        None,
    )
    provider: Lenient[GitProvider] | None = about("Where credentials come from. Default: generic, the Secret.", None)
    service_account_name: str = about("ServiceAccount whose cloud identity is used to log in.", "")
    proxy_secret_ref: LocalRef | None = about("Secret with the proxy's address, username and password.", None)
    verify: GitVerification | None = about("Take signed content only.", None)
    ignore: str | None = about(
        "Lines as in .gitignore of what to leave out of the artifact. They win over files.", None
    )
    include: list[Include] = about("Content of other repositories to add.", factory=list)
    recurse_submodules: bool = flag("Fetch submodules too, with the same credentials.")
    sparse_checkout: list[str] = about("Directories to take; nothing else is.", factory=list)
    git_implementation: Lenient[Literal["go-git", "libgit2"]] | None = about("From v1beta2; ignored.", None)


class GitRepositoryStatus(SourceStatus):
    """The last artifact and what it was made from."""

    included_artifacts: list[Artifact] = about("Artifacts of spec.include that went into the artifact.", factory=list)
    observed_ignore: str | None = about("spec.ignore of the artifact.", None)
    observed_include: list[Include] = about("spec.include of the artifact.", factory=list)
    observed_recurse_submodules: bool = flag("spec.recurseSubmodules of the artifact.")
    observed_sparse_checkout: list[str] = about("spec.sparseCheckout of the artifact.", factory=list)
    source_verification_mode: str | None = about("spec.verify.mode that the artifact was verified with.", None)
    content_config_checksum: str = about("From v1beta2; not written any more.", "")


class GitRepository(Resource):
    """A Git repository whose files are wanted as an artifact."""

    KIND: ClassVar[Kind] = GIT_REPOSITORY

    spec: GitRepositorySpec = about("What is wanted.", factory=GitRepositorySpec)
    status: GitRepositoryStatus = about("What was found.", factory=GitRepositoryStatus)


class ChartSourceRef(Model):
    """The source of a chart, in the namespace of the chart."""

    api_version: str = about("API version of the source.", "")
    kind: Lenient[ChartSourceKind] = about("Kind of the source.", "GitRepository", required=True)
    name: str = about("Name of the source.", "", required=True)


class OIDCIdentity(Model):
    """Who may have signed, as regular expressions."""

    issuer: str = about("Issuer of the identity.", "", required=True)
    subject: str = about("Subject of the identity.", "", required=True)


class ChartVerification(Model):
    """Which signatures a chart from an OCI registry must have."""

    provider: Lenient[SignatureProvider] = about("Kind of signature.", "cosign", required=True, defaulted=True)
    secret_ref: LocalRef | None = about("Secret with the trusted public keys; keyless without.", None)
    match_oidc_identity: list[OIDCIdentity] = about(
        "Accepted identities of keyless signatures; any of them.", factory=list, alias="matchOIDCIdentity"
    )


class HelmChartSpec(Spec):
    """Which chart, from where, with which values files."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
            "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
        ),
    )

    chart: str = about("Name in the HelmRepository, or path in the source's artifact.", "", required=True)
    version: str = about("Version or range; only HelmRepository sources have versions.", "*", defaulted=True)
    source_ref: ChartSourceRef = about("Where the chart comes from.", factory=ChartSourceRef, required=True)
    reconcile_strategy: Lenient[ReconcileStrategy] = about(STRATEGY_TEXT, "ChartVersion", defaulted=True)
    values_files: list[str] = about(
        "Files that are merged in this order and replace the chart's values.yaml (list that one too to keep it). "
        "Paths in the source's artifact; in the chart for HelmRepository sources.",
        factory=list,
    )
    values_file: str = about("From v1beta2: one values file, merged before valuesFiles.", "")
    ignore_missing_values_files: bool = flag("Skip values files that do not exist.")
    verify: ChartVerification | None = about("Take a signed chart only.", None)
    access_from: AccessFrom | None = about("From v1beta2; kept, not enforced.", None)


class HelmChartStatus(SourceStatus):
    """The packaged chart and what it was made from."""

    observed_chart_name: str = about("Name in the chart of the artifact.", "")
    observed_source_artifact_revision: str = about("Revision of the source's artifact it was made from.", "")
    observed_values_files: list[str] = about("Values files used, when missing ones are allowed.", factory=list)


class HelmChart(Resource):
    """A chart that is wanted as a package, with values files merged in. HelmReleases make their own."""

    KIND: ClassVar[Kind] = HELM_CHART

    spec: HelmChartSpec = about("What is wanted.", factory=HelmChartSpec)
    status: HelmChartStatus = about("What was found.", factory=HelmChartStatus)

    @property
    def values_files(self) -> tuple[str, ...]:
        """Every values file that is asked for, in the order in which they are merged."""
        first = [self.spec.values_file] if self.spec.values_file else []
        return (*first, *self.spec.values_files)

    @property
    def optional_values_files(self) -> tuple[str, ...]:
        """Those that may be missing, as the annotation names them."""
        lines = self.metadata.annotations.get(OPTIONAL_VALUES_FILES, "").replace(",", "\n").splitlines()
        return tuple(path for line in lines if (path := line.strip()))

    @property
    def provenance_keys(self) -> str:
        """The Secret with the keys that provenance is checked with; empty when it is not."""
        return self.metadata.annotations.get(VERIFY_PROVENANCE, "").strip()
