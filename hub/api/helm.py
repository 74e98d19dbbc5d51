"""
HelmRelease of ``helm.toolkit.fluxcd.io``: one Helm release on one cluster. Pure.

The model is the union of all versions ever served: ``v2``, the fields that only ``v2beta1`` and ``v2beta2`` had, and
our own ``reconcileStrategy: Content``. Defaults in texts are those of the engine; the API server writes only a few.
"""

# ruff: noqa: TC001 - pydantic resolves annotations when the program runs

from __future__ import annotations

from typing import Any, ClassVar, Literal

from hub.api.appliers import (
    CommonMetadata,
    DependsOn,
    HealthCheckExpr,
    IgnoreRule,
    Image,
    Inventory,
    JSON6902Patch,
    Patch,
)
from hub.api.kinds import HELM_RELEASE
from hub.api.meta import (
    NAME,
    NAMESPACE,
    TIME,
    Cel,
    Duration,
    Kind,
    KubeConfig,
    Lenient,
    LocalRef,
    Model,
    Resource,
    Spec,
    Status,
    about,
    flag,
)
from hub.api.source import STRATEGY_TEXT, ChartSourceKind, ReconcileStrategy, SignatureProvider

CRDsPolicy = Literal["Skip", "Create", "CreateReplace"]
ServerSideApply = Literal["enabled", "disabled", "auto"]
StrategyName = Literal["RemediateOnFailure", "RetryOnFailure"]
RemediationStrategy = Literal["rollback", "uninstall"]
VALUES_LAYERS = "hubctl.io/values-layers"
"""Annotation of a HelmRelease: a YAML list of :class:`ValuesLayer`."""

ROLLBACK = "hubctl.io/rollback"
"""Annotation of a HelmRelease: the rollback that ``hubctl rollback`` asked for, which holds until the next change."""

DriftMode = Literal["enabled", "warn", "disabled"]

_TIMEOUT = "Longest time for any one Kubernetes operation of it, e.g. a hook. Default: spec.timeout."
_CRDS = (
    "What to do with the chart's crds folder. Skip, Create (default: what is missing) or CreateReplace; never deleted."
)
_NO_OPENAPI = "Do not check the manifests against the cluster's schemas."
_NO_OWNERSHIP = "Refuse objects that exist already and belong to no or another release, instead of adopting them."
_NO_SCHEMA = "Do not check the values against the chart's values.schema.json."
_NO_WAIT = "Do not wait until what was written is ready."
_NO_JOBS = "Do not wait until Jobs are complete."


class ChartSource(Model):
    """The source that a chart is built from."""

    api_version: str = about("API version of the source.", "")
    kind: Lenient[ChartSourceKind] = about("Kind of the source.", "GitRepository", required=True)
    name: str = about("Name of the source.", "", required=True, **NAME)
    namespace: str = about("Its namespace. Default: the HelmRelease's.", "", **NAMESPACE)


class TemplateVerification(Model):
    """Which signatures the chart must have."""

    provider: Lenient[SignatureProvider] = about("Kind of signature.", "cosign", required=True, defaulted=True)
    secret_ref: LocalRef | None = about("Secret with the trusted public keys; keyless without.", None)


class ChartTemplateSpec(Model):
    """The spec of the HelmChart that is kept for the release."""

    chart: str = about(
        "Name in the HelmRepository, or path in the source's artifact.", "", required=True, minLength=1, maxLength=2048
    )
    version: str = about("Version or range; only HelmRepository sources have versions.", "*", defaulted=True)
    source_ref: ChartSource = about("Where the chart comes from.", factory=ChartSource, required=True)
    interval: Duration | None = about("How often to look for a new chart. Default: spec.interval.", None)
    reconcile_strategy: Lenient[ReconcileStrategy] = about(STRATEGY_TEXT, "ChartVersion", defaulted=True)
    values_files: list[str] = about("Files merged in this order into the chart's values.yaml.", factory=list)
    values_file: str = about("From v2beta1: one values file, merged before valuesFiles.", "")
    ignore_missing_values_files: bool = flag("Skip values files that do not exist.")
    verify: TemplateVerification | None = about("Take a signed chart only.", None)


class ChartTemplate(Model):
    """The HelmChart that is kept for the release."""

    metadata: CommonMetadata | None = about("Labels and annotations of the HelmChart.", None)
    spec: ChartTemplateSpec = about("Its spec.", factory=ChartTemplateSpec, required=True)


class ChartRef(Model):
    """A source that is a chart already."""

    api_version: str = about("API version of the source.", "")
    kind: Lenient[Literal["OCIRepository", "HelmChart", "ExternalArtifact"]] = about(
        "Kind of the source.", "HelmChart", required=True
    )
    name: str = about("Name of the source.", "", required=True, **NAME)
    namespace: str = about("Its namespace. Default: the HelmRelease's.", "", **NAMESPACE)


class ValuesReference(Model):
    """Values from a Secret or a ConfigMap of the release's namespace."""

    kind: Lenient[Literal["Secret", "ConfigMap"]] = about("Kind of the object.", "ConfigMap", required=True)
    name: str = about("Name of the object.", "", required=True, **NAME)
    values_key: str = about("Key of the data. Default: values.yaml.", "", maxLength=253, pattern=r"^[\-._a-zA-Z0-9]+$")
    target_path: str = about(
        "Where the data goes, as one value, written as for 'helm --set'. Default: the data is a YAML mapping.",
        "",
        maxLength=250,
        pattern=r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$",
    )
    literal: bool = flag("With targetPath: take the data verbatim, as 'helm --set-literal' does.")
    optional: bool = flag("A missing object or key is not an error.")


class ValuesLayer(Model):
    """One entry of the annotation ``hubctl.io/values-layers``: values from somewhere else than the chart's source."""

    kind: str = about("A source with an artifact, ConfigMap or Secret.", "", required=True)
    name: str = about("Name of the object, in the namespace of the HelmRelease.", "", required=True)
    path: str = about("Of the file in the source's artifact.", "")
    values_key: str = about("Key in a ConfigMap or Secret. Default: values.yaml.", "")
    optional: bool = flag("A missing file, object or key is no layer.")


class DriftDetection(Model):
    """What to do when the cluster no longer is as Helm left it."""

    mode: Lenient[DriftMode] | None = about(
        "Correct it (enabled), tell (warn), or do not look (disabled, default).", None
    )
    ignore: list[IgnoreRule] = about("Differences that do not count.", factory=list)


class Strategy(Model):
    """What to do after a failure."""

    name: Lenient[StrategyName] = about(
        "Remediate (default), or try an upgrade again.", "RemediateOnFailure", required=True
    )
    retry_interval: Duration | None = about("Time between tries of RetryOnFailure. Default: 5m.", None)


class InstallStrategy(Strategy):
    """What to do after a failed install."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
            ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
        ),
    )


class UpgradeStrategy(Strategy):
    """What to do after a failed upgrade."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
            ".retryInterval can only be set when .name is 'RetryOnFailure'",
        ),
    )


class InstallRemediation(Model):
    """How often a failed install is undone and tried again."""

    retries: int = about("Further tries after the first; negative: without end.", 0)
    ignore_test_failures: bool | None = about("A failed test is no failure. Default: test.ignoreFailures.", None)
    remediate_last_failure: bool | None = about("Undo the last failure too, when no try is left. Default: false.", None)


class UpgradeRemediation(InstallRemediation):
    """How often a failed upgrade is undone and tried again."""

    remediate_last_failure: bool | None = about(
        "Undo the last failure too, when no try is left. Default: true when retries is above 0.", None
    )
    strategy: Lenient[RemediationStrategy] | None = about("How to undo. Default: rollback.", None)


class Install(Model):
    """How the release is installed."""

    create_namespace: bool = flag("Create the target namespace (and the storage namespace) when missing.")
    crds: Lenient[CRDsPolicy] | None = about(_CRDS, None)
    skip_crds: bool = flag("From v2beta1; ignored: say 'crds: Skip'.", alias="skipCRDs")
    disable_hooks: bool = flag("Do not run the chart's hooks.")
    disable_open_api_validation: bool = flag(_NO_OPENAPI, alias="disableOpenAPIValidation")
    disable_schema_validation: bool = flag(_NO_SCHEMA)
    disable_take_ownership: bool = flag(_NO_OWNERSHIP)
    disable_wait: bool = flag(_NO_WAIT)
    disable_wait_for_jobs: bool = flag(_NO_JOBS)
    remediation: InstallRemediation | None = about("What to do when it fails.", None)
    replace: bool = flag("Use the name of an uninstalled release again.")
    server_side_apply: bool | None = about("Let the cluster merge what is applied. Default: true.", None)
    strategy: InstallStrategy | None = about("Remediate or retry. Default: remediate.", None)
    timeout: Duration | None = about(_TIMEOUT, None)


class Upgrade(Model):
    """How the release is upgraded."""

    chart_name_change_strategy: Lenient[Literal["InPlaceUpdate", "Reinstall"]] | None = about(
        "What to do when the chart has another name: Reinstall (default) or InPlaceUpdate.", None
    )
    cleanup_on_fail: bool = flag("Delete what a failed upgrade created.")
    crds: Lenient[CRDsPolicy] | None = about(_CRDS, None)
    disable_hooks: bool = flag("Do not run the chart's hooks.")
    disable_open_api_validation: bool = flag(_NO_OPENAPI, alias="disableOpenAPIValidation")
    disable_schema_validation: bool = flag(_NO_SCHEMA)
    disable_take_ownership: bool = flag(_NO_OWNERSHIP)
    disable_wait: bool = flag(_NO_WAIT)
    disable_wait_for_jobs: bool = flag(_NO_JOBS)
    force: bool = flag(
        "Where the cluster refuses to change an immutable field, delete that object and apply it anew, in one revision."
    )
    preserve_values: bool = flag("Start from the values of the last release instead of the chart's.")
    remediation: UpgradeRemediation | None = about("What to do when it fails.", None)
    server_side_apply: Lenient[ServerSideApply] | None = about("As the last release (auto, default), on or off.", None)
    strategy: UpgradeStrategy | None = about("Remediate or retry. Default: remediate.", None)
    timeout: Duration | None = about(_TIMEOUT, None)


class Rollback(Model):
    """How the release is rolled back."""

    cleanup_on_fail: bool = flag("Delete what a failed rollback created.")
    disable_hooks: bool = flag("Do not run the chart's hooks.")
    disable_wait: bool = flag(_NO_WAIT)
    disable_wait_for_jobs: bool = flag(_NO_JOBS)
    force: bool = flag("As upgrade.force.")
    recreate: bool = flag("Has no effect any more.")
    server_side_apply: Lenient[ServerSideApply] | None = about("As the last release (auto, default), on or off.", None)
    timeout: Duration | None = about(_TIMEOUT, None)


class Uninstall(Model):
    """How the release is uninstalled."""

    deletion_propagation: Lenient[Literal["background", "foreground", "orphan"]] = about(
        "What happens to the objects that belong to the deleted ones.", "background", defaulted=True
    )
    disable_hooks: bool = flag("Do not run the chart's hooks.")
    disable_wait: bool = flag("Do not wait until what was deleted is gone.")
    keep_history: bool = flag("Keep Helm's record of the release.")
    timeout: Duration | None = about(_TIMEOUT, None)


class TestFilter(Model):
    """A test hook to run or to leave out."""

    name: str = about("Name of the hook.", "", required=True, **NAME)
    exclude: bool = flag("Leave it out instead of running it.")


class Test(Model):
    """Whether the chart's tests are part of the release."""

    enable: bool = flag("Run them after every install and upgrade.")
    filters: list[TestFilter] = about("Which ones. Default: all.", factory=list)
    ignore_failures: bool = flag("A failed test is no failure of the release.")
    timeout: Duration | None = about(_TIMEOUT, None)


class Kustomize(Model):
    """Changes that kustomize makes to the rendered manifests."""

    images: list[Image] = about("Images to exchange.", factory=list)
    patches: list[Patch] = about("Patches to apply.", factory=list)
    patches_strategic_merge: list[Any] = about("From v2beta1: strategic merge patches as objects.", factory=list)
    patches_json6902: list[JSON6902Patch] = about("From v2beta1: JSON patches as objects.", factory=list)


class PostRenderer(Model):
    """One step between Helm's rendering and the cluster."""

    kustomize: Kustomize | None = about("Change the manifests with kustomize.", None)


class WaitStrategy(Model):
    """How readiness is found out."""

    name: Lenient[Literal["poller", "legacy"]] = about(
        "Poll the objects' status, or wait as Helm 3 did.", "poller", required=True
    )


class HelmReleaseSpec(Spec):
    """Which chart with which values goes where, and what to do when it does not."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
            "either chart or chartRef must be set",
        ),
    )

    chart: ChartTemplate | None = about("A chart to build from a source. Either this or chartRef.", None)
    chart_ref: ChartRef | None = about("A source that is a chart already. Either this or chart.", None)
    release_name: str = about(
        "Name of the release. Default: '<targetNamespace>-<name>', or the name without a target namespace.",
        "",
        minLength=1,
        maxLength=53,
    )
    target_namespace: str = about(
        "Where the release's objects go. Default: the HelmRelease's namespace.", "", **NAMESPACE
    )
    storage_namespace: str = about(
        "Where Helm keeps its record, on the release's cluster. Default: the HelmRelease's namespace.", "", **NAMESPACE
    )
    kube_config: KubeConfig | None = about("The cluster to release to. Default: the one this object is in.", None)
    # v2 forbids the empty name, v2beta1 did not: old manifests must apply.
    service_account_name: str = about(
        "ServiceAccount of this namespace to act as, on the target cluster.", "", maxLength=253
    )
    depends_on: list[DependsOn] = about("HelmReleases that must be ready first.", factory=list)
    timeout: Duration | None = about("Longest time for any one Kubernetes operation. Default: 5m0s.", None)
    max_history: int | None = about("Revisions that Helm keeps; 0 is no limit. Default: 5.", None)
    values_from: list[ValuesReference] = about("Values from Secrets and ConfigMaps; later ones win.", factory=list)
    values: Lenient[dict[str, Any]] | None = about("Values; they win over valuesFrom.", None)
    install: Install | None = about("How to install.", None)
    upgrade: Upgrade | None = about("How to upgrade.", None)
    rollback: Rollback | None = about("How to roll back.", None)
    uninstall: Uninstall | None = about("How to uninstall.", None)
    test: Test | None = about("Whether and how to test.", None)
    drift_detection: DriftDetection | None = about("What to do about changes by others.", None)
    common_metadata: CommonMetadata | None = about("Labels and annotations for all objects of the release.", None)
    post_renderers: list[PostRenderer] = about("Changes to the rendered manifests, in order.", factory=list)
    post_render_strategy: Lenient[Literal["nohooks", "combined", "separate"]] | None = about(
        "Whether hooks are rendered along (combined, default), not at all, or by themselves.", None
    )
    health_check_exprs: list[HealthCheckExpr] = about("How to tell the health of custom kinds.", factory=list)
    wait_strategy: WaitStrategy | None = about("How readiness is found out. Default: poller.", None)
    persistent_client: bool | None = about("Kept for old manifests: clients always persist here.", None)


class TestHook(Model):
    """The last run of a test."""

    last_started: str = about("When it started.", "", **TIME)
    last_completed: str = about("When it ended.", "", **TIME)
    phase: str = about("What came of it.", "")


class Snapshot(Model):
    """One revision of the release, as Helm stored it; enough to notice when somebody else changed it."""

    api_version: str = about("Version of the snapshot's format; 'v2'.", "")
    digest: str = about("Digest over the stored release.", "", required=True)
    name: str = about("Name of the release.", "", required=True)
    namespace: str = about("Namespace of the release.", "", required=True)
    version: int = about("Revision number.", 0, required=True)
    status: str = about("Helm's word for its state, e.g. 'deployed'.", "", required=True)
    action: str = about("What made it: install, upgrade, rollback, uninstall or uninstall-remediation.", "")
    chart_name: str = about("Name of the chart.", "", required=True)
    chart_version: str = about("Version of the chart.", "", required=True)
    app_version: str = about("Version of what the chart installs.", "")
    config_digest: str = about("Digest over the values.", "", required=True)
    first_deployed: str = about("When the release was first installed.", "", required=True, **TIME)
    last_deployed: str = about("When this revision was deployed.", "", required=True, **TIME)
    deleted: str | None = about("When the release was deleted.", None, **TIME)
    oci_digest: str = about("Digest of the OCI artifact of the chart.", "")
    test_hooks: dict[str, TestHook] | None = about("Tests by name; none when it was not tested.", None)


class HelmReleaseStatus(Status):
    """What became of the release."""

    helm_chart: str = about("The HelmChart kept for it, '<namespace>/<name>'.", "")
    storage_namespace: str = about("Where Helm keeps the record of the current release.", "", **NAMESPACE)
    history: list[Snapshot] = about("Revisions, newest first, back to the last good one.", factory=list)
    inventory: Inventory | None = about("The objects of the current revision.", None)
    failures: int = about("Failed actions since the last success or change.", 0)
    install_failures: int = about("Failed installs since the last success or change.", 0)
    upgrade_failures: int = about("Failed upgrades since the last success or change.", 0)
    last_attempted_generation: int = about("Generation of the last attempt.", 0)
    last_attempted_revision: str = about("Chart version of the last attempt.", "")
    last_attempted_revision_digest: str = about("Digest of its OCI artifact.", "")
    last_attempted_config_digest: str = about("Digest of its values.", "")
    last_attempted_kube_config_digest: str = about("Digest of the kubeconfig of the last attempt.", "")
    observed_values_layers: list[str] = about(
        "The layers of the annotation hubctl.io/values-layers as they were last read: what, and the digest of its "
        "content or '(missing)'.",
        factory=list,
    )
    last_attempted_values_checksum: str = about("From v2beta1: SHA-1 of its values. Not written any more.", "")
    last_attempted_release_action: Lenient[Literal["install", "upgrade"]] | None = about("What it did.", None)
    last_attempted_release_action_duration: str = about("How long that took.", "")
    last_applied_revision: str = about("From v2beta1. Not written any more: see history.", "")
    last_release_revision: int = about("From v2beta1. Not written any more: see history.", 0)
    last_handled_force_at: str = about("Value of the annotation reconcile.fluxcd.io/forceAt last acted on.", "")
    last_handled_reset_at: str = about("Value of the annotation reconcile.fluxcd.io/resetAt last acted on.", "")
    observed_common_metadata_digest: str = about("Digest of spec.commonMetadata of the last success.", "")
    observed_post_renderers_digest: str = about("Digest of spec.postRenderers of the last success.", "")


class HelmRelease(Resource):
    """One Helm release on one cluster."""

    KIND: ClassVar[Kind] = HELM_RELEASE

    spec: HelmReleaseSpec = about("What is wanted.", factory=HelmReleaseSpec)
    status: HelmReleaseStatus = about("What was found.", factory=HelmReleaseStatus)
