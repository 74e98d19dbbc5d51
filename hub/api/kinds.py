"""
All kinds of the hub as names: what they are called, which versions are served, what is shown of them.

The one list that the CRDs, the watcher and the command line are made from. A new kind is one entry here, and the model
of its objects in a module that :mod:`hub.api.registry` imports. Nothing here needs the models, which take longer to
import than a short command may take. Pure.
"""

from __future__ import annotations

from hub.api.kind import AGE, READY, STATUS, Api, Column, Kind, Version

SOURCE, IMAGE, FLEET = "source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io", "fleet.hubctl.io"
NOTIFICATION = "notification.toolkit.fluxcd.io"
_SOURCES, _IMAGES = ("all", "fluxcd", "fluxcd-sources"), ("all", "fluxcd", "fluxcd-images")
_SOURCE_VERSIONS = (Version("v1beta1", deprecated=True), Version("v1beta2", deprecated=True), Version("v1"))


def _image_versions(*columns: Column) -> tuple[Version, ...]:
    """The versions ever served; the first had columns of its own."""
    return (Version("v1beta1", deprecated=True, columns=columns), Version("v1beta2", deprecated=True), Version("v1"))


GIT_REPOSITORY = Kind(
    api=Api(SOURCE, "v1", "GitRepository", "gitrepositories"),
    versions=_SOURCE_VERSIONS,
    names=("source git", "sources git"),
    short_names=("gitrepo",),
    categories=_SOURCES,
    columns=(Column("URL", ".spec.url"), AGE, READY, STATUS),
)

HELM_REPOSITORY = Kind(
    api=Api(SOURCE, "v1", "HelmRepository", "helmrepositories"),
    versions=_SOURCE_VERSIONS,
    names=("source helm", "sources helm"),
    short_names=("helmrepo",),
    categories=_SOURCES,
    columns=(Column("URL", ".spec.url"), AGE, READY, STATUS),
)

OCI_REPOSITORY = Kind(
    api=Api(SOURCE, "v1", "OCIRepository", "ocirepositories"),
    versions=_SOURCE_VERSIONS,
    names=("source oci", "sources oci"),
    short_names=("ocirepo",),
    categories=_SOURCES,
    columns=(Column("URL", ".spec.url"), READY, STATUS, AGE),
)

BUCKET = Kind(
    api=Api(SOURCE, "v1", "Bucket", "buckets"),
    versions=_SOURCE_VERSIONS,
    names=("source bucket", "sources bucket"),
    categories=_SOURCES,
    columns=(Column("Endpoint", ".spec.endpoint"), AGE, READY, STATUS),
)

HELM_CHART = Kind(
    api=Api(SOURCE, "v1", "HelmChart", "helmcharts"),
    versions=_SOURCE_VERSIONS,
    names=("source chart", "sources chart"),
    short_names=("hc",),
    categories=_SOURCES,
    columns=(
        Column("Chart", ".spec.chart"),
        Column("Version", ".spec.version"),
        Column("Source Kind", ".spec.sourceRef.kind"),
        Column("Source Name", ".spec.sourceRef.name"),
        AGE,
        READY,
        STATUS,
    ),
)

EXTERNAL_ARTIFACT = Kind(
    api=Api(SOURCE, "v1", "ExternalArtifact", "externalartifacts"),
    versions=(Version("v1"),),
    names=("source external", "sources external"),
    short_names=("ea",),
    categories=_SOURCES,
    columns=(AGE, READY, STATUS, Column("Source", ".spec.sourceRef.name")),
    initial_status=False,
)

HELM_RELEASE = Kind(
    api=Api("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases"),
    versions=(Version("v2beta1", deprecated=True), Version("v2beta2", deprecated=True), Version("v2")),
    names=("helmrelease", "helmreleases"),
    short_names=("hr",),
    categories=("all", "fluxcd", "fluxcd-appliers"),
)

IMAGE_REPOSITORY = Kind(
    api=Api(IMAGE, "v1", "ImageRepository", "imagerepositories"),
    versions=_image_versions(
        Column("Last scan", ".status.lastScanResult.scanTime"),
        Column("Tags", ".status.lastScanResult.tagCount"),
    ),
    names=("image repository", "images repository"),
    short_names=("imgrepo", "imagerepo"),
    categories=_IMAGES,
    columns=(
        Column("Image", ".spec.image"),
        Column("Tags", ".status.lastScanResult.tagCount"),
        READY,
        STATUS,
        Column("Last scan", ".status.lastScanResult.scanTime"),
        AGE,
    ),
)

IMAGE_POLICY = Kind(
    api=Api(IMAGE, "v1", "ImagePolicy", "imagepolicies"),
    versions=_image_versions(Column("LatestImage", ".status.latestImage")),
    names=("image policy", "images policy"),
    short_names=("imgpol", "imagepol"),
    categories=_IMAGES,
    columns=(
        Column("Image", ".status.latestRef.name"),
        Column("Tag", ".status.latestRef.tag"),
        Column("LatestImage", ".status.latestImage"),
        READY,
        STATUS,
        AGE,
    ),
)

IMAGE_UPDATE_AUTOMATION = Kind(
    api=Api(IMAGE, "v1", "ImageUpdateAutomation", "imageupdateautomations"),
    versions=_image_versions(Column("Last run", ".status.lastAutomationRunTime")),
    names=("image update", "images update"),
    short_names=("iua", "imgupd", "imgauto"),
    categories=_IMAGES,
    columns=(READY, STATUS, Column("Last run", ".status.lastAutomationRunTime"), AGE),
)

RECEIVER = Kind(
    api=Api(NOTIFICATION, "v1", "Receiver", "receivers"),
    versions=(Version("v1beta1", deprecated=True), Version("v1beta2", deprecated=True), Version("v1")),
    names=("receiver", "receivers"),
    categories=("all", "fluxcd", "fluxcd-notifications"),
)

MEMBER = Kind(
    api=Api(FLEET, "v1alpha1", "Member", "members"),
    versions=(Version("v1alpha1"),),
    names=("member", "members"),
    categories=("fleet",),
    columns=(
        READY,
        Column("Version", ".status.version"),
        Column("Ready Releases", ".status.releases.ready", "integer"),
        Column("Releases", ".status.releases.total", "integer"),
        Column("Breaker", ".status.breaker", priority=1),
        Column("Latency", ".status.latency", priority=1),
        Column("Last Seen", ".status.lastSeen", "date", priority=1),
        Column("Expires", ".status.credentials.expires", priority=1),
        AGE,
        STATUS,
    ),
)

KINDS: tuple[Kind, ...] = (
    GIT_REPOSITORY,
    HELM_REPOSITORY,
    OCI_REPOSITORY,
    BUCKET,
    HELM_CHART,
    EXTERNAL_ARTIFACT,
    HELM_RELEASE,
    IMAGE_REPOSITORY,
    IMAGE_POLICY,
    IMAGE_UPDATE_AUTOMATION,
    RECEIVER,
    MEMBER,
)


def _words(kind: Kind) -> set[str]:
    api = kind.api
    words = {*kind.names, *kind.short_names, api.kind, api.plural, f"{api.plural}.{api.group}"}
    return {word.lower() for word in words}


_BY_WORD: dict[str, Kind] = {word: kind for kind in KINDS for word in _words(kind)}
_BY_GROUP_KIND: dict[tuple[str, str], Kind] = {(kind.api.group, kind.api.kind): kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """
    Return the kind that people call so: ``hr``, ``HelmRelease``, ``source git``, ``gitrepositories``.

    Raises:
        LookupError: No kind has that name; the message lists the names there are.
    """
    found = _BY_WORD.get(" ".join(name.lower().split()))
    if found is None:
        known = ", ".join(kind.names[0] for kind in KINDS)
        raise LookupError(f"unknown kind '{name}'; known are: {known}")
    return found


def kind_for(api_version: str, kind: str) -> Kind | None:
    """Return the kind of an object by its ``apiVersion`` (any version counts) and ``kind``; None when not ours."""
    group = api_version.partition("/")[0] if "/" in api_version else ""
    return _BY_GROUP_KIND.get((group, kind))
